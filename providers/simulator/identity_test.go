package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

func TestCredentials(t *testing.T) {
	s := start(t, "", simulator.Options{})
	wrong := s.passwordAuth("sim")
	wrong["auth"].(object)["identity"].(object)["password"].(object)["user"].(object)["password"] = "nope"
	r, err := s.send("POST", "/v3/auth/tokens", nil, wrong)
	if err != nil || r.Status != 401 || r.at("error", "title") != "Unauthorized" || r.at("error", "code") != 401.0 {
		t.Errorf("wrong password: %v, %d %s", err, r.Status, r.Raw)
	}
	foreign := s.passwordAuth("sim")
	foreign["auth"].(object)["scope"] = object{"project": object{"name": "other", "domain": object{"id": "default"}}}
	if r, err = s.send("POST", "/v3/auth/tokens", nil, foreign); err != nil || r.Status != 401 {
		t.Errorf("somebody else's project: %v, %d %s", err, r.Status, r.Raw)
	}
	for _, bad := range []string{"", "{}", `{"auth":{}}`, `{"auth":{"identity":{"methods":["password"]}}}`} {
		if r, err = s.send("POST", "/v3/auth/tokens", nil, bad); err != nil || r.Status != 400 {
			t.Errorf("%q: %v, %d %s", bad, err, r.Status, r.Raw)
		}
	}
	credential := object{"id": s.credential("sim-appcred", "application_credential_id"),
		"secret": s.credential("sim-appcred", "application_credential_secret")}
	r, err = s.send("POST", "/v3/auth/tokens", nil, object{"auth": object{"identity": object{
		"methods": []string{"application_credential"}, "application_credential": credential}}})
	if err != nil || r.Status != 201 || r.at("token", "project", "name") != "demo" {
		t.Errorf("application credential: %v, %d %s", err, r.Status, r.Raw)
	}
	again, err := s.send("POST", "/v3/auth/tokens", nil, object{"auth": object{"identity": object{
		"methods": []string{"token"}, "token": object{"id": r.Header.Get("X-Subject-Token")}}}})
	if err != nil || again.Status != 201 || again.at("token", "expires_at") != r.at("token", "expires_at") {
		t.Errorf("token for token: %v, %d %s", err, again.Status, again.Raw)
	}
}

func TestCatalogue(t *testing.T) {
	s := start(t, "", simulator.Options{})
	r, err := s.send("POST", "/v3/auth/tokens", nil, s.passwordAuth("sim"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, entry := range r.at("token", "catalog").([]any) {
		service := entry.(object)
		found[service["type"].(string)] = len(service["endpoints"].([]any))
	}
	if found["identity"] != 3 || found["block-storage"] != 3 || found["volumev3"] != 3 {
		t.Errorf("catalogue: %v", found)
	}
	for path, status := range map[string]int{"/": 300, "/v3": 200, "/v3/": 200, "/v4": 404} {
		if r, err := s.send("GET", path, nil, nil); err != nil || r.Status != status {
			t.Errorf("%s: %v, %d %s", path, err, r.Status, r.Raw)
		}
	}
}

func TestTokenLife(t *testing.T) {
	s := start(t, "", simulator.Options{TokenTTL: time.Second})
	u := s.login("sim")
	header := http.Header{"X-Auth-Token": {u.token}, "X-Subject-Token": {u.token}}
	if r, err := s.send("GET", "/v3/auth/tokens", header, nil); err != nil || r.at("token", "user", "name") != "demo" {
		t.Errorf("validate: %v, %s", err, r.Raw)
	}
	time.Sleep(1050 * time.Millisecond)
	r := u.want(401, "GET", "/volumes", nil)
	if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Keystone uri=") || r.Header.Get("X-Openstack-Request-Id") == "" {
		t.Errorf("headers of a 401: %v", r.Header)
	}
	u = s.login("sim")
	u.want(200, "GET", "/volumes", nil)
	s.admin("POST", "/expire-tokens", nil)
	u.want(401, "GET", "/volumes", nil)
	u = s.login("sim")
	header = http.Header{"X-Auth-Token": {u.token}, "X-Subject-Token": {u.token}}
	if r, err := s.send("DELETE", "/v3/auth/tokens", header, nil); err != nil || r.Status != 204 {
		t.Errorf("revoke: %v, %d %s", err, r.Status, r.Raw)
	}
	u.want(401, "GET", "/volumes", nil)
}

func TestIsolation(t *testing.T) {
	s := start(t, "", simulator.Options{})
	demo, other, admin := s.login("sim"), s.login("sim-other"), s.login("sim-admin")
	id := demo.create(object{"name": "mine"})
	attachment := demo.reserve(id)
	other.want(404, "GET", "/volumes/"+id, nil)
	other.want(404, "DELETE", "/volumes/"+id, nil)
	other.want(404, "POST", "/volumes/"+id+"/metadata", object{"metadata": object{"a": "b"}})
	other.want(200, "GET", "/attachments/"+attachment, nil) // as in Cinder, which asks only for the id
	other.want(403, "DELETE", "/attachments/"+attachment, nil)
	other.want(404, "POST", "/attachments", object{"attachment": object{"volume_uuid": id}})
	other.want(404, "GET", "/volumes?marker="+id, nil)
	for _, path := range []string{"/volumes", "/volumes?name=mine", "/volumes?all_tenants=1"} {
		if r := other.want(200, "GET", path, nil); len(names(r)) != 0 {
			t.Errorf("%s shows another project's volumes: %s", path, r.Raw)
		}
	}
	theirs := other.create(object{"name": "mine"})
	if r := admin.want(200, "GET", "/volumes?all_tenants=1&name=mine", nil); len(names(r)) != 2 {
		t.Errorf("all tenants: %s", r.Raw)
	}
	if r := admin.want(200, "GET", "/volumes/"+theirs, nil); r.at("volume", "os-vol-host-attr:host") == nil {
		t.Errorf("an administrator sees the host: %s", r.Raw)
	}
	stranger := *demo
	stranger.project = other.project
	stranger.want(400, "GET", "/volumes", nil)
}

func TestAdministratorOnly(t *testing.T) {
	s := start(t, "", simulator.Options{})
	demo, admin := s.login("sim"), s.login("sim-admin")
	id := demo.create(object{})
	reset := object{"os-reset_status": object{"status": "error"}}
	demo.want(403, "POST", "/volumes/"+id+"/action", reset)
	admin.want(400, "POST", "/volumes/"+id+"/action", object{"os-reset_status": object{"status": "bored"}})
	admin.want(400, "POST", "/volumes/"+id+"/action", object{"os-reset_status": object{"status": "in-use"}})
	admin.want(202, "POST", "/volumes/"+id+"/action", reset)
	if demo.status(id) != "error" {
		t.Errorf("volume is %s", demo.status(id))
	}
	admin.want(202, "POST", "/volumes/"+id+"/action", object{"os-reset_status": object{"status": "creating"}})
	demo.want(400, "DELETE", "/volumes/"+id, nil)
	demo.want(403, "DELETE", "/volumes/"+id+"?force=true", nil)
	demo.want(403, "PUT", "/os-quota-sets/"+demo.project, object{"quota_set": object{"volumes": 1}})
	admin.want(202, "DELETE", "/volumes/"+id+"?force=true", nil)
	demo.untilGone("/volumes/" + id)
	admin.want(200, "PUT", "/os-quota-sets/"+demo.project, object{"quota_set": object{"volumes": 0}})
	demo.want(413, "POST", "/volumes", object{"volume": object{"size": 1}})
	if r := demo.want(200, "GET", "/os-quota-sets/"+demo.project+"?usage=true", nil); r.at("quota_set", "volumes", "limit") != 0.0 {
		t.Errorf("quota: %s", r.Raw)
	}
	if r := demo.want(200, "GET", "/limits", nil); r.at("limits", "absolute", "maxTotalVolumes") != 0.0 {
		t.Errorf("limits: %s", r.Raw)
	}
}

func TestMicroversions(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	id := u.create(object{})
	for _, c := range []struct {
		version, method, path string
		status                int
	}{
		{"", "GET", "/volumes", 200}, {"3.0", "GET", "/volumes", 200}, {"latest", "GET", "/volumes", 200},
		{"3.72", "GET", "/volumes", 406}, {"2.0", "GET", "/volumes", 406}, {"x", "GET", "/volumes", 400},
		{"3.26", "GET", "/attachments", 404}, {"3.27", "GET", "/attachments", 200},
		{"3.26", "POST", "/attachments", 404}, {"3.11", "GET", "/volumes/summary", 404},
		{"3.43", "POST", "/attachments/x/action", 404},
	} {
		var body any
		if c.method == "POST" {
			body = object{"os-complete": object{}}
		}
		r := u.at(c.version).do(c.method, c.path, body)
		if r.Status != c.status {
			t.Errorf("%s %s in %q: %d %s; want %d", c.method, c.path, c.version, r.Status, r.Raw, c.status)
		}
	}
	r := u.at("3.44").want(200, "GET", "/volumes/"+id, nil)
	if r.Header.Get("OpenStack-API-Version") != "volume 3.44" || r.Header.Get("Vary") != "OpenStack-API-Version" {
		t.Errorf("headers: %v", r.Header)
	}
	for field, since := range map[string][2]string{
		"group_id": {"3.12", "3.13"}, "shared_targets": {"3.47", "3.48"}, "volume_type_id": {"3.62", "3.63"}, "consumes_quota": {"3.64", "3.65"},
	} {
		volume := func(version string) object {
			return u.at(version).want(200, "GET", "/volumes/"+id, nil).Body["volume"].(object)
		}
		if _, early := volume(since[0])[field]; early {
			t.Errorf("%s is shown in %s", field, since[0])
		}
		if _, shown := volume(since[1])[field]; !shown {
			t.Errorf("%s is not shown in %s", field, since[1])
		}
	}
}
