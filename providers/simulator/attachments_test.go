package simulator_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/openstack/fuxi/providers/simulator"
)

// force puts a volume into any state, as no cloud would.
func (s *server) force(id string, fields object) {
	s.t.Helper()
	if r := s.admin("POST", "/volumes/"+id, fields); r.Status != 200 {
		s.t.Fatalf("force %s: %d %s", id, r.Status, r.Raw)
	}
}

func TestAttachLife(t *testing.T) {
	s := start(t, "", simulator.Options{})
	u, admin := s.login("sim"), s.login("sim-admin")
	volume := u.create(object{})
	id := u.reserve(volume)
	if u.status(volume) != "reserved" {
		t.Errorf("reserved volume is %s", u.status(volume))
	}
	r := u.want(200, "PUT", "/attachments/"+id, connector("h1"))
	if r.at("attachment", "connection_info", "driver_volume_type") != "local" ||
		r.at("attachment", "connection_info", "device_path") != u.raw(volume) ||
		r.at("attachment", "connection_info", "attachment_id") != id ||
		r.at("attachment", "connection_info", "access_mode") != "rw" {
		t.Errorf("connection: %s", r.Raw)
	}
	if got := u.want(200, "GET", "/attachments/"+id, nil); got.at("attachment", "status") != "attaching" || u.status(volume) != "attaching" {
		t.Errorf("exposed: %s", got.Raw)
	}
	if list := u.want(200, "GET", "/volumes/"+volume, nil).at("volume", "attachments").([]any); len(list) != 0 {
		t.Errorf("a volume shows attachments only once they are complete: %v", list)
	}
	u.want(204, "POST", "/attachments/"+id+"/action", object{"os-complete": object{}})
	seen := u.want(200, "GET", "/volumes/"+volume, nil)
	shown := seen.at("volume", "attachments").([]any)[0].(object)
	if seen.at("volume", "status") != "in-use" || shown["device"] != "fuxi:h1" || shown["host_name"] != nil ||
		shown["attachment_id"] != id || shown["server_id"] != nil {
		t.Errorf("in use: %s", seen.Raw)
	}
	if shown := admin.want(200, "GET", "/volumes/"+volume, nil).at("volume", "attachments").([]any)[0].(object); shown["host_name"] != "h1" {
		t.Errorf("an administrator sees the host: %v", shown)
	}
	u.want(400, "DELETE", "/volumes/"+volume, nil)
	if gone := u.want(200, "DELETE", "/attachments/"+id, nil); len(gone.Body["attachments"].([]any)) != 0 {
		t.Errorf("left: %s", gone.Raw)
	}
	if u.status(volume) != "available" {
		t.Errorf("released volume is %s", u.status(volume))
	}
	u.want(404, "DELETE", "/attachments/"+id, nil)
	u.want(404, "GET", "/attachments/"+id, nil)
	u.want(404, "PUT", "/attachments/"+id, connector("h1"))
	u.want(404, "POST", "/attachments/"+id+"/action", object{"os-complete": object{}})
}

func TestReserveByStatus(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	single, multi := u.create(object{}), u.create(object{"volume_type": "multi"})
	statuses := map[string][2]int{ // of one volume that is not multiattach, and of one that is
		"available": {200, 200}, "downloading": {200, 200}, "in-use": {400, 200},
		"reserved": {400, 400}, "attaching": {400, 400}, "detaching": {400, 400},
		"creating": {400, 400}, "deleting": {400, 400}, "extending": {400, 400},
		"retyping": {400, 400}, "maintenance": {400, 400}, "uploading": {400, 400}, "backing-up": {400, 400},
		"error": {400, 400}, "error_deleting": {400, 400}, "error_extending": {400, 400}, "error_restoring": {400, 400},
	}
	for status, want := range statuses {
		for i, id := range []string{single, multi} {
			t.Run(fmt.Sprintf("%s/%d", status, i), func(t *testing.T) {
				u.force(id, object{"status": status})
				r := u.do("POST", "/attachments", object{"attachment": object{"volume_uuid": id}})
				if r.Status != want[i] {
					t.Fatalf("%d %s; want %d", r.Status, r.Raw, want[i])
				}
				if r.Status == 200 {
					u.want(200, "DELETE", "/attachments/"+r.at("attachment", "id").(string), nil)
					return
				}
				if !strings.Contains(string(r.Raw), status) || u.status(id) != status {
					t.Errorf("%s, and the volume is %s", r.Raw, u.status(id))
				}
			})
		}
	}
}

func TestAttachmentRefusals(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{})
	post := func(fields object) reply { return u.do("POST", "/attachments", object{"attachment": fields}) }
	for name, c := range map[string]struct {
		fields object
		status int
	}{
		"no volume":        {object{}, 400},
		"unknown volume":   {object{"volume_uuid": nowhere[9:]}, 404},
		"no uuid":          {object{"volume_uuid": "x"}, 400},
		"empty instance":   {object{"volume_uuid": volume, "instance_uuid": ""}, 400},
		"null instance":    {object{"volume_uuid": volume, "instance_uuid": nil}, 400},
		"unknown property": {object{"volume_uuid": volume, "colour": "red"}, 400},
		"mode":             {object{"volume_uuid": volume, "mode": "rx"}, 400},
		"connector":        {object{"volume_uuid": volume, "connector": "h"}, 400},
	} {
		if r := post(c.fields); r.Status != c.status {
			t.Errorf("%s: %d %s; want %d", name, r.Status, r.Raw, c.status)
		}
	}
	if r := u.at("3.53").do("POST", "/attachments", object{"attachment": object{"volume_uuid": volume, "mode": "ro"}}); r.Status != 400 {
		t.Errorf("mode before 3.54: %d %s", r.Status, r.Raw)
	}
	id := u.reserve(volume)
	path := "/attachments/" + id
	u.want(400, "PUT", path, object{"attachment": object{}})
	u.want(400, "PUT", path, object{"attachment": object{"connector": object{}}})
	u.want(400, "PUT", path, object{"attachment": object{"connector": "h"}})
	u.want(500, "PUT", path, object{"attachment": object{"connector": object{"mountpoint": "x"}}})
	u.want(400, "POST", path+"/action", object{"os-nothing": object{}})
	u.force(volume, object{"status": "error"})
	u.want(500, "PUT", path, connector("h1"))
	u.want(200, "DELETE", path, nil)
	if u.status(volume) != "available" {
		t.Errorf("volume is %s", u.status(volume))
	}
}

func TestAttachMode(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{})
	r := u.want(200, "POST", "/attachments", object{"attachment": object{"volume_uuid": volume, "mode": "ro"}})
	id := r.at("attachment", "id").(string)
	u.want(200, "PUT", "/attachments/"+id, connector("h1"))
	if got := u.want(200, "GET", "/attachments/"+id, nil); got.at("attachment", "attach_mode") != "ro" {
		t.Errorf("mode: %s", got.Raw)
	}
	u.want(200, "DELETE", "/attachments/"+id, nil)
	whole := object{"volume_uuid": volume, "connector": object{"host": "h1", "enforce_multipath": true}}
	r = u.want(200, "POST", "/attachments", object{"attachment": whole})
	if r.at("attachment", "connection_info", "enforce_multipath") != true || u.status(volume) != "attaching" {
		t.Errorf("create with connector: %s, volume %s", r.Raw, u.status(volume))
	}
}

func TestTwoConnectedHosts(t *testing.T) {
	s := start(t, "", simulator.Options{})
	u := s.login("sim")
	volume, server := u.create(object{}), "11111111-2222-4333-8444-555555555555"
	reserve := func() string {
		r := u.want(200, "POST", "/attachments", object{"attachment": object{"volume_uuid": volume, "instance_uuid": server}})
		return r.at("attachment", "id").(string)
	}
	first, second := reserve(), reserve() // the same server may reserve twice
	u.want(200, "PUT", "/attachments/"+first, connector("h1"))
	u.want(500, "PUT", "/attachments/"+second, connector("h2"))
	u.want(500, "DELETE", "/attachments/"+first, nil) // Nova would have to be asked
	u.want(200, "DELETE", "/attachments/"+second, nil)
	if u.status(volume) != "attaching" {
		t.Errorf("with the first left the volume is %s", u.status(volume))
	}
	s.login("sim-admin").want(202, "POST", "/volumes/"+volume+"/action",
		object{"os-reset_status": object{"status": "available", "attach_status": "detached"}})
	u.want(404, "GET", "/attachments/"+first, nil)
	if u.status(volume) != "available" {
		t.Errorf("reset, the volume is %s", u.status(volume))
	}
}

func TestMultiattach(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{"volume_type": "multi"})
	a, b := u.attach(volume, "h1"), u.attach(volume, "h2")
	if r := u.want(200, "GET", "/attachments?volume_id="+volume, nil); len(r.Body["attachments"].([]any)) != 2 {
		t.Errorf("list: %s", r.Raw)
	}
	left := u.want(200, "DELETE", "/attachments/"+a, nil)
	if list := left.Body["attachments"].([]any); len(list) != 1 || list[0].(object)["id"] != b || u.status(volume) != "in-use" {
		t.Errorf("left: %s, volume %s", left.Raw, u.status(volume))
	}
	r := u.want(200, "GET", "/attachments/detail?attach_status=attached", nil)
	if list := r.Body["attachments"].([]any); len(list) != 1 || list[0].(object)["attached_at"] == "" {
		t.Errorf("detail: %s", r.Raw)
	}
	if r := u.want(200, "GET", "/attachments?limit=0", nil); len(r.Body["attachments"].([]any)) != 0 {
		t.Errorf("limit 0: %s", r.Raw)
	}
	u.want(400, "GET", "/attachments?colour=red", nil)
	u.want(200, "GET", "/attachments?all_tenants=1", nil)
}

// TestReserveIsALock: of many that reserve one volume at the same time, one
// wins.
func TestReserveIsALock(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{})
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		won   int
	)
	for range 20 {
		group.Go(func() {
			r, err := u.try("POST", "/attachments", object{"attachment": object{"volume_uuid": volume}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && r.Status == 200 {
				won++
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d reservations succeeded", won)
	}
}

func TestExtendInUse(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{})
	u.attach(volume, "h1")
	grow := object{"os-extend": object{"new_size": 2}}
	u.at("3.41").want(400, "POST", "/volumes/"+volume+"/action", grow)
	u.want(202, "POST", "/volumes/"+volume+"/action", grow)
	u.until(volume, "in-use")
	if u.diskSize(volume) != 2<<30 {
		t.Errorf("disk is %d bytes", u.diskSize(volume))
	}
}
