package simulator_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

func TestSecondOpenIsRefused(t *testing.T) {
	s := start(t, "", simulator.Options{})
	began := time.Now()
	_, err := simulator.Open(s.dir, simulator.Options{})
	if !errors.Is(err, simulator.ErrInUse) || time.Since(began) > time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// TestReopen closes a cloud in the middle of every transition and finds all of
// them done by the next one.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	var u *user
	var creating, deleting, extending, stuck, attachment, seed string
	t.Run("first", func(t *testing.T) {
		u = start(t, dir, simulator.Options{Seed: 2}).login("sim")
		deleting, extending = u.create(object{}), u.create(object{"metadata": object{"k": "v"}})
		seed = u.want(200, "GET", "/volumes?name=seed-000001", nil).Body["volumes"].([]any)[0].(object)["id"].(string)
		u.want(202, "DELETE", "/volumes/"+seed, nil)
		u.untilGone("/volumes/" + seed)
	})
	t.Run("slow", func(t *testing.T) {
		s := start(t, dir, simulator.Options{Seed: 2, Settle: time.Hour})
		again := s.login("sim")
		u.server = s
		u.want(200, "GET", "/volumes", nil) // the token is still good
		again.want(202, "DELETE", "/volumes/"+deleting, nil)
		again.want(202, "POST", "/volumes/"+extending+"/action", object{"os-extend": object{"new_size": 2}})
		creating = again.want(202, "POST", "/volumes", object{"volume": object{"size": 1}}).at("volume", "id").(string)
		again.faults(`[{"service":"cinder","do":"stick","value":"creating","method":"POST"}]`)
		stuck = again.want(202, "POST", "/volumes", object{"volume": object{"size": 1}}).at("volume", "id").(string)
		again.admin("DELETE", "/faults", nil)
		other := again.want(200, "GET", "/volumes?name=seed-000002", nil).Body["volumes"].([]any)[0].(object)["id"].(string)
		attachment = again.attach(other, "h1")
	})
	last := start(t, dir, simulator.Options{Seed: 2}).login("sim")
	last.until(creating, "available")
	last.until(extending, "available")
	last.untilGone("/volumes/" + deleting)
	if last.diskSize(extending) != 2<<30 || last.diskSize(creating) != 1<<30 {
		t.Error("the disks are not what the volumes say")
	}
	if last.want(200, "GET", "/volumes/"+extending, nil).at("volume", "metadata", "k") != "v" {
		t.Error("metadata was lost")
	}
	if last.status(stuck) != "creating" {
		t.Error("a volume that sticks must stick for good")
	}
	if r := last.want(200, "GET", "/attachments/"+attachment, nil); r.at("attachment", "status") != "attached" ||
		r.at("attachment", "connection_info", "driver_volume_type") != "local" {
		t.Errorf("attachment: %s", r.Raw)
	}
	if r := last.want(200, "GET", "/volumes?name=seed-000001", nil); len(names(r)) != 0 {
		t.Error("a deleted seed came back")
	}
}

func TestCloudsFileIsPrivate(t *testing.T) {
	s := start(t, "", simulator.Options{})
	info, err := os.Stat(s.cloud.CloudsFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if s.credential("sim", "auth_url") != s.cloud.URL() || s.cloud.URL() != s.base+"/v3" {
		t.Errorf("URL %q, in the file %q", s.cloud.URL(), s.credential("sim", "auth_url"))
	}
}

func TestHandlerAlone(t *testing.T) {
	cloud, err := simulator.Open(t.TempDir(), simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own := httptest.NewServer(cloud.Handler())
	s := &server{t: t, base: own.URL}
	if r := s.admin("GET", "/counters", nil); r.Status != 200 || cloud.URL() != "" {
		t.Errorf("%d %s, URL %q", r.Status, r.Raw, cloud.URL())
	}
	own.Close()
	if err := errors.Join(cloud.Close(), cloud.Close()); err != nil {
		t.Error(err)
	}
}

// TestTogether has many clients at everything at once; what it looks for is the
// race detector's to find, and that the numbers add up in the end.
func TestTogether(t *testing.T) {
	u := start(t, "", simulator.Options{Settle: time.Millisecond, QuotaVolumes: 1000, QuotaGigabytes: 1000}).login("sim")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				id := u.create(object{"name": "same", "metadata": object{"a": "b"}})
				attachment := u.attach(id, "h1")
				u.want(200, "GET", "/volumes/detail?name=same&limit=3", nil)
				u.want(200, "POST", "/volumes/"+id+"/metadata", object{"metadata": object{"c": "d"}})
				u.want(200, "DELETE", "/attachments/"+attachment, nil)
				u.want(202, "DELETE", "/volumes/"+id, nil)
				u.untilGone("/volumes/" + id)
			}
		})
	}
	group.Wait()
	r := u.want(200, "GET", "/limits", nil)
	if r.at("limits", "absolute", "totalVolumesUsed") != 0.0 || r.at("limits", "absolute", "totalGigabytesUsed") != 0.0 {
		t.Errorf("usage in the end: %s", r.Raw)
	}
}
