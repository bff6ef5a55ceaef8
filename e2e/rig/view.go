package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// The test's own eyes in the cloud: plain HTTP with the member's account.

// CloudVolume is a volume as the cloud shows it.
type CloudVolume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Size        int               `json:"size"`
	Metadata    map[string]string `json:"metadata"`
	Attachments []struct {
		ID     string `json:"attachment_id"`
		Device string `json:"device"`
	} `json:"attachments"`
}

// Volumes lists the volumes of a name, whoever made them.
func (c *Cloud) Volumes(name string) []CloudVolume {
	c.t.Helper()
	var out struct {
		Volumes []CloudVolume `json:"volumes"`
	}
	c.API("GET", "/volumes/detail?name="+name, nil, &out)
	return out.Volumes
}

// Shares lists the shares of a name, whoever made them.
func (c *Cloud) Shares(name string) []CloudVolume {
	c.t.Helper()
	var out struct {
		Shares []CloudVolume `json:"shares"`
	}
	c.look("GET /v2/shares/detail")
	if status := c.send("GET", "http://"+c.addr+"/v2/shares/detail?name="+name, c.token(), nil, &out); status != http.StatusOK {
		c.t.Fatalf("listing shares: %d", status)
	}
	return out.Shares
}

// Attachments lists the ids of all attachments.
func (c *Cloud) Attachments() []string {
	c.t.Helper()
	var out struct {
		Attachments []struct {
			ID string `json:"id"`
		} `json:"attachments"`
	}
	c.API("GET", "/attachments", nil, &out)
	var ids []string
	for _, a := range out.Attachments {
		ids = append(ids, a.ID)
	}
	return ids
}

// API sends one request to Cinder as the project's member, below version and
// project, and returns the status.
func (c *Cloud) API(method, path string, body, into any) int {
	c.t.Helper()
	kind, _, _ := strings.Cut(path, "?")
	kind = method + " /v3/{project}" + uuidPattern().ReplaceAllString(kind, "{id}")
	c.look(kind)
	status := c.send(method, "http://"+c.addr+"/v3/"+c.project()+path, c.token(), body, into)
	if status == http.StatusUnauthorized { // the token has expired
		c.forgetLogin()
		c.look(kind)
		status = c.send(method, "http://"+c.addr+"/v3/"+c.project()+path, c.token(), body, into)
	}
	return status
}

func (c *Cloud) forgetLogin() {
	c.idMu.Lock()
	defer c.idMu.Unlock()
	c.id = identity{}
}

func (c *Cloud) send(method, url, token string, body, into any) int {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("OpenStack-API-Version", "volume 3.60")
	req.Header.Set("X-OpenStack-Manila-API-Version", "2.65")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			c.t.Fatalf("%s %s: %s: %v", method, url, resp.Status, err)
		}
	}
	return resp.StatusCode
}

// look notes a request of the test's own, which Counters leaves out.
func (c *Cloud) look(kind string) {
	c.idMu.Lock()
	defer c.idMu.Unlock()
	if c.looks == nil {
		c.looks = map[string]int{}
	}
	c.looks[kind]++
}

func uuidPattern() *regexp.Regexp {
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
}

type identity struct{ token, project string }

func (c *Cloud) token() string   { return c.login().token }
func (c *Cloud) project() string { return c.login().project }

// login gets a token with the account of clouds.yaml, once.
func (c *Cloud) login() identity {
	c.t.Helper()
	c.idMu.Lock()
	defer c.idMu.Unlock()
	if c.id.token != "" {
		return c.id
	}
	if c.looks == nil {
		c.looks = map[string]int{}
	}
	c.looks["POST /v3/auth/tokens"]++
	account := c.account()
	domain := map[string]any{"id": "default"}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": account["username"], "password": account["password"], "domain": domain}}},
		"scope": map[string]any{"project": map[string]any{"name": account["project_name"], "domain": domain}},
	}}
	data, _ := json.Marshal(body)
	resp, err := http.Post("http://"+c.addr+"/v3/auth/tokens", "application/json", bytes.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Token struct {
			Project struct {
				ID string `json:"id"`
			} `json:"project"`
		} `json:"token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Token.Project.ID == "" {
		c.t.Fatalf("log in: %s, %v", resp.Status, err)
	}
	c.id = identity{token: resp.Header.Get("X-Subject-Token"), project: out.Token.Project.ID}
	return c.id
}

// account reads the values of cloud sim from clouds.yaml: simple "key: value"
// lines below "sim:".
func (c *Cloud) account() map[string]string {
	c.t.Helper()
	data, err := os.ReadFile(c.CloudsFile())
	if err != nil {
		c.t.Fatal(err)
	}
	out, inside := map[string]string{}, false
	for _, line := range strings.Split(string(data), "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if value == "" && strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") {
			inside = key == "sim"
		}
		if inside {
			out[key] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return out
}
