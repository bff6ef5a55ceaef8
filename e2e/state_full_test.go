package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// smallState makes a daemon's state directory a filesystem of its own.
func smallState(t *testing.T, d *rig.Daemon) {
	t.Helper()
	if err := os.MkdirAll(d.StateDir(), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", d.StateDir(), "tmpfs", 0, "size=512k,mode=711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !d.Dead() {
			d.Stop()
		}
		for _, m := range rig.MountsBelow(d.StateDir()) {
			t.Errorf("left: %s", m)
		}
		if err := unix.Unmount(d.StateDir(), 0); err != nil {
			t.Errorf("the state directory: %v", err)
		}
	})
}

// fill takes every free byte of a filesystem; the function gives them back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	file := filepath.Join(dir, "ballast")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

// freeze makes the journal refuse new files, as a filesystem does that the
// kernel has made read-only; the function undoes it.
func freeze(t *testing.T, dir string) (thaw func()) {
	t.Helper()
	journal := filepath.Join(dir, "journal")
	set := func(flag string) {
		t.Helper()
		if out, err := exec.Command("chattr", flag, journal).CombinedOutput(); err != nil {
			t.Fatalf("chattr: %v: %s", err, out)
		}
	}
	set("+i")
	return func() { set("-i") }
}

// Without a journal nothing may be begun: what is refused did not reach the
// cloud, what is in use stays usable and can be let go of.
func TestJournalCannotBeWritten_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for name, stop := range map[string]func(t *testing.T, dir string) func(){
		"full":      fill,
		"read-only": freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{Seed: 1})
			d := rig.NewDaemon(t, cloud, "small", quiet())
			if name == "full" {
				smallState(t, d)
			}
			d.Start()
			busy, idle := newScene(t, cloud, d, "busy", nil), sceneOf(t, cloud, d, "seed-000001")
			path := busy.mount("c1")
			if err := writeSynced(filepath.Join(path, "f"), "precious"); err != nil {
				t.Fatal(err)
			}
			resume := stop(t, d.StateDir())
			before := posts(cloud)
			if err := d.Create("fresh", map[string]string{"size": "1"}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
				t.Errorf("create: %v", err)
			} else {
				t.Log(err)
			}
			if _, err := d.Mount(idle.name, "c2"); err == nil || !strings.Contains(err.Error(), "cannot be written") {
				t.Errorf("mount: %v", err)
			}
			if text, exit := idle.format("--erase", "--id", idle.id); exit == 0 {
				t.Errorf("fuxi format: %s", text)
			}
			if after := posts(cloud); after != before {
				t.Errorf("%d changes reached the cloud", after-before)
			}
			if v, err := d.Get("busy"); err != nil || v["Mountpoint"] != path {
				t.Errorf("get: %v, %v", v, err)
			}
			if got, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(got) != "precious" {
				t.Errorf("the volume in use: %q, %v", got, err)
			}
			if err := d.Unmount("busy", "c1"); err != nil {
				t.Errorf("unmount: %v", err)
			}
			resume()
			busy.givenBack()
			idle.givenBack()
			busy.holds("f", "precious")
			idle.usable()
			if len(cloud.Volumes("fresh")) > 0 {
				t.Error("a volume was made although nothing could be written down")
			}
		})
	}
}
