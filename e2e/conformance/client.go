package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The callers of a case.
const (
	member = "member"
	other  = "other"
	admin  = "admin"
	nobody = "nobody"
)

// baseVersion is what a request is sent with that names no microversion.
const baseVersion = "3.44"

// person is somebody logged in.
type person struct {
	token    string
	endpoint string // of Cinder, for the person's project
	shares   string // of Manila; "" where there is none
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   any
}

// request is one HTTP request, with all variables filled in.
type request struct {
	method, url, body string
	header            map[string]string
}

func (q request) send() (reply, error) {
	req, err := http.NewRequest(q.method, q.url, strings.NewReader(q.body))
	if err != nil {
		return reply{}, err
	}
	req.Close = true // a reused connection may just be closing on the other side
	req.Header.Set("Accept", "application/json")
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for key, value := range q.header {
		req.Header.Set(key, value)
	}
	client := http.Client{Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: reading the answer: %w", q.method, q.url, err)
	}
	r := reply{status: res.StatusCode, header: res.Header, raw: raw}
	if json.Valid(raw) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		err = dec.Decode(&r.body)
	}
	return r, err
}

// company is everybody logged in, and the variables that a run provides.
type company struct {
	people map[string]person
	vars   map[string]string
}

func logIn(c *Cloud) (company, error) {
	known := company{people: map[string]person{nobody: {}}, vars: map[string]string{
		"domain": c.Member.Domain, "zone": c.Zone, "region": c.Region,
		"type": c.Type, "multi": c.Multi, "target": c.Target, "sharetype": c.ShareType,
		"nowhere":         "00000000-0000-4000-8000-000000000000",
		"credential":      c.Credential.ID,
		"credential.name": c.Credential.Name, "credential.secret": c.Credential.Secret,
		"letters255": strings.Repeat("n", 255), "letters256": strings.Repeat("n", 256),
		"letters1023": strings.Repeat("v", 1023), "letters1024": strings.Repeat("v", 1024),
	}}
	for who, login := range map[string]Login{member: c.Member, other: c.Other, admin: c.Admin} {
		if err := known.welcome(c, who, login); err != nil {
			return company{}, fmt.Errorf("log in to %s as %s: %w", c.AuthURL, who, err)
		}
	}
	return known, nil
}

func (k company) welcome(c *Cloud, who string, login Login) error {
	r, err := request{method: "POST", url: c.AuthURL + "/auth/tokens", body: passwordLogin(login)}.send()
	if err != nil {
		return err
	}
	if r.status != http.StatusCreated {
		return fmt.Errorf("%d %s", r.status, r.raw)
	}
	endpoint := endpointIn(r.body, c.Region, "block-storage", "volumev3")
	project, user := text(r.body, "token.project.id"), text(r.body, "token.user.id")
	if endpoint == "" || project == "" {
		return fmt.Errorf("no project or no public block-storage endpoint in region %q: %s", c.Region, r.raw)
	}
	k.people[who] = person{token: r.header.Get("X-Subject-Token"), endpoint: endpoint,
		shares: endpointIn(r.body, c.Region, "shared-file-system", "sharev2")}
	k.vars[who+".token"] = r.header.Get("X-Subject-Token")
	k.vars[who+".user"], k.vars[who+".userid"] = login.User, user
	k.vars[who+".password"] = login.Password
	k.vars[who+".project"], k.vars[who+".projectid"] = login.Project, project
	return nil
}

func passwordLogin(l Login) string {
	body, _ := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": l.User, "password": l.Password, "domain": map[string]any{"name": l.Domain}},
		}},
		"scope": map[string]any{"project": map[string]any{"name": l.Project, "domain": map[string]any{"name": l.Domain}}},
	}})
	return string(body)
}

// endpointIn finds a service, listed under any of its types, in a token's catalog.
func endpointIn(body any, region string, types ...string) string {
	for i := range size(body, "token.catalog") {
		service := fmt.Sprintf("token.catalog.%d.", i)
		if !slices.Contains(types, text(body, service+"type")) {
			continue
		}
		for j := range size(body, service+"endpoints") {
			face := fmt.Sprintf("%sendpoints.%d.", service, j)
			if text(body, face+"interface") == "public" && text(body, face+"region") == region {
				return text(body, face+"url")
			}
		}
	}
	return ""
}
