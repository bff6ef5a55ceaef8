package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}

// TestStory is the main job: create, mount, write, unmount, detach, mount
// again, remove; with the number of cloud calls of each.
func TestStory(t *testing.T) {
	rig.NeedRoot(t)
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host-a", rig.Settings{"plugin": {`refresh = "1h"`}})
	d.Start()
	time.Sleep(300 * time.Millisecond) // the first refresh is not counted

	count := func(what string, most int, act func()) {
		t.Helper()
		before := cloud.Counters()
		act()
		n, by := rig.Calls(before, cloud.Counters())
		polls := max(0, by["GET /v3/{project}/volumes/{id}"]-1)
		t.Logf("%s: %d cloud calls %v", what, n, by)
		if n-polls > most {
			t.Errorf("%s took %d cloud calls, at most %d are allowed: %v", what, n, most, by)
		}
	}
	var path string
	mount := func(id string) {
		t.Helper()
		var err error
		if path, err = d.Mount("vol", id); err != nil {
			t.Fatal(err)
		}
	}
	detached := func() {
		t.Helper()
		if err := d.Unmount("vol", "c1"); err != nil {
			t.Fatal(err)
		}
		rig.Eventually(t, 10*time.Second, func() string {
			if n := len(rig.LoopsOf(d.StateDir())); n > 0 {
				return "the loop device is still there"
			}
			v, err := d.Get("vol")
			if err != nil {
				t.Fatal(err)
			}
			if step, _ := v["Status"].(map[string]any)["step"].(string); step != "" {
				return "step is " + step
			}
			return ""
		})
	}
	count("create", 3, func() {
		if err := d.Create("vol", map[string]string{"size": "1"}); err != nil {
			t.Fatal(err)
		}
	})
	count("first mount", 6, func() { mount("c1") })
	if err := os.WriteFile(filepath.Join(path, "f"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	count("detach", 1, detached)
	count("later mount", 3, func() { mount("c1") })
	if got, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(got) != "data" {
		t.Fatalf("read %q, %v", got, err)
	}
	count("get", 0, func() {
		if _, err := d.Get("vol"); err != nil {
			t.Fatal(err)
		}
	})
	count("detach", 1, detached)
	count("remove", 2, func() {
		if err := d.Remove("vol"); err != nil {
			t.Fatal(err)
		}
	})
	if tokens := cloud.Counters()["POST /v3/auth/tokens"]; tokens != 1 {
		t.Errorf("%d tokens were asked for, one is enough", tokens)
	}
	d.Stop()
}
