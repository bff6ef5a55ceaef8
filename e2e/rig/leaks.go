package rig

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MountsBelow lists the mount points of this namespace below dir, deepest
// first.
func MountsBelow(dir string) []string { return MountsListed("/proc/self/mountinfo", dir) }

// MountsListed is MountsBelow in the namespace that a mountinfo file shows.
func MountsListed(mountinfo, dir string) []string {
	data, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil
	}
	var out []string
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			out = append(out, f[4])
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(out)))
	return out
}

// UnmountBelow takes all mounts below dir away.
func UnmountBelow(dir string) {
	for _, m := range MountsBelow(dir) {
		_ = unix.Unmount(m, unix.MNT_DETACH)
	}
}

// LoopsOf lists the loop devices that the daemon with this state directory
// labelled.
func LoopsOf(stateDir string) []string {
	tag := fmt.Sprintf("fuxi:%.8s", fmt.Sprintf("%x", sha256.Sum256([]byte(filepath.Clean(stateDir)))))
	return loops(func(label, _ string) bool { return strings.HasPrefix(label, tag) })
}

// LoopsOn lists the loop devices whose backing file is below dir.
func LoopsOn(dir string) []string {
	return loops(func(_, backing string) bool { return strings.HasPrefix(backing, dir+"/") })
}

func loops(match func(label, backing string) bool) []string {
	var out []string
	dirs, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range dirs {
		backing, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		dev := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file)))
		if match(loopLabel(dev), strings.TrimSpace(string(backing))) {
			out = append(out, dev)
		}
	}
	return out
}

func loopLabel(dev string) string {
	f, err := os.Open(dev)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.File_name[:])
}

// DetachLoops frees the loop devices of a dead daemon.
func DetachLoops(stateDir string) {
	for _, dev := range LoopsOf(stateDir) {
		if f, err := os.Open(dev); err == nil {
			_ = unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0)
			f.Close()
		}
	}
}

// immutable is FS_IMMUTABLE_FL of linux/fs.h.
const immutable = 0x10

// RemoveImmutable clears the immutable flag that guards empty mount points, so
// that the directory can be removed.
func RemoveImmutable(dir string) {
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil
		}
		if f, err := os.Open(path); err == nil {
			if flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil && flags&immutable != 0 {
				_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutable)
			}
			f.Close()
		}
		return nil
	})
}

// made is every directory that tests of this process got.
var made struct {
	sync.Mutex
	dirs []string
}

// leaked is the exit code of a test process that left something behind.
const leaked = 99

// Main runs the tests of a package and returns the exit code for TestMain:
// leaked when a mount or a loop device of this process is left, even if every
// test passed.
func Main(m interface{ Run() int }) int {
	code := m.Run()
	RemoveBinaries()
	made.Lock()
	defer made.Unlock()
	for _, dir := range made.dirs {
		left := append(MountsBelow(dir), LoopsOn(dir)...)
		if left = append(left, LoopsOf(filepath.Join(dir, "state"))...); len(left) > 0 {
			fmt.Fprintln(os.Stderr, "left behind by the tests:", left)
			code = leaked
		}
	}
	return code
}

// Eventually waits until check returns "", else fails with its last words.
func Eventually(t interface {
	Helper()
	Fatalf(string, ...any)
}, limit time.Duration, check func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	last := ""
	for time.Now().Before(deadline) {
		if last = check(); last == "" {
			return
		}
		time.Sleep(30 * time.Millisecond)
	}
	t.Fatalf("after %s still: %s", limit, last)
}
