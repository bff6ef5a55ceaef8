package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// Somebody puts another project's credentials into clouds.yaml. That project
// answers an honest "not found" about every volume of this host: none of it is
// believed, nothing is forgotten or made anew, and the error says what to do.
func TestCredentialsOfAnotherProject_E7(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host-a", rig.Settings{"plugin": {`refresh = "1s"`}})
	file := filepath.Join(d.Dir, "clouds.yaml")
	own, err := os.ReadFile(cloud.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer("\n  sim:", "\n  before:", "\n  sim-other:", "\n  sim:").Replace(string(own))
	use := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cloud.Admin("POST", "/expire-tokens", nil)
	}
	use(string(own))
	d.Configure(file, rig.Settings{"plugin": {`refresh = "1s"`}})
	d.Start()
	if err := d.Create("vol", map[string]string{"size": "1"}); err != nil {
		t.Fatal(err)
	}
	id := cloud.Volumes("vol")[0].ID
	use(other)
	const says = "volumes of this host are in project"
	err = d.Create("vol2", map[string]string{"size": "1"})
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("create: %v", err)
	}
	if err := d.Create("vol", nil); err != nil {
		t.Errorf("create of a known volume: %v", err)
	}
	if v, err := d.Get("vol"); err != nil || v["Status"].(map[string]any)["id"] != id {
		t.Errorf("get: %v, %v", v, err)
	}
	if out, _, _ := d.CLI("status"); !strings.Contains(strings.Join(strings.Fields(out), " "), says) {
		t.Errorf("status does not say it:\n%s", out)
	}
	use(string(own))
	if _, err := d.Mount("vol", "c1"); err != nil {
		t.Errorf("mount with the right credentials again: %v", err)
	}
	if now := cloud.Volumes("vol"); len(now) != 1 || now[0].ID != id {
		t.Errorf("volumes %v, want %s alone", now, id)
	}
	_ = d.Unmount("vol", "c1")
	if err := d.Remove("vol"); err != nil {
		t.Error(err)
	}
	d.Stop()
}
