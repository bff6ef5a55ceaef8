package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

const (
	vm1 = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e01"
	vm2 = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e02"
)

// nova sends one request to Compute.
func (u *user) nova(method, path, version string, body any) reply {
	u.t.Helper()
	r, err := u.send(method, "/v2.1"+path, http.Header{"X-Auth-Token": {u.token}, "Openstack-Api-Version": {"compute " + version}}, body)
	if err != nil {
		u.t.Fatal(err)
	}
	return r
}

func attachBody(volume string) object {
	return object{"volumeAttachment": object{"volumeId": volume}}
}

func servers(t *testing.T, settle time.Duration) *server {
	return start(t, "", simulator.Options{Settle: settle, Servers: []simulator.Server{{ID: vm1, Name: "one"}, {ID: vm2}}})
}

func TestServerHasVolumes(t *testing.T) {
	s := servers(t, 20*time.Millisecond)
	u, admin := s.login("sim"), s.login("sim-admin")
	volume := u.create(object{})
	u.until(volume, "available")
	path := "/servers/" + vm1 + "/os-volume_attachments"
	r := u.nova("POST", path, "2.60", attachBody(volume))
	if r.Status != 200 || r.at("volumeAttachment", "volumeId") != volume || r.at("volumeAttachment", "device") != "/dev/vdb" || r.at("volumeAttachment", "id") != volume {
		t.Fatalf("attach: %d %s", r.Status, r.Raw)
	}
	if u.status(volume) == "available" {
		t.Error("Nova answered before Cinder had reserved the volume")
	}
	u.until(volume, "in-use")
	seen := u.want(200, "GET", "/volumes/"+volume, nil).at("volume", "attachments").([]any)[0].(object)
	if seen["server_id"] != vm1 || seen["device"] != "/dev/vdb" {
		t.Errorf("Cinder shows %v", seen)
	}
	if r := u.nova("GET", path, "2.89", nil); r.Status != 200 || strings.Contains(string(r.Raw), `"id"`) || !strings.Contains(string(r.Raw), "bdm_uuid") {
		t.Errorf("list at 2.89: %d %s", r.Status, r.Raw)
	}
	if r := u.nova("GET", "/servers/"+vm1, "2.60", nil); r.Status != 200 || r.at("server", "status") != "ACTIVE" || len(r.at("server", "os-extended-volumes:volumes_attached").([]any)) != 1 {
		t.Errorf("server: %d %s", r.Status, r.Raw)
	}
	// Cinder does not let go of what Nova uses.
	own := seen["attachment_id"].(string)
	for _, who := range []*user{u, admin} {
		if r := who.do("DELETE", "/attachments/"+own, nil); r.Status != 409 || !strings.Contains(string(r.Raw), "Compute API") {
			t.Errorf("delete through Cinder: %d %s", r.Status, r.Raw)
		}
	}
	if r := u.nova("DELETE", path+"/"+volume, "2.60", nil); r.Status != 202 || u.status(volume) != "detaching" {
		t.Errorf("detach: %d %s", r.Status, r.Raw)
	}
	u.until(volume, "available")
	if r := u.nova("GET", path+"/"+volume, "2.60", nil); r.Status != 404 {
		t.Errorf("afterwards: %d %s", r.Status, r.Raw)
	}
}

func TestServerRefusals(t *testing.T) {
	s := servers(t, 0)
	u, foreigner := s.login("sim"), s.login("sim-other")
	volume, multi, busy := u.create(object{}), u.create(object{"volume_type": "multi"}), u.create(object{})
	u.until(volume, "available")
	u.until(multi, "available")
	u.until(busy, "available")
	u.attach(busy, "h1")
	path := "/servers/" + vm1 + "/os-volume_attachments"
	for name, c := range map[string]struct {
		as           *user
		method, path string
		version      string
		body         any
		status       int
		says         string
	}{
		"no server":           {u, "GET", "/servers/" + nowhere[9:], "2.60", nil, 404, "could not be found"},
		"of another project":  {foreigner, "GET", "/servers/" + vm1, "2.60", nil, 404, "could not be found"},
		"no volume":           {u, "POST", path, "2.60", attachBody(nowhere[9:]), 404, "could not be found"},
		"no uuid":             {u, "POST", path, "2.60", attachBody("x"), 400, "volumeId"},
		"no body":             {u, "POST", path, "2.60", object{}, 400, "required property"},
		"unknown property":    {u, "POST", path, "2.60", object{"volumeAttachment": object{"volumeId": volume, "colour": "red"}}, 400, "colour"},
		"in use":              {u, "POST", path, "2.60", attachBody(busy), 400, "status must be"},
		"multi, too old":      {u, "POST", path, "2.59", attachBody(multi), 400, "2.60"},
		"not attached":        {u, "DELETE", path + "/" + volume, "2.60", nil, 404, "is not attached"},
		"too new":             {u, "GET", path, "2.999", nil, 406, "maximum is"},
		"odd version":         {u, "GET", path, "two", nil, 400, "invalid format"},
		"unknown action":      {u, "POST", "/servers/" + vm1 + "/action", "2.60", object{"dance": nil}, 400, "no such action"},
		"nothing at that URL": {u, "GET", "/flavours", "2.60", nil, 404, "could not be found"},
	} {
		if r := c.as.nova(c.method, c.path, c.version, c.body); r.Status != c.status || !strings.Contains(string(r.Raw), c.says) {
			t.Errorf("%s: %d %s; want %d saying %q", name, r.Status, r.Raw, c.status, c.says)
		}
	}
	for state, says := range map[string]string{`{"task_state":"rebooting"}`: "task_state rebooting", `{"task_state":"","locked":true}`: "is locked", `{"locked":false,"status":"ERROR"}`: "vm_state error"} {
		if r := s.admin("POST", "/servers/"+vm2, state); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Raw)
		}
		if r := u.nova("POST", "/servers/"+vm2+"/os-volume_attachments", "2.60", attachBody(volume)); r.Status != 409 || !strings.Contains(string(r.Raw), says) {
			t.Errorf("%s: %d %s", state, r.Status, r.Raw)
		}
		s.admin("POST", "/servers/"+vm2, `{"task_state":"","locked":false,"status":"ACTIVE"}`)
	}
}

// A cloud without servers has no Compute service.
func TestNoServers(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	if r := u.nova("GET", "/servers", "2.60", nil); r.Status == 200 {
		t.Errorf("%d %s", r.Status, r.Raw)
	}
}

// What was under way when the process ended is finished by the next.
func TestServersSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	opts := simulator.Options{Servers: []simulator.Server{{ID: vm1}}}
	opts.Settle = time.Hour
	var volume string
	t.Run("first", func(t *testing.T) {
		quick := start(t, dir, simulator.Options{})
		u := quick.login("sim")
		volume = u.create(object{})
		u.until(volume, "available")
	})
	t.Run("second", func(t *testing.T) {
		u := start(t, dir, opts).login("sim")
		if r := u.nova("POST", "/servers/"+vm1+"/os-volume_attachments", "2.60", attachBody(volume)); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Raw)
		}
	})
	t.Run("third", func(t *testing.T) {
		opts.Settle = 0
		start(t, dir, opts).login("sim").until(volume, "in-use")
	})
}
