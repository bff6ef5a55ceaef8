package simulator_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

// shares sends a request to Manila and wants a status.
func (u *user) shares(status int, method, path string, body any) reply {
	u.t.Helper()
	r, err := u.send(method, "/v2"+path, http.Header{"X-Auth-Token": {u.token}, "X-Openstack-Manila-Api-Version": {"2.45"}}, body)
	if err != nil {
		u.t.Fatal(err)
	}
	if r.Status != status {
		u.t.Fatalf("%s %s: %d %s", method, path, r.Status, r.Raw)
	}
	return r
}

func (u *user) createShare(more object) string {
	u.t.Helper()
	fields := object{"size": 1, "share_proto": "NFS", "share_type": "with-snapshots"}
	for key, value := range more {
		fields[key] = value
	}
	return u.shares(200, "POST", "/shares", object{"share": fields}).at("share", "id").(string)
}

// untilShare waits for a field of what a path shows.
func (u *user) untilShare(path, kind, field, want string) {
	u.t.Helper()
	for range 2000 {
		if u.shares(200, "GET", path, nil).at(kind, field) == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	u.t.Fatalf("%s never had %s %s", path, field, want)
}

func (u *user) untilShareGone(path string) {
	u.t.Helper()
	for range 2000 {
		r, err := u.send("GET", "/v2"+path, http.Header{"X-Auth-Token": {u.token}, "X-Openstack-Manila-Api-Version": {"2.45"}}, nil)
		if err == nil && r.Status == 404 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	u.t.Fatalf("%s never went", path)
}

func (u *user) export(id string) string {
	u.t.Helper()
	list := u.shares(200, "GET", "/shares/"+id+"/export_locations", nil).Body["export_locations"].([]any)
	return list[0].(object)["path"].(string)
}

// TestShareIsADirectory: what is exported can be mounted.
func TestShareIsADirectory(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	id := u.createShare(nil)
	u.untilShare("/shares/"+id, "share", "status", "available")
	path := u.export(id)
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o755 || !filepath.IsAbs(path) {
		t.Fatalf("%s: %v, %v", path, info, err)
	}
	if err := os.MkdirAll(filepath.Join(path, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "sub", "file"), []byte("data"), 0o640); err != nil {
		t.Fatal(err)
	}
	snap := u.shares(202, "POST", "/snapshots", object{"snapshot": object{"share_id": id}}).at("snapshot", "id").(string)
	u.untilShare("/snapshots/"+snap, "snapshot", "status", "available")
	twin := u.createShare(object{"snapshot_id": snap})
	u.untilShare("/shares/"+twin, "share", "status", "available")
	if got := read(t, filepath.Join(u.export(twin), "sub", "file")); got != "data" {
		t.Errorf("the copy has %q", got)
	}
	u.shares(202, "DELETE", "/snapshots/"+snap, nil)
	u.untilShareGone("/snapshots/" + snap)
	u.shares(202, "DELETE", "/shares/"+id, nil)
	u.untilShareGone("/shares/" + id)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the deleted share's directory: %v", err)
	}
}

// TestReopenShares closes a cloud in the middle of every transition and finds
// all of them done by the next one.
func TestReopenShares(t *testing.T) {
	dir := t.TempDir()
	allow := func(to string) object {
		return object{"allow_access": object{"access_type": "ip", "access_to": to, "metadata": object{"k": "v"}}}
	}
	var creating, growing, leaving, rule, denied, stuck string
	t.Run("first", func(t *testing.T) {
		u := start(t, dir, simulator.Options{}).login("sim")
		growing, leaving = u.createShare(object{"metadata": object{"k": "v"}}), u.createShare(nil)
		for _, id := range []string{growing, leaving} {
			u.untilShare("/shares/"+id, "share", "status", "available")
		}
		denied = u.shares(200, "POST", "/shares/"+growing+"/action", allow("192.0.2.2")).at("access", "id").(string)
		u.untilShare("/share-access-rules/"+denied, "access", "state", "active")
	})
	t.Run("slow", func(t *testing.T) {
		u := start(t, dir, simulator.Options{Settle: time.Hour}).login("sim")
		creating = u.createShare(nil)
		rule = u.shares(200, "POST", "/shares/"+growing+"/action", allow("192.0.2.1")).at("access", "id").(string)
		u.shares(202, "POST", "/shares/"+growing+"/action", object{"deny_access": object{"access_id": denied}})
		u.shares(202, "POST", "/shares/"+growing+"/action", object{"extend": object{"new_size": 2}})
		u.shares(202, "DELETE", "/shares/"+leaving, nil)
		u.faults(`[{"service":"manila","do":"stick","value":"creating","method":"POST"}]`)
		stuck = u.createShare(nil)
		u.admin("DELETE", "/faults", nil)
	})
	u := start(t, dir, simulator.Options{}).login("sim")
	u.untilShare("/shares/"+creating, "share", "status", "available")
	u.untilShare("/shares/"+growing, "share", "status", "available")
	u.untilShare("/share-access-rules/"+rule, "access", "state", "active")
	u.untilShareGone("/share-access-rules/" + denied)
	u.untilShareGone("/shares/" + leaving)
	got := u.shares(200, "GET", "/shares/"+growing, nil)
	if got.at("share", "size") != 2.0 || got.at("share", "metadata", "k") != "v" {
		t.Errorf("%v", got.Body)
	}
	u.untilShare("/shares/"+stuck, "share", "status", "creating")
}

func TestShareFaults(t *testing.T) {
	s := start(t, "", simulator.Options{})
	u := s.login("sim")
	u.faults(`[{"service":"manila","method":"GET","path":"^/shares$","times":1,"do":"status","value":{"status":503,"message":"tired"}}]`)
	if r := u.shares(503, "GET", "/shares", nil); r.at("serviceUnavailable", "message") != "tired" {
		t.Errorf("%s", r.Raw)
	}
	u.shares(200, "GET", "/shares", nil)
	if counters := string(s.admin("GET", "/counters", nil).Raw); !strings.Contains(counters, `"GET /v2/shares":2`) {
		t.Errorf("%s", counters)
	}
	id := u.createShare(nil)
	if r := s.admin("POST", "/shares/"+id, `{"colour":"red"}`); r.Status != 400 || !strings.Contains(string(r.Raw), "is_soft_deleted") {
		t.Errorf("%d %s", r.Status, r.Raw)
	}
	if r := s.admin("POST", "/shares/none", `{"status":"error"}`); r.Status != 404 {
		t.Errorf("%d %s", r.Status, r.Raw)
	}
}
