package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// grow runs fuxi grow, which must succeed and say so.
func (s *scene) grow(size int, says string) {
	s.t.Helper()
	began := time.Now()
	out, errs, code := s.d.CLI("grow", s.name, fmt.Sprint(size))
	if code != 0 || !strings.Contains(out, says) {
		s.t.Fatalf("fuxi grow %s %d: exit %d, %s%s; want %q", s.name, size, code, out, errs, says)
	}
	s.t.Logf("grow to %d GiB took %s: %s", size, time.Since(began).Round(time.Millisecond), strings.TrimSpace(out))
}

// notGrown runs a fuxi grow that must fail with the exit code and the words.
func (s *scene) notGrown(size string, want int, words ...string) {
	s.t.Helper()
	out, errs, code := s.d.CLI("grow", s.name, size)
	if code != want || out != "" {
		s.t.Errorf("fuxi grow %s %s: exit %d, %s%s; want exit %d", s.name, size, code, out, errs, want)
	}
	for _, w := range words {
		if !strings.Contains(errs, w) {
			s.t.Errorf("fuxi grow %s %s: %q is not in: %s", s.name, size, w, errs)
		}
	}
}

// has expects a filesystem of nearly so many GiB at path.
func has(t *testing.T, path string, size int64) {
	t.Helper()
	if got := sizeAt(t, path); got > size*gib || got < size*gib-gib/5 {
		t.Errorf("the filesystem at %s has %d bytes, want about %d GiB", path, got, size)
	}
}

// sound runs the filesystem's own checker on the bytes in the cloud.
func (s *scene) sound(fstype string) {
	s.t.Helper()
	check := map[string][]string{"ext4": {"e2fsck", "-fn"}, "xfs": {"xfs_repair", "-n", "-f"}, "btrfs": {"btrfs", "check", "--readonly"}}[fstype]
	if out, err := exec.Command(check[0], append(check[1:], s.raw())...).CombinedOutput(); err != nil {
		s.t.Errorf("%v: %v\n%s", check, err, out)
	}
}

// TestGrowInUse_G1 grows each filesystem under a writer, twice, with the data
// in a subdirectory as fuxi makes it and in the root as adopted volumes have it.
func TestGrowInUse_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Settle: 50 * time.Millisecond})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		for what, subdir := range map[string]string{"data": "data", "deep": "a/b", "root": "/"} {
			t.Run(fstype+"-"+what, func(t *testing.T) {
				s := newScene(t, cloud, d, fstype+"-"+what, map[string]string{"size": "1", "fstype": fstype, "subdir": subdir})
				path := s.mount("c1")
				w := startWriter(t, filepath.Join(path, "log"))
				if fstype == "ext4" && !growsMountedExt4(t) {
					ext4WithoutTheCapability(t, s, path, w)
				} else {
					growsTwice(t, s, path, w)
				}
				s.givenBack()
				s.sound(fstype)
				path = s.mount("c2")
				has(t, path, 3)
				w.verify(filepath.Join(path, "log"))
				s.unmount("c2")
				s.givenBack()
			})
		}
	}
}

func growsTwice(t *testing.T, s *scene, path string, w *writer) {
	s.grow(2, "has 2 GiB now, it had 1, and so has its filesystem")
	has(t, path, 2)
	w.went(0)
	since := w.synced.Load()
	allocate(t, filepath.Join(path, "large"), gib*5/4)
	s.grow(3, "has 3 GiB now, it had 2, and so has its filesystem")
	has(t, path, 3)
	w.went(since)
	allocate(t, filepath.Join(path, "larger"), gib*5/4)
	s.grow(3, "has 3 GiB, and so has its filesystem")
	w.end()
	s.unmount("c1")
}

// The device grows, the filesystem cannot, and the order says what to do; the
// data are served on, and the next mount does the rest.
func ext4WithoutTheCapability(t *testing.T, s *scene, path string, w *writer) {
	t.Log("without CAP_SYS_RESOURCE: what is tried here is the refusal")
	s.notGrown("3", 7, "CAP_SYS_RESOURCE", "it is grown before the next mount")
	if v := s.seen(); v.Size != 3 || v.Status != "in-use" {
		t.Errorf("in the cloud: %+v", v)
	}
	since := w.synced.Load()
	if out, _, _ := s.d.CLI("status"); !strings.Contains(out, "fuxi grow "+s.name+" 3") {
		t.Errorf("the status does not say what is left to do:\n%s", out)
	}
	has(t, path, 1)
	w.went(since)
	if again := s.mount("c9"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	s.unmount("c9")
	w.end()
	s.unmount("c1")
}

// A volume that is mounted nowhere grows in the cloud; one that lingers also
// gets its device. The filesystem follows at the next mount.
func TestGrowNotMounted_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	settings := quiet()
	settings["cinder"] = []string{`linger = "1h"`}
	d := rig.NewDaemon(t, cloud, "host", settings)
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	s.grow(2, "vol has 2 GiB now, it had 1; the filesystem grows when it is mounted")
	path := s.mount("c1")
	has(t, path, 2)
	if err := writeSynced(filepath.Join(path, "f"), "kept"); err != nil {
		t.Fatal(err)
	}
	s.unmount("c1")
	s.grow(3, "vol has 3 GiB now, it had 2, and so has its device; the filesystem grows when it is mounted")
	s.grow(3, "vol has 3 GiB, and so has its device; the filesystem grows when it is mounted")
	path = s.mount("c2")
	has(t, path, 3)
	if text, err := os.ReadFile(filepath.Join(path, "f")); string(text) != "kept" {
		t.Errorf("%q, %v", text, err)
	}
	s.unmount("c2")
	d.Stop()
	s.givenBack()
}

// What the cloud has given already, device and filesystem get by the same
// command: somebody extended the volume by other means while it was in use.
func TestGrowFollowsTheCloud_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "fstype": "xfs"})
	path := s.mount("c1")
	if code := cloud.API("POST", "/volumes/"+s.id+"/action", map[string]any{"os-extend": map[string]int{"new_size": 2}}, nil); code != 202 {
		t.Fatal(code)
	}
	rig.Eventually(t, 10*time.Second, func() string {
		if v := s.seen(); v.Size != 2 || v.Status != "in-use" {
			return fmt.Sprint(v)
		}
		return ""
	})
	has(t, path, 1)
	s.grow(2, "vol has 2 GiB, and so has its filesystem")
	has(t, path, 2)
	s.unmount("c1")
	s.givenBack()
}

// TestGrowRefused_G1: nothing is sent, nothing changes, and the text says why
// and what to do.
func TestGrowRefused_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{QuotaGigabytes: 10})
	d := rig.NewDaemon(t, cloud, "host-a", quiet())
	other := rig.NewDaemon(t, cloud, "host-b", quiet())
	d.Start()
	other.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "2", "fstype": "xfs"})
	path := s.mount("c1")
	s.notGrown("1", 2, "vol has 2 GiB, and 1 is less: a volume cannot shrink")
	s.notGrown("1.5", 2, `size "1.5": the cloud has only whole GiB`)
	s.notGrown("3GB", 2, `size "3GB": GB means powers of 1000`)
	s.notGrown("99", 7, "exceeds allowed gigabytes quota", "ask for a larger quota")
	elsewhere := sceneOf(t, cloud, other, "vol")
	elsewhere.notGrown("3", 5, "attached to host host-a", "run fuxi grow vol 3 there")
	nobody := *s
	nobody.name = "nosuch"
	nobody.notGrown("3", 4, "nosuch")
	nobody.name = "../vol"
	nobody.notGrown("3", 2, "../vol")
	if v := s.seen(); v.Size != 2 || v.Status != "in-use" {
		t.Errorf("in the cloud: %+v", v)
	}
	has(t, path, 2)
	s.unmount("c1")
	s.givenBack()
	elsewhere.grow(3, "vol has 3 GiB now, it had 2; the filesystem grows")
}

// TestGrowGivenUp_G1: the cloud says yes and then cannot.
func TestGrowGivenUp_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	for status, words := range map[string][]string{
		"in-use":          {"gave up extending vol-in-use", "it has 1 GiB and status in-use", "repeat the command"},
		"error_extending": {"gave up extending vol-error_extending", "status error_extending", "openstack volume set --state in-use"},
	} {
		t.Run(status, func(t *testing.T) {
			s := newScene(t, cloud, d, "vol-"+status, map[string]string{"size": "1", "fstype": "xfs"})
			path := s.mount("c1")
			cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes/[^/]*/action$", Times: 1, Do: "stick", Value: status})
			s.notGrown("2", 7, words...)
			has(t, path, 1)
			if err := writeSynced(filepath.Join(path, "f"), "x"); err != nil {
				t.Error(err)
			}
			cloud.Admin("POST", "/volumes/"+s.id, map[string]string{"status": "in-use"})
			s.grow(2, "and so has its filesystem")
			has(t, path, 2)
			s.unmount("c1")
			s.givenBack()
		})
	}
}
