package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// rebooted is a host with a volume in use whose machine was started again: the
// kernel has forgotten everything, the cloud and the state directory nothing.
func rebooted(t *testing.T, cloud *rig.Cloud) (*rig.Daemon, *scene) {
	t.Helper()
	d, all := used(t, cloud, "vol")
	rig.UnmountBelow(d.Dir)
	rig.Eventually(t, 10e9, func() string {
		rig.DetachLoops(d.StateDir())
		if left := loopsOf(all[0].raw()); len(left) > 0 {
			return fmt.Sprintf("%v are busy", left)
		}
		return ""
	})
	data := recordIn(t, all[0].record())
	boot := regexp.MustCompile(`"boot_id":"[^"]*"`)
	if !boot.Match(data) {
		t.Fatalf("no boot id in %s", data)
	}
	data = boot.ReplaceAll(data, []byte(`"boot_id":"00000000-0000-4000-8000-000000000000"`))
	if err := os.WriteFile(all[0].record(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return d, all[0]
}

func users(t *testing.T, d *rig.Daemon, name string) string {
	t.Helper()
	v, err := d.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	facts, _ := v["Status"].(map[string]any)
	return fmt.Sprint(facts["users"])
}

// After a reboot users are void. The attachment is not: it is used again if
// the cloud says that it is still there, and made anew if not.
func TestAfterReboot_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(s *scene)
		reused    bool
	}{
		"attachment still there": {func(*scene) {}, true},
		"attachment gone":        {(*scene).dropAttachments, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{})
			d, s := rebooted(t, cloud)
			before := cloud.Attachments()
			c.meanwhile(s)
			d.Start()
			if got := users(t, d, "vol"); got != "<nil>" {
				t.Errorf("users of before the reboot are still counted: %s", got)
			}
			if v, _ := d.Get("vol"); v["Mountpoint"] != nil {
				t.Errorf("it is told to be mounted at %v", v["Mountpoint"])
			}
			path := s.mount("c9")
			if got, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(got) != "vol" {
				t.Errorf("read %q, %v", got, err)
			}
			if now := cloud.Attachments(); slices.Equal(now, before) != c.reused || len(now) != 1 {
				t.Errorf("attachments %v became %v", before, now)
			}
			if !c.reused {
				event(t, d, "vol", "is gone from the cloud; attaching anew")
			}
			s.unmount("c9")
			s.givenBack()
		})
	}
	t.Run("nobody comes", func(t *testing.T) {
		t.Parallel()
		cloud := rig.NewCloud(t, simulator.Options{})
		d, s := rebooted(t, cloud)
		d.Start()
		s.givenBack() // after its linger, by itself
		s.holds("f", "vol")
	})
}

// What another host took meanwhile is that host's.
func TestTakenDuringReboot_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d, s := rebooted(t, cloud)
	s.dropAttachments()
	other := rig.NewDaemon(t, cloud, "other", quiet())
	other.Start()
	path, err := other.Mount("vol", "o1")
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	if _, err := d.Mount("vol", "c9"); err == nil || !strings.Contains(err.Error(), "attached to host other") {
		t.Errorf("mount: %v", err)
	}
	if err := writeSynced(filepath.Join(path, "g"), "x"); err != nil {
		t.Errorf("the other host: %v", err)
	}
	if err := other.Unmount("vol", "o1"); err != nil {
		t.Error(err)
	}
	s.givenBack()
	s.holds("g", "x")
}

// posts are the requests that change something in the cloud, so far.
func posts(cloud *rig.Cloud) int {
	n := 0
	for kind, count := range cloud.Counters() {
		if !strings.HasPrefix(kind, "GET ") && !strings.Contains(kind, "/auth/tokens") {
			n += count
		}
	}
	return n
}
