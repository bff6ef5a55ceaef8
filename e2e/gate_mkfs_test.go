package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// brokenMkfs is a directory for PATH whose mkfs of a kind dies at its nth
// write (0: comes to its end), says so in the file "stopped" and then hangs.
func brokenMkfs(t *testing.T, fs string, write int) string {
	t.Helper()
	real, err := exec.LookPath("mkfs." + fs)
	if err != nil {
		t.Fatal(err)
	}
	dir := rig.TempDir(t, "path")
	run := real + ` "$@"`
	if write > 0 {
		run = fmt.Sprintf(`strace -qq -f -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=SIGKILL:when=%d %s`, write, run)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s\necho $? >%s/ended\necho $$ >%s/stopped\nexec sleep 1000\n", run, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "mkfs."+fs), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endPid(filepath.Join(dir, "stopped")) })
	return dir
}

// endPid ends the process whose number is in a file, if it is still there.
func endPid(file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// noMkfs is a directory for PATH with mkfs tools that only say they were run.
func noMkfs(t *testing.T) (dir string, ran func() bool) {
	t.Helper()
	dir = rig.TempDir(t, "path")
	for _, fs := range []string{"ext4", "xfs", "btrfs"} {
		script := fmt.Sprintf("#!/bin/sh\necho ran >%s/ran\nexit 1\n", dir)
		if err := os.WriteFile(filepath.Join(dir, "mkfs."+fs), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() bool { _, err := os.Stat(filepath.Join(dir, "ran")); return err == nil }
}

func pathWith(dir string) string { return "PATH=" + dir + ":" + os.Getenv("PATH") }

// interrupted is a volume whose first mkfs died at the nth write together with
// the daemon. The formatting mark is left, with the uuid it returns.
func interrupted(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, fs string, write int) (*scene, string) {
	t.Helper()
	dir := brokenMkfs(t, fs, write)
	d.Start(pathWith(dir))
	s := newScene(t, cloud, d, fmt.Sprintf("%s-%d", fs, write), map[string]string{"size": "1", "fstype": fs})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = d.Mount(s.name, "first")
	}()
	rig.Eventually(t, 20*time.Second, func() string {
		if _, err := os.Stat(filepath.Join(dir, "stopped")); err != nil {
			return "mkfs has not come so far: " + d.Log()
		}
		return ""
	})
	d.Kill9()
	<-gone
	endPid(filepath.Join(dir, "stopped"))
	mark := strings.Split(s.seen().Metadata["fuxi:formatting"], ",")
	if len(mark) != 3 || mark[0] != fs || mark[2] != d.Host || s.seen().Metadata["fuxi:formatted"] != "" {
		t.Fatalf("marks after the crash: %v", s.seen().Metadata)
	}
	return s, mark[1]
}

// abandon takes away what the dead daemon of a dead host had, as an operator
// or a fence does.
func (s *scene) abandon() {
	s.t.Helper()
	rig.Eventually(s.t, 10*time.Second, func() string {
		rig.DetachLoops(s.d.StateDir())
		if left := loopsOf(s.raw()); len(left) > 0 {
			return fmt.Sprintf("%v are busy", left)
		}
		return ""
	})
	s.dropAttachments()
	s.givenBack()
}

// dropAttachments deletes all attachments of the cloud.
func (s *scene) dropAttachments() {
	s.t.Helper()
	for _, a := range s.cloud.Attachments() {
		s.cloud.API("DELETE", "/attachments/"+a, nil, nil)
	}
}

// A mkfs that a crash cut short was never mounted by anybody, so it is done
// again: on this host, or on another.
func TestCutMkfsIsRedone_B4(t *testing.T) {
	rig.NeedRoot(t)
	needStrace(t)
	t.Parallel()
	for _, c := range []struct {
		fs    string
		write int
	}{{"ext4", 1}, {"ext4", 12}, {"xfs", 1}, {"xfs", 9}, {"btrfs", 1}, {"btrfs", 5}} {
		for _, where := range []string{"here", "elsewhere"} {
			t.Run(fmt.Sprintf("%s-%d-%s", c.fs, c.write, where), func(t *testing.T) {
				t.Parallel()
				cloud := rig.NewCloud(t, simulator.Options{})
				d := rig.NewDaemon(t, cloud, "first-host", quiet())
				s, uuid := interrupted(t, cloud, d, c.fs, c.write)
				if where == "elsewhere" {
					s.abandon()
					s.d = rig.NewDaemon(t, cloud, "second-host", quiet())
				}
				s.d.Start()
				if names := s.usable(); len(names) > 0 {
					t.Errorf("a new filesystem shows %v", names)
				}
				marks := s.seen().Metadata
				if made := marks["fuxi:formatted"]; !strings.HasPrefix(made, c.fs+",") || made == c.fs+","+uuid || marks["fuxi:formatting"] != "" {
					t.Errorf("marks after redoing what had uuid %s: %v", uuid, marks)
				}
			})
		}
	}
}

// A mkfs that came to its end before the crash is recognised by its uuid and
// not done again.
func TestFinishedMkfsIsAccepted_B4(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for _, fs := range []string{"ext4", "xfs", "btrfs"} {
		for _, where := range []string{"here", "elsewhere"} {
			t.Run(fs+"-"+where, func(t *testing.T) {
				t.Parallel()
				cloud := rig.NewCloud(t, simulator.Options{})
				d := rig.NewDaemon(t, cloud, "first-host", quiet())
				s, uuid := interrupted(t, cloud, d, fs, 0)
				if where == "elsewhere" {
					s.abandon()
					s.d = rig.NewDaemon(t, cloud, "second-host", quiet())
				}
				dir, ran := noMkfs(t)
				s.d.Start(pathWith(dir))
				if names := s.usable(); len(names) > 0 {
					t.Errorf("a new filesystem shows %v", names)
				}
				if ran() {
					t.Error("mkfs ran a second time")
				}
				if made := s.seen().Metadata["fuxi:formatted"]; made != fs+","+uuid {
					t.Errorf("made with uuid %s, marked %s", uuid, made)
				}
			})
		}
	}
}

// What somebody else put on a volume that is marked as being formatted is not
// overwritten, even though an unfinished mkfs of ours would be.
func TestForeignOnCutMkfsIsRefused_B1_B4(t *testing.T) {
	rig.NeedRoot(t)
	needStrace(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "first-host", quiet())
	s, uuid := interrupted(t, cloud, d, "ext4", 2)
	s.abandon()
	d.Start()
	for name, put := range map[string]content{
		"other kind": tool(nil, "mkfs.xfs", "-q", "-f"), "other uuid": ext4With(otherUUID),
		"same uuid, other kind": tool(nil, "mkfs.xfs", "-q", "-f", "-m", "uuid="+uuid), "table": shell(`echo ,,L | sfdisk -q "$1"`),
	} {
		s.blank()
		put(t, s.raw())
		t.Log(name, s.refused("being formatted by host first-host", "left alone", "fuxi format "+s.name+" --erase --id "+s.id))
	}
	s.blank()
	s.usable()
}

// A mkfs that fails is no success and no crash: the volume is given back, still
// marked, and the next mount does it again.
func TestFailedMkfsIsRedone_B4(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	dir, _ := noMkfs(t)
	d.Start(pathWith(dir))
	s := newScene(t, cloud, d, "vol", nil)
	if _, err := d.Mount("vol", "u"); err == nil || !strings.Contains(err.Error(), "mkfs.ext4") {
		t.Errorf("mount: %v", err)
	}
	s.givenBack()
	if marks := s.seen().Metadata; marks["fuxi:formatted"] != "" || marks["fuxi:formatting"] == "" {
		t.Errorf("marks %v", marks)
	}
	if err := os.Remove(filepath.Join(dir, "mkfs.ext4")); err != nil {
		t.Fatal(err)
	}
	s.usable()
}

func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("strace is missing, and in CI its part must not be skipped")
	}
	t.Skip("NEEDS strace: it cuts mkfs short")
}
