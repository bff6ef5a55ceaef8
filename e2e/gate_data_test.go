package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// inside mounts a volume's whole filesystem by hand, while nobody has it.
func (s *scene) inside(act func(root string)) {
	s.t.Helper()
	dir := rig.TempDir(s.t, "inside")
	shell(`mount -o loop "$1" `+dir)(s.t, s.raw())
	act(dir)
	if err := unix.Unmount(dir, 0); err != nil {
		s.t.Fatal(err)
	}
	rig.Eventually(s.t, 10e9, func() string {
		if left := loopsOf(s.raw()); len(left) > 0 {
			return fmt.Sprint(left)
		}
		return ""
	})
}

// What a container wrote into its volume must not lead the next mount out of
// it: to the host's own files, or to another filesystem.
func TestDataDirectoryThatLeadsElsewhere_G5(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	victim := rig.TempDir(t, "victim")
	if err := os.WriteFile(filepath.Join(victim, "host-file"), []byte("host"), 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ subdir, link, to string }{
		"absolute": {"data", "data", victim}, "relative": {"data", "data", "../../../.." + victim},
		"parent": {"a/b", "a", victim}, "root": {"data", "data", "/"}, "etc": {"data", "data", "/etc"}, "within": {"data", "data", "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, cloud, d, name, map[string]string{"size": "1", "subdir": c.subdir, "uid": "4242", "mode": "0707"})
			s.usable()
			etc, err := os.Stat("/etc")
			if err != nil {
				t.Fatal(err)
			}
			s.inside(func(root string) {
				if err := os.Rename(filepath.Join(root, c.link), filepath.Join(root, "elsewhere")); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(c.to, filepath.Join(root, c.link)); err != nil {
					t.Fatal(err)
				}
			})
			for range 2 {
				_, err := d.Mount(name, "u")
				if err == nil || !containsAll(err.Error(), []string{c.subdir, "is not a plain directory", "refused to protect data"}) {
					t.Errorf("mount: %v", err)
				}
				s.givenBack()
			}
			if names := namesIn(t, victim); !slices.Equal(names, []string{"host-file"}) || ownerOf(t, victim) != 0 {
				t.Errorf("the victim shows %v, owner %d", names, ownerOf(t, victim))
			}
			if now, err := os.Stat("/etc"); err != nil || now.Mode() != etc.Mode() || ownerOf(t, "/etc") != 0 {
				t.Errorf("/etc: %v, %v", now, err)
			}
			s.inside(func(root string) {
				if err := os.Remove(filepath.Join(root, c.link)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(root, "elsewhere"), filepath.Join(root, c.link)); err != nil {
					t.Fatal(err)
				}
			})
			s.holds("usable", name)
		})
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// Owner and mode are set once, for a new directory: what a user changes stays.
func TestOwnerIsSetOnce_G5(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	for _, subdir := range []string{"data", "/", "deep/er"} {
		t.Run(plain(filepath.Base(subdir)), func(t *testing.T) {
			s := newScene(t, cloud, d, "owned-"+plainDir(subdir), map[string]string{"size": "1", "subdir": subdir, "uid": "1234", "gid": "5678", "mode": "2770"})
			path := s.mount("u")
			is := func() string {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				st := info.Sys().(*syscall.Stat_t)
				return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode&0o7777)
			}
			if got := is(); got != "1234:5678 2770" {
				t.Errorf("a new directory has %s", got)
			}
			if err := os.Chown(path, 7, 8); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o711); err != nil {
				t.Fatal(err)
			}
			for restart := range 2 {
				s.unmount("u")
				s.givenBack()
				if restart == 1 {
					d.Stop()
					d.Start()
				}
				path = s.mount("u")
				if got := is(); got != "7:8 711" {
					t.Errorf("it was changed to 7:8 711 and is %s", got)
				}
			}
			s.unmount("u")
			s.givenBack()
		})
	}
}

func plainDir(dir string) string {
	return map[string]string{"data": "data", "/": "root", "deep/er": "deep"}[dir]
}

// When the mount is missing nobody can write to the root disk in its place,
// and what somebody managed to write there is not hidden.
func TestEmptyMountPoint_E9_A6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	path := s.mount("c1")
	if err := writeSynced(filepath.Join(path, "f"), "precious"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "lost"), nil, 0o600); err == nil {
		t.Error("a file was written below the missing mount")
	}
	// The next user gets the volume, not the empty directory, and once.
	for _, user := range []string{"c2", "c3"} {
		if got, err := os.ReadFile(filepath.Join(s.mount(user), "f")); err != nil || string(got) != "precious" {
			t.Errorf("read %q, %v", got, err)
		}
	}
	layers := 0
	for _, m := range rig.MountsBelow(d.Dir) {
		if m == path {
			layers++
		}
	}
	if layers != 1 {
		t.Errorf("%d mounts are stacked there", layers)
	}
	for _, user := range []string{"c1", "c2", "c3"} {
		s.unmount(user)
	}
	s.givenBack()
	// Somebody's files at the mount point are the only copy, perhaps.
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "stray"), []byte("only copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Mount("vol", "c4"); err == nil || !containsAll(err.Error(), []string{"is not empty", "stray", "move it away first"}) {
		t.Errorf("mount over somebody's file: %v", err)
	}
	s.givenBack()
	if got, err := os.ReadFile(filepath.Join(path, "stray")); err != nil || string(got) != "only copy" {
		t.Errorf("it is %q, %v", got, err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	s.holds("f", "precious")
}
