// Package hosttest is the bench for tests that use real loop devices and real
// mounts: it says loudly when they cannot run, gives them devices, and fails the
// test process if it left anything behind.
package hosttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// Main runs the tests of a package with a temporary directory of their own and
// returns the exit code, which is 1 if a mount below that directory or a loop
// device over a file in it is left. Leftovers are named and then removed.
//
//	func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }
//
// Other test processes may run beside: what is not below the directory is not
// looked at.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fuxi-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "hosttest:", err)
		return 1
	}
	os.Setenv("TMPDIR", dir)
	code := m.Run()
	leaks := Leaks(host.New(), dir)
	for _, leak := range leaks {
		fmt.Fprintln(os.Stderr, "hosttest: LEAKED:", leak)
		code = 1
	}
	if len(leaks) > 0 {
		remove(host.New(), dir)
	}
	// Never RemoveAll what may have a mount in it.
	if len(Leaks(host.New(), dir)) == 0 {
		clearImmutable(dir)
		os.RemoveAll(dir)
	}
	return code
}

// Leaks lists the mounts below dir and the loop devices over files below it.
func Leaks(h *host.Host, dir string) []string {
	var found []string
	mounts, err := h.Mounts()
	if err != nil {
		return []string{err.Error()}
	}
	loops := loopsBelow(h, dir)
	for _, m := range mounts {
		if strings.HasPrefix(m.Point, dir+"/") {
			found = append(found, "mount at "+m.Point)
		}
		for device := range loops {
			if m.Source == device && !strings.HasPrefix(m.Point, dir+"/") {
				found = append(found, "mount of "+device+" at "+m.Point)
			}
		}
	}
	for device, file := range loops {
		found = append(found, "loop device "+device+" over "+file)
	}
	return found
}

// loopsBelow maps the loop devices over files below dir to their files.
func loopsBelow(h *host.Host, dir string) map[string]string {
	loops := map[string]string{}
	names, _ := filepath.Glob(h.Path("sys/block/loop*/loop/backing_file"))
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), dir+"/") {
			device := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(name)))
			loops[device] = strings.TrimSpace(string(file))
		}
	}
	return loops
}

// remove takes away what leaked, so that the next run starts clean.
func remove(h *host.Host, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mounts, _ := h.Mounts()
	loops := loopsBelow(h, dir)
	for i := len(mounts) - 1; i >= 0; i-- {
		if _, own := loops[mounts[i].Source]; own || strings.HasPrefix(mounts[i].Point, dir+"/") {
			_ = h.Unmount(ctx, mounts[i].Point)
		}
	}
	for device := range loops {
		if loop, err := h.LoopStatus(device); err == nil {
			_ = h.LoopDetach(ctx, loop)
		}
	}
}

// clearImmutable lets mount points that tests left be removed.
func clearImmutable(dir string) {
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			ClearImmutable(path)
		}
		return nil
	})
}

// ClearImmutable clears the immutable flag of a directory, best effort.
func ClearImmutable(dir string) {
	const immutable = 0x10
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	if flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil && flags&immutable != 0 {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutable)
	}
}

// NeedRoot skips the test unless it runs as root with loop devices at hand. With
// CI=true a skip is a failure.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		Skip(t, "needs loop devices: "+err.Error())
	}
}

// NeedTools skips the test unless all the programs are installed.
func NeedTools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Skip(t, "needs "+name)
		}
	}
}

// Skip skips the test, or fails it with CI=true.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("cannot run, and CI=true allows no skip: " + why)
	}
	t.Skip("SKIPPED, NOT TESTED: " + why)
}
