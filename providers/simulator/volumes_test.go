package simulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

const nowhere = "/volumes/00000000-0000-4000-8000-000000000000"

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func (s *server) raw(id string) string { return filepath.Join(s.dir, "volumes", id+".raw") }

func (s *server) diskSize(id string) int64 {
	s.t.Helper()
	info, err := os.Stat(s.raw(id))
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

func TestVolumeLife(t *testing.T) {
	u := start(t, "", simulator.Options{Settle: 5 * time.Millisecond}).login("sim")
	made := u.want(202, "POST", "/volumes", object{"volume": object{
		"size": 2, "name": " my_vol ", "metadata": object{"k": "v"},
	}})
	id := made.at("volume", "id").(string)
	if made.at("volume", "status") != "creating" || made.at("volume", "name") != "my_vol" {
		t.Fatalf("created: %s", made.Raw)
	}
	u.until(id, "available")
	if u.diskSize(id) != 2<<30 {
		t.Errorf("disk is %d bytes", u.diskSize(id))
	}
	u.want(202, "POST", "/volumes/"+id+"/action", object{"os-extend": object{"new_size": 3}})
	u.until(id, "available")
	if u.diskSize(id) != 3<<30 || u.want(200, "GET", "/volumes/"+id, nil).at("volume", "size") != 3.0 {
		t.Errorf("after extending the disk is %d bytes", u.diskSize(id))
	}
	u.want(200, "PUT", "/volumes/"+id, object{"volume": object{"name": "other"}})
	u.want(202, "DELETE", "/volumes/"+id, nil)
	u.untilGone("/volumes/" + id)
	if _, err := os.Stat(u.raw(id)); !os.IsNotExist(err) {
		t.Errorf("disk after delete: %v", err)
	}
}

func TestCreateRefusals(t *testing.T) {
	u := start(t, "", simulator.Options{QuotaVolumes: 3, QuotaGigabytes: 10}).login("sim")
	source := u.create(object{"size": 2})
	for name, c := range map[string]struct {
		volume any
		status int
		says   string
	}{
		"no size":          {object{"name": "x"}, 400, "malformed or otherwise incorrect"},
		"size 0":           {object{"size": 0}, 400, "size"},
		"size 1.5":         {object{"size": 1.5}, 400, "size"},
		"size text":        {object{"size": "big"}, 400, "size"},
		"multiattach":      {object{"size": 1, "multiattach": true}, 400, "multiattach parameter has been removed"},
		"type":             {object{"size": 1, "volume_type": "nope"}, 404, "nope could not be found"},
		"zone":             {object{"size": 1, "availability_zone": "mars"}, 400, "Availability zone 'mars' is invalid"},
		"snapshot":         {object{"size": 1, "snapshot_id": nowhere[9:]}, 404, "Snapshot"},
		"source":           {object{"size": 1, "source_volid": nowhere[9:]}, 404, "Volume"},
		"smaller source":   {object{"size": 1, "source_volid": source}, 400, "cannot be smaller"},
		"unknown property": {object{"size": 1, "colour": "red"}, 400, "colour"},
		"metadata key":     {object{"size": 1, "metadata": object{strings.Repeat("k", 256): "v"}}, 400, "does not match"},
		"metadata value":   {object{"size": 1, "metadata": object{"k": strings.Repeat("v", 256)}}, 400, "too long"},
		"metadata number":  {object{"size": 1, "metadata": object{"k": 1}}, 400, "not of type 'string'"},
		"name length":      {object{"size": 1, "name": strings.Repeat("n", 256)}, 400, "255"},
		"gigabytes":        {object{"size": 9}, 413, "VolumeSizeExceedsAvailableQuota"},
		"image":            {object{"size": 1, "imageRef": "x"}, 400, "image"},
		"not an object":    {"x", 400, "not of type 'object'"},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.do("POST", "/volumes", object{"volume": c.volume})
			if r.Status != c.status || !strings.Contains(string(r.Raw), c.says) {
				t.Errorf("%d %s; want %d with %q", r.Status, r.Raw, c.status, c.says)
			}
		})
	}
	if r := u.at("3.52").do("POST", "/volumes", object{"volume": object{"size": 1, "colour": "red"}}); r.Status != 202 {
		t.Errorf("before 3.53 unknown properties are ignored: %d %s", r.Status, r.Raw)
	}
	clone := u.create(object{"source_volid": source})
	if u.diskSize(clone) != 2<<30 {
		t.Errorf("a clone without a size has %d bytes", u.diskSize(clone))
	}
	r := u.do("POST", "/volumes", object{"volume": object{"size": 1}})
	if r.Status != 413 || r.Header.Get("Retry-After") != "0" || r.at("overLimit", "code") != 413.0 ||
		!strings.HasPrefix(r.at("overLimit", "message").(string), "VolumeLimitExceeded: ") {
		t.Errorf("over the number of volumes: %d %v %s", r.Status, r.Header, r.Raw)
	}
	u.want(413, "POST", "/volumes/"+clone+"/action", object{"os-extend": object{"new_size": 9}})
	u.want(400, "POST", "/volumes/"+clone+"/action", object{"os-extend": object{"new_size": 2}})
	if u.status(clone) != "available" {
		t.Error("a refused extension must leave the volume available")
	}
}

func TestTypes(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	if r := u.want(200, "GET", "/types/default", nil); r.at("volume_type", "name") != "standard" {
		t.Errorf("default type: %s", r.Raw)
	}
	u.want(404, "GET", "/types/nope", nil)
	multi := u.create(object{"volume_type": "multi"})
	if u.want(200, "GET", "/volumes/"+multi, nil).at("volume", "multiattach") != true {
		t.Error("a volume of type multi must be multiattach")
	}
	unzeroed := u.raw(u.create(object{"volume_type": "unzeroed"}))
	if part(t, unzeroed, 1024+0x38, 2) != "\x53\xef" || strings.Trim(part(t, unzeroed, 512<<20, 4096), "\x00") == "" {
		t.Error("an unzeroed disk must hold stale bytes")
	}
	zone := u.want(200, "GET", "/os-availability-zone", nil)
	if !strings.Contains(string(zone.Raw), `"nova"`) {
		t.Errorf("zones: %s", zone.Raw)
	}
}

func TestSnapshots(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	volume := u.create(object{})
	put(t, u.raw(volume), 700<<20, "precious")
	made := u.want(202, "POST", "/snapshots", object{"snapshot": object{"volume_id": volume, "name": "s"}})
	snapshot := made.at("snapshot", "id").(string)
	for u.want(200, "GET", "/snapshots/"+snapshot, nil).at("snapshot", "status") != "available" {
		time.Sleep(time.Millisecond)
	}
	u.want(400, "DELETE", "/volumes/"+volume, nil)
	copied := u.create(object{"snapshot_id": snapshot, "size": 2})
	if got := part(t, u.raw(copied), 700<<20, 8); got != "precious" || u.diskSize(copied) != 2<<30 {
		t.Errorf("the copy holds %q and has %d bytes", got, u.diskSize(copied))
	}
	if blocks := allocated(t, u.raw(copied)); blocks > 1<<20 {
		t.Errorf("the copy takes %d bytes on disk; holes were filled", blocks)
	}
	if r := u.want(200, "GET", "/snapshots/detail?volume_id="+volume, nil); len(r.Body["snapshots"].([]any)) != 1 {
		t.Errorf("list: %s", r.Raw)
	}
	u.want(202, "DELETE", "/snapshots/"+snapshot, nil)
	u.untilGone("/snapshots/" + snapshot)
	u.want(202, "DELETE", "/volumes/"+volume, nil)
}

func TestMetadata(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	id := u.create(object{"metadata": object{"a": "1"}})
	path := "/volumes/" + id + "/metadata"
	before := u.want(200, "GET", "/volumes/"+id, nil).at("volume", "updated_at")
	if r := u.want(200, "POST", path, object{"metadata": object{"b": "2"}}); r.at("metadata", "a") != "1" || r.at("metadata", "b") != "2" {
		t.Errorf("POST merges: %s", r.Raw)
	}
	if r := u.want(200, "PUT", path, object{"metadata": object{"c": "3"}}); r.at("metadata", "a") != nil || r.at("metadata", "c") != "3" {
		t.Errorf("PUT replaces: %s", r.Raw)
	}
	u.want(200, "PUT", path+"/d", object{"meta": object{"d": "4"}})
	u.want(400, "PUT", path+"/d", object{"meta": object{"e": "4"}})
	u.want(400, "PUT", path+"/d", object{"meta": object{"d": "4", "e": "4"}})
	u.want(400, "POST", path, object{"metadata": object{strings.Repeat("k", 256): "v"}})
	u.want(400, "POST", path, object{"meta": object{}})
	if r := u.want(200, "GET", path+"/d", nil); r.at("meta", "d") != "4" {
		t.Errorf("one key: %s", r.Raw)
	}
	tag := u.want(200, "GET", path, nil).Header.Get("Etag")
	u.want(200, "DELETE", path+"/d", nil)
	u.want(404, "DELETE", path+"/d", nil)
	u.want(404, "GET", path+"/d", nil)
	if after := u.want(200, "GET", path, nil).Header.Get("Etag"); tag == "" || after == tag {
		t.Errorf("Etag %q became %q", tag, after)
	}
	if now := u.want(200, "GET", "/volumes/"+id, nil).at("volume", "updated_at"); now != before {
		t.Errorf("metadata moved updated_at from %v to %v", before, now)
	}
	u.want(404, "POST", nowhere+"/metadata", object{"metadata": object{}})
}
