//go:build e2e

package conformance

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestMain lets more stories run side by side than there are processors here:
// what they wait for is the cloud. It also has a flag of its own:
//
//	go test -tags e2e ./e2e/conformance -run Cloud -record
//
// replaces testdata by what the cloud answers.
func TestMain(m *testing.M) {
	flag.Bool("record", false, "write the cloud's answers to testdata instead of comparing with them")
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	os.Exit(m.Run())
}

// TestCloud holds a real cloud against the table and the record. What it needs
// to know comes from the environment:
//
//	FUXI_E2E_AUTH_URL        Keystone, such as http://10.0.0.1:5000/v3; without it the test is skipped, but fails where CI is true
//	FUXI_E2E_ADMIN_PASSWORD  of an administrator; FUXI_E2E_ADMIN_USER and FUXI_E2E_ADMIN_PROJECT are admin unless given
//	FUXI_E2E_DOMAIN          Default unless given; FUXI_E2E_REGION is RegionOne, FUXI_E2E_ZONE nova
//	FUXI_E2E_TYPE            a volume type whose attachments are quick; lvm unless given
//	FUXI_E2E_TARGET_TYPE     a volume type whose volumes are iSCSI targets; FUXI_E2E_TYPE unless given
//
// The administrator makes two projects with a member each and a volume type
// that allows several attachments, all of which are deleted in the end. The
// cloud may be used by others meanwhile.
func TestCloud(t *testing.T) {
	url := os.Getenv("FUXI_E2E_AUTH_URL")
	if url == "" && os.Getenv("CI") == "true" {
		t.Fatal("FUXI_E2E_AUTH_URL is not set: CI must name a real cloud")
	}
	if url == "" {
		t.Skip("FUXI_E2E_AUTH_URL names no cloud")
	}
	kind := setting("TYPE", "lvm")
	Run(t, build(t, Cloud{
		AuthURL: url, Region: setting("REGION", "RegionOne"), Zone: setting("ZONE", "nova"),
		Admin: Login{User: setting("ADMIN_USER", "admin"), Password: setting("ADMIN_PASSWORD", ""),
			Project: setting("ADMIN_PROJECT", "admin"), Domain: setting("DOMAIN", "Default")},
		Type: kind, Target: setting("TARGET_TYPE", kind), Patience: 5 * time.Minute, Real: true,
		Record: flag.Lookup("record").Value.String() == "true",
	}))
}

func setting(name, fallback string) string { return cmp.Or(os.Getenv("FUXI_E2E_"+name), fallback) }

// site makes and deletes what a run needs.
type site struct {
	t     *testing.T
	cloud *Cloud
	admin person
	vars  map[string]string
}

func build(t *testing.T, c Cloud) Cloud {
	known := company{people: map[string]person{}, vars: map[string]string{}}
	if err := known.welcome(&c, admin, c.Admin); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, cloud: &c, admin: known.people[admin], vars: known.vars}
	suffix := rand.Text()[:8]
	var id string
	c.Member, id = s.account("fuxi-conformance-" + suffix)
	c.Other, _ = s.account("fuxi-conformance-other-" + suffix)
	s.cinder("PUT", "/os-quota-sets/"+id, `{"quota_set":{"volumes":200,"gigabytes":2000,"snapshots":50}}`, 200)
	c.ShareType = s.sharing("fuxi-conformance-"+suffix, id)
	s.credential()
	c.Multi = s.multi("fuxi-conformance-" + suffix)
	return c
}

// account makes a project and its member; their names are the same.
func (s *site) account(name string) (Login, string) {
	domain := s.find("domains", s.cloud.Admin.Domain)
	project := s.make("projects", "project", fmt.Sprintf(`{"project":{"name":%q,"domain_id":%q}}`, name, domain))
	password := rand.Text()
	user := s.make("users", "user", fmt.Sprintf(`{"user":{"name":%q,"password":%q,"domain_id":%q}}`, name, password, domain))
	s.keystone("PUT", "/projects/"+project+"/users/"+user+"/roles/"+s.find("roles", "member"), "", 204)
	return Login{User: name, Password: password, Project: name, Domain: s.cloud.Admin.Domain}, project
}

func (s *site) find(kind, name string) string {
	r := s.keystone("GET", "/"+kind+"?name="+name, "", 200)
	id := text(r.body, kind+".0.id")
	if id == "" {
		s.t.Fatalf("no %s named %s: %s", kind, name, r.raw)
	}
	return id
}

func (s *site) make(kind, one, body string) string {
	id := text(s.keystone("POST", "/"+kind, body, 201).body, one+".id")
	s.t.Cleanup(func() { s.keystone("DELETE", "/"+kind+"/"+id, "", 204) })
	return id
}

// credential gives the member an application credential; it goes with its user.
func (s *site) credential() {
	known := company{people: map[string]person{}, vars: map[string]string{}}
	if err := known.welcome(s.cloud, member, s.cloud.Member); err != nil {
		s.t.Fatal(err)
	}
	r := s.ask(known.people[member], "POST", s.cloud.AuthURL+"/users/"+known.vars["member.userid"]+"/application_credentials",
		`{"application_credential":{"name":"fuxi"}}`, 201)
	s.cloud.Credential = Credential{Name: "fuxi",
		ID: text(r.body, "application_credential.id"), Secret: text(r.body, "application_credential.secret")}
}

// sharing makes room for the member's shares and a type whose shares have
// snapshots, of which shares can be made; nothing where there is no Manila.
func (s *site) sharing(name, project string) string {
	if s.admin.shares == "" {
		return ""
	}
	s.manila("PUT", "/quota-sets/"+project, `{"quota_set":{"shares":200,"gigabytes":2000,"snapshots":50,"snapshot_gigabytes":2000}}`, 200)
	body := fmt.Sprintf(`{"share_type":{"name":%q,"extra_specs":{"driver_handles_share_servers":"False","snapshot_support":"True",`+
		`"create_share_from_snapshot_support":"True"}}}`, name)
	id := text(s.manila("POST", "/types", body, 200).body, "share_type.id")
	s.t.Cleanup(func() { s.manila("DELETE", "/types/"+id, "", http.StatusAccepted) })
	return name
}

func (s *site) manila(method, path, body string, status int) reply {
	s.t.Helper()
	q := request{method: method, url: s.admin.shares + path, body: body, header: map[string]string{
		"X-Auth-Token": s.admin.token, manilaHeader: shareVersion}}
	r, err := q.send()
	if err != nil {
		s.t.Fatal(err)
	}
	if r.status != status {
		s.t.Errorf("%s %s: %d %s; want %d", method, q.url, r.status, r.raw, status)
	}
	return r
}

// multi makes a type like the quick one whose volumes allow several attachments.
func (s *site) multi(name string) string {
	r := s.cinder("GET", "/types", "", 200)
	specs := map[string]any{}
	for i := range size(r.body, "volume_types") {
		place := fmt.Sprintf("volume_types.%d.", i)
		if text(r.body, place+"name") == s.cloud.Type {
			found, _ := at(r.body, place+"extra_specs")
			maps.Copy(specs, found.(map[string]any))
		}
	}
	specs["multiattach"] = "<is> True"
	body, err := json.Marshal(map[string]any{"volume_type": map[string]any{"name": name, "extra_specs": specs}})
	if err != nil {
		s.t.Fatal(err)
	}
	id := text(s.cinder("POST", "/types", string(body), 200).body, "volume_type.id")
	s.t.Cleanup(func() { s.cinder("DELETE", "/types/"+id, "", http.StatusAccepted) })
	return name
}

func (s *site) keystone(method, path, body string, status int) reply {
	return s.ask(s.admin, method, s.cloud.AuthURL+path, body, status)
}

func (s *site) cinder(method, path, body string, status int) reply {
	return s.ask(s.admin, method, s.admin.endpoint+path, body, status)
}

func (s *site) ask(by person, method, url, body string, status int) reply {
	s.t.Helper()
	q := request{method: method, url: url, body: body, header: map[string]string{"X-Auth-Token": by.token}}
	r, err := q.send()
	if err != nil && method != http.MethodPost { // a busy cloud may refuse the connection; a second time does no harm
		time.Sleep(time.Second)
		r, err = q.send()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if r.status != status {
		s.t.Errorf("%s %s: %d %s; want %d", method, url, r.status, r.raw, status)
	}
	return r
}
