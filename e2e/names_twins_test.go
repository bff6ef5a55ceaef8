package e2e

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// attentive is quiet, but looks at the cloud every second.
func attentive() rig.Settings {
	s := quiet()
	s["plugin"] = []string{`refresh = "1s"`}
	return s
}

// restored is what restoring a backup leaves: a second volume of the name with
// the same marks and bytes.
func restored(t *testing.T, s *scene) *scene {
	t.Helper()
	twin := made(t, s.cloud, s.d, s.name, map[string]any{"metadata": s.seen().Metadata})
	if out, err := exec.Command("cp", "--sparse=always", s.raw(), twin.raw()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return twin
}

// noted waits until Get of a name has a note with the words.
func noted(t *testing.T, d *rig.Daemon, name string, words ...string) {
	t.Helper()
	rig.Eventually(t, 15*time.Second, func() string {
		v, err := d.Get(name)
		if err != nil {
			return err.Error()
		}
		facts, _ := v["Status"].(map[string]any)
		if notes := fmt.Sprint(facts["notes"]); !containsAll(notes, words) {
			return fmt.Sprintf("the notes are %s", notes)
		}
		return ""
	})
}

// Two volumes of one name with data: the host that used one goes on with that
// one and says so, a host that used neither refuses and names both.
func TestRestoredTwin_E8(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	a, b := rig.NewDaemon(t, cloud, "host-a", attentive()), rig.NewDaemon(t, cloud, "host-b", attentive())
	a.Start()
	s := newScene(t, cloud, a, "vol", nil)
	s.usable()
	twin := restored(t, s)
	for try := range 2 {
		noted(t, a, "vol", twin.id)
		s.holds("usable", "vol")
		if id := idOf(t, a, "vol"); id != s.id {
			t.Fatalf("the bound host means %s now", id)
		}
		if try == 0 {
			a.Stop()
			a.Start()
		}
	}
	b.Start()
	bytes := digest(t, s.raw()) + digest(t, twin.raw())
	for range 2 {
		_, err := b.Mount("vol", "u")
		if err == nil || !containsAll(err.Error(), []string{s.id, twin.id, "2 volumes are named vol and carry data", "rename or delete all but one"}) {
			t.Fatalf("the host without a binding: %v", err)
		}
		if err := b.Create("vol", map[string]string{"size": "1"}); err != nil {
			t.Errorf("create of a known name: %v", err)
		}
	}
	s.givenBack()
	twin.givenBack()
	if digest(t, s.raw())+digest(t, twin.raw()) != bytes {
		t.Error("bytes were changed")
	}
	if len(cloud.Volumes("vol")) != 2 {
		t.Errorf("volumes %v", cloud.Volumes("vol"))
	}
	// Somebody decides: the other one gets another name.
	if code := cloud.API("PUT", "/volumes/"+twin.id, map[string]any{"volume": map[string]string{"name": "vol-old"}}, nil); code != 200 {
		t.Fatal(code)
	}
	onB := &scene{t: t, cloud: cloud, d: b, name: "vol", id: s.id}
	onB.holds("usable", "vol")
	if id := idOf(t, b, "vol"); id != s.id {
		t.Errorf("vol is %s there", id)
	}
	// Removing deletes the bound one only.
	if err := a.Remove("vol"); err != nil {
		t.Fatal(err)
	}
	if all := cloud.Volumes("vol-old"); len(all) != 1 || all[0].ID != twin.id {
		t.Errorf("the twin: %v", all)
	}
}

// A blank twin of a volume with data is nobody's volume: the data win, and
// only what this very host made and never used may be deleted.
func TestBlankTwinYields_E8(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	a, b := rig.NewDaemon(t, cloud, "host-a", quiet()), rig.NewDaemon(t, cloud, "host-b", quiet())
	a.Start()
	s := newScene(t, cloud, a, "vol", nil)
	s.usable()
	metadata := s.seen().Metadata
	delete(metadata, "fuxi:formatted")
	metadata["fuxi:pristine"] = "1"
	twin := made(t, cloud, a, "vol", map[string]any{"metadata": metadata})
	cloud.Admin("POST", "/volumes/"+twin.id, map[string]any{"created_at": time.Now().Add(-time.Hour).Format(time.RFC3339)})
	b.Start()
	onB := &scene{t: t, cloud: cloud, d: b, name: "vol", id: s.id}
	onB.holds("usable", "vol")
	s.holds("usable", "vol")
	if all := cloud.Volumes("vol"); len(all) != 2 || twin.seen().Metadata["fuxi:formatting"]+twin.seen().Metadata["fuxi:released"] != "" {
		t.Errorf("a twin that this host did not make was touched: %v", all)
	}
}
