package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// format orders fuxi format and returns what it said and its exit code.
func (s *scene) format(args ...string) (string, int) {
	s.t.Helper()
	out, errs, exit := s.d.CLI(append([]string{"format", s.name}, args...)...)
	return out + errs, exit
}

// notFormatted expects a refusal that touches nothing.
func (s *scene) notFormatted(exit int, want string, args ...string) {
	s.t.Helper()
	before := s.still()
	if text, got := s.format(args...); got != exit || !strings.Contains(text, want) {
		s.t.Errorf("fuxi format %v: exit %d, %s; want %d and %q", args, got, text, exit, want)
	}
	if now := s.still(); now != before {
		s.t.Errorf("fuxi format %v was refused and changed something: %s became %s", args, before, now)
	}
}

// still is all that a refusal must not change: the marks, and the bytes unless
// the kernel is at work on them.
func (s *scene) still() string {
	s.t.Helper()
	v := s.seen()
	text := fmt.Sprint(v.Status, v.Metadata)
	if v.Status == "available" {
		text += digest(s.t, s.raw())
	}
	return text
}

// An operator's order is the only way over the gate: exact, audited, one shot.
func TestFormatByOrder_B3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "operator", quiet())
	d.Start()
	other := newScene(t, cloud, d, "other", nil)
	s := newScene(t, cloud, d, "vol", nil)
	ext4With(otherUUID)(t, s.raw())
	s.refused(otherUUID)
	s.notFormatted(2, "--erase", "--id", s.id)
	s.notFormatted(2, "VOLUME_ID", "--erase")
	s.notFormatted(2, "is not the volume", "--erase", "--id", other.id)
	s.notFormatted(2, "is not the volume", "--erase", "--id", ownUUID)
	s.notFormatted(2, "fstype", "--erase", "--id", s.id, "--fstype", "vfat")
	s.refused(otherUUID)
	if text, exit := s.format("--erase", "--id", s.id); exit != 0 || !strings.Contains(text, "has a new filesystem") {
		t.Fatalf("exit %d, %s", exit, text)
	}
	event(t, d, "vol", "an operator ordered", s.id, "erasing")
	s.givenBack()
	if names := s.usable(); len(names) > 0 {
		t.Errorf("it shows %v", names)
	}
	if marks := s.seen().Metadata; marks["fuxi:subdir"] != "data" || marks["fuxi:formatting"] != "" || !strings.HasPrefix(marks["fuxi:formatted"], "ext4,") {
		t.Errorf("marks %v", marks)
	}
	for _, fs := range []string{"xfs", "btrfs", "ext4"} {
		if text, exit := s.format("--erase", "--id", s.id, "--fstype", fs); exit != 0 {
			t.Fatalf("to %s: exit %d, %s", fs, exit, text)
		}
		if names := s.usable(); len(names) > 0 {
			t.Errorf("as %s it shows %v", fs, names)
		}
	}
	if text, exit := (&scene{t: t, cloud: cloud, d: d, name: "nobody"}).format("--erase", "--id", s.id); exit != 4 {
		t.Errorf("an unknown name: exit %d, %s", exit, text)
	}
}

// A volume that a process uses, on this host or another, is not formatted.
func TestFormatInUseIsRefused_C3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "here", quiet())
	elsewhere := rig.NewDaemon(t, cloud, "elsewhere", quiet())
	d.Start()
	elsewhere.Start()
	s := newScene(t, cloud, d, "vol", nil)
	path := s.mount("c1")
	if err := writeSynced(filepath.Join(path, "f"), "precious"); err != nil {
		t.Fatal(err)
	}
	// Mounted for a container that does not run yet.
	s.notFormatted(5, "in use on this host by [c1]", "--erase", "--id", s.id)
	stop := container(t, path)
	s.notFormatted(5, "in use on this host by", "--erase", "--id", s.id)
	onOther := &scene{t: t, cloud: cloud, d: elsewhere, name: "vol", id: s.id}
	onOther.notFormatted(5, "attached to host here", "--erase", "--id", s.id)
	if got, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(got) != "precious" {
		t.Errorf("the data are %q, %v", got, err)
	}
	stop()
	s.unmount("c1")
	s.givenBack()
	s.holds("f", "precious")
	// The other host learns at once what this one's operator did.
	onOther.holds("f", "precious")
	if text, exit := s.format("--erase", "--id", s.id); exit != 0 {
		t.Fatalf("exit %d, %s", exit, text)
	}
	if names := onOther.usable(); len(names) > 0 {
		t.Errorf("there it shows %v", names)
	}
}

// container is a process in a mount namespace of its own, as a container's is:
// it keeps the mounts of the moment.
func container(t *testing.T, path string) (stop func()) {
	t.Helper()
	// It lets go of what other tests have mounted at this moment.
	drop := `while read -r dev dir rest; do case $dir in "$0") ;; */fuxi-*/*) umount "$dir" ;; esac; done </proc/self/mounts; exec sleep 1000`
	cmd := exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-c", drop, path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	own, _ := os.Readlink("/proc/self/ns/mnt")
	rig.Eventually(t, 10*time.Second, func() string {
		theirs, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/mnt")
		if err != nil || theirs == own {
			return "the process has no namespace of its own yet"
		}
		return ""
	})
	mounts, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/mountinfo")
	if err != nil || !slices.Contains(strings.Fields(string(mounts)), path) {
		t.Fatalf("%s is not in its namespace, %v", path, err)
	}
	return stop
}
