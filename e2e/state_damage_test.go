package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// used is a daemon with two volumes in use, killed.
func used(t *testing.T, cloud *rig.Cloud, names ...string) (*rig.Daemon, []*scene) {
	t.Helper()
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	var all []*scene
	for _, name := range names {
		s := newScene(t, cloud, d, name, nil)
		if err := writeSynced(filepath.Join(s.mount("c1"), "f"), name); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	awaitRefresh(t, cloud)
	d.Kill9()
	return d, all
}

func (s *scene) record() string {
	return filepath.Join(s.d.StateDir(), "journal", "volume.cinder."+s.id+".json")
}

// recovered expects a mount whose record is lost to be shown and left alone.
func (s *scene) recovered() {
	s.t.Helper()
	noted(s.t, s.d, s.name, "recovered, users unknown")
	if path, err := s.d.Mount(s.name, "c2"); err != nil || path != s.target() {
		s.t.Errorf("mounted once more at %s, %v", path, err)
	}
	if err := s.d.Unmount(s.name, "c2"); err != nil || !s.mounted() {
		s.t.Errorf("its users are unknown, yet it was unmounted: %v", err)
	}
	s.d.Kill9() // what was learnt meanwhile must not look like the whole truth
	s.d.Start()
	noted(s.t, s.d, s.name, "recovered, users unknown")
	if err := s.d.Unmount(s.name, "c1"); err != nil {
		s.t.Errorf("unmount of an unknown user: %v", err)
	}
	if err := s.d.Remove(s.name); err == nil {
		s.t.Error("removed although mounted")
	}
	if _, errs, exit := s.d.CLI("format", s.name, "--erase", "--id", s.id); exit == 0 {
		s.t.Errorf("formatted although mounted: %s", errs)
	}
	time.Sleep(1500 * time.Millisecond) // longer than an unused volume stays
	if got, err := os.ReadFile(filepath.Join(s.target(), "f")); err != nil || string(got) != s.name {
		s.t.Errorf("its data are %q, %v", got, err)
	}
	if v := s.seen(); v.Status != "in-use" || !s.mounted() {
		s.t.Errorf("it was given back: %v", v)
	}
}

// rescue takes the recovered mount away by hand; then the name means the
// volume again.
func (s *scene) rescue() {
	s.t.Helper()
	rig.UnmountBelow(s.d.Dir)
	s.abandon()
	s.holds("f", s.name)
}

// A torn record is set aside and told; what it told of stays as the kernel has
// it, and everything else goes on.
func TestTornRecord_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for name, damage := range map[string]func(data []byte) []byte{
		"truncated": func(data []byte) []byte { return data[:len(data)/2] },
		"garbage":   func([]byte) []byte { return []byte("\x00\xffgarbage\n") },
		"empty":     func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{})
			d, all := used(t, cloud, "torn", "whole")
			torn, whole := all[0], all[1]
			data := recordIn(t, torn.record())
			if err := os.WriteFile(torn.record(), damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			d.Start()
			if st := status(t, d); len(st.SetAside) != 1 || !containsAll(st.SetAside[0], []string{torn.id, "damaged", "kept as"}) {
				t.Errorf("set aside: %v", st.SetAside)
			}
			torn.recovered()
			whole.unmount("c1")
			whole.givenBack()
			whole.holds("f", "whole")
			torn.rescue()
		})
	}
}

// With the whole state lost a mount is still the kernel's: shown, and never
// given back by itself. The list of volumes is learnt again.
func TestLostState_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for _, name := range []string{"plain", "with.dots_and-more"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{})
			d, all := used(t, cloud, name)
			for _, part := range []string{"journal", "registry.jsonl"} {
				if err := os.RemoveAll(filepath.Join(d.StateDir(), part)); err != nil {
					t.Fatal(err)
				}
			}
			other := made(t, cloud, d, "other", map[string]any{"metadata": map[string]string{"volume_from": "fuxi", "fstype": "ext4"}})
			d.Start()
			all[0].recovered()
			event(t, d, name, "records are lost: recovered, users unknown")
			rig.Eventually(t, 10*time.Second, func() string {
				st := status(t, d)
				if out, _, _ := d.CLI("ls", "--json"); !strings.Contains(out, other.id) || st.Clouds[0].LastRefresh.IsZero() {
					return fmt.Sprintf("the list is not learnt: %+v, %s", st.Clouds, out)
				}
				return ""
			})
			all[0].rescue()
		})
	}
}

// A record of a later version may say what this one cannot understand.
func TestNewerSchemaRefusesToStart_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d, all := used(t, cloud, "vol")
	rewrite(t, d, `"schema":1,`, `"schema":2,`)
	d.Launch()
	if d.AwaitOrDie() || !containsAll(d.Log(), []string{"written by a newer fuxi", "does not start", "start the newer version"}) {
		t.Errorf("a newer record: %s", d.Log())
	}
	if !all[0].mounted() || all[0].seen().Status != "in-use" {
		t.Errorf("it was touched: %v", all[0].seen())
	}
	rewrite(t, d, `"schema":2,`, `"schema":1,`)
	d.Start()
	all[0].unmount("c1")
	all[0].givenBack()
	all[0].holds("f", "vol")
}

// The list of known volumes is a cache: damaged, it is built anew.
func TestDamagedRegistry_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Seed: 30})
	d, all := used(t, cloud, "vol")
	file := filepath.Join(d.StateDir(), "registry.jsonl")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"garbage": "\x00\x01garbage", "empty": "", "cut": string(whole[:len(whole)*2/3]), "bad line": string(whole) + "{\"v\":{\"id\":\"../x\"}}\n",
	} {
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		d.Start()
		event(t, d, "the list of known volumes is damaged")
		rig.Eventually(t, 10*time.Second, func() string {
			if st := status(t, d); st.Clouds[0].Known != 31 {
				return fmt.Sprintf("%s: %d volumes are known", name, st.Clouds[0].Known)
			}
			return ""
		})
		if v, err := d.Get("vol"); err != nil || v["Mountpoint"] == "" {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		d.Kill9()
	}
	d.Start()
	all[0].unmount("c1")
	all[0].givenBack()
	all[0].holds("f", "vol")
}
