package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
)

// TestContainersShareAHost is about the containers of one host that come, go
// and come back on the volumes of one fuxi. Promises E5 and E10.
func TestContainersShareAHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{})
	for _, part := range []struct {
		name string
		test func(*testing.T, *site)
	}{
		{"E10TwoContainersOneVolume", twoContainersOneVolume},
		{"E5CopyFromARunningContainer", copyFromARunningContainer},
		{"E5CopyUpIntoAnEmptyVolume", copyUpIntoAnEmptyVolume},
		{"E5RestartStopStart", restartStopStart},
		{"E5CopyIntoAStoppedContainer", copyIntoAStoppedContainer},
		{"E5FailedStart", failedStart},
		{"E10ManyAtOnce", manyAtOnce},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, s) })
	}
}

// The volume is attached once and mounted once, both write, and the one that
// ends first takes nothing away from the other.
func twoContainersOneVolume(t *testing.T, s *site) {
	before := s.cloud.Counters()
	s.up(t, "first", "shared")
	s.up(t, "second", "shared")
	s.docker(t, "exec", "first", "sh", "-c", "echo one >/vol/one")
	s.docker(t, "exec", "second", "sh", "-c", "echo two >/vol/two")
	if got := s.docker(t, "exec", "first", "cat", "/vol/one", "/vol/two"); got != "one\ntwo" {
		t.Errorf("the first container reads %q", got)
	}
	if n := s.held(t, "shared"); n != 2 {
		t.Errorf("%d users are counted", n)
	}
	_, calls := rig.Calls(before, s.cloud.Counters())
	if n := calls["POST /v3/{project}/attachments"]; n != 1 {
		t.Errorf("the volume was attached %d times: %v", n, calls)
	}
	if m := s.mounts("shared"); len(m) != 1 {
		t.Errorf("it is mounted at %v", m)
	}
	s.refused(t, "volume is in use", "volume", "rm", "shared")
	s.docker(t, "rm", "-f", "first")
	if got := s.docker(t, "exec", "second", "sh", "-c", "cat /vol/one && echo three >/vol/three && sync"); got != "one" {
		t.Errorf("the second container reads %q after the first is gone", got)
	}
	s.docker(t, "rm", "-f", "second")
	s.detached(t, "shared")
	if got := s.run(t, "shared", "cat /vol/*"); got != "one\nthree\ntwo" {
		t.Errorf("the volume has %q", got)
	}
	s.docker(t, "volume", "rm", "shared")
}

// Docker mounts for the copy with the container's own id: counting ids without
// multiplicity would unmount under the container.
func copyFromARunningContainer(t *testing.T, s *site) {
	s.up(t, "copied", "copied")
	s.docker(t, "exec", "copied", "sh", "-c", "echo precious >/vol/f")
	for range 3 {
		to := filepath.Join(s.env.Dir, "f")
		s.docker(t, "cp", "copied:/vol/f", to)
		if got, err := os.ReadFile(to); err != nil || string(got) != "precious\n" {
			t.Errorf("copied is %q, %v", got, err)
		}
	}
	s.docker(t, "cp", filepath.Join(s.env.Dir, "f"), "copied:/vol/g")
	if n := s.held(t, "copied"); n != 1 {
		t.Errorf("%d users are counted after the copies", n)
	}
	if got := s.docker(t, "exec", "copied", "cat", "/vol/f", "/vol/g"); got != "precious\nprecious" {
		t.Errorf("the container reads %q", got)
	}
	s.docker(t, "rm", "-f", "copied")
	s.detached(t, "copied")
}

// ext4's lost+found must not show, since Docker copies into empty directories
// only. What the volume has is never overwritten.
func copyUpIntoAnEmptyVolume(t *testing.T, s *site) {
	s.upWith(t, "filled", []string{"-v", "filled:/data"}, "sleep", "1000")
	if got := s.docker(t, "exec", "filled", "sh", "-c", "ls -A /data && cat /data/motd /data/conf/a"); got != "conf\nmotd\nfrom the image\n1" {
		t.Errorf("the volume has %q", got)
	}
	s.docker(t, "exec", "filled", "sh", "-c", "echo mine >/data/motd")
	s.docker(t, "rm", "-f", "filled")
	s.upWith(t, "filled", []string{"-v", "filled:/data"}, "sleep", "1000")
	if got := s.docker(t, "exec", "filled", "cat", "/data/motd"); got != "mine" {
		t.Errorf("the second container reads %q", got)
	}
	s.docker(t, "rm", "-f", "filled")
	if got := s.run(t, "filled", "ls -A /vol"); got != "conf\nmotd" {
		t.Errorf("the volume holds %q", got)
	}
	s.detached(t, "filled")
	if got := s.run(t, "uncopied", "ls -A /vol"); got != "" {
		t.Errorf("a new volume shows %q", got)
	}
}

func restartStopStart(t *testing.T, s *site) {
	s.up(t, "again", "again")
	s.docker(t, "exec", "again", "sh", "-c", "echo kept >/vol/f")
	check := func(after string) {
		t.Helper()
		if got := s.docker(t, "exec", "again", "cat", "/vol/f"); got != "kept" {
			t.Errorf("after %s it reads %q", after, got)
		}
		if n := s.held(t, "again"); n != 1 {
			t.Errorf("after %s %d users are counted", after, n)
		}
	}
	s.docker(t, "restart", "again")
	check("restart")
	s.docker(t, "stop", "again")
	s.docker(t, "start", "again")
	check("stop and start at once")
	s.docker(t, "stop", "again")
	s.detached(t, "again")
	s.docker(t, "start", "again")
	check("stop, detach and start")
	s.docker(t, "pause", "again")
	s.docker(t, "unpause", "again")
	check("pause")
	s.docker(t, "rm", "-f", "again")
	s.detached(t, "again")
}

func copyIntoAStoppedContainer(t *testing.T, s *site) {
	s.up(t, "stopped", "stopped")
	s.docker(t, "stop", "stopped")
	s.detached(t, "stopped")
	from := filepath.Join(s.env.Dir, "into")
	if err := os.WriteFile(from, []byte("carried in"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.docker(t, "cp", from, "stopped:/vol/f")
	s.detached(t, "stopped")
	s.docker(t, "rm", "stopped")
	if got := s.run(t, "stopped", "cat /vol/f"); got != "carried in" {
		t.Errorf("the volume has %q", got)
	}
}

// A container that cannot start after its volume was mounted leaves no user.
func failedStart(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "unstarted")
	s.refused(t, "no-such-program", "run", "--rm", "--network", "none", "-v", "unstarted:/vol", image, "no-such-program")
	if n := s.held(t, "unstarted"); n != 0 {
		t.Errorf("%d users are counted", n)
	}
	s.detached(t, "unstarted")
}

// Containers that start and end at once on one volume, without the pauses of a
// test that does one thing after the other.
func manyAtOnce(t *testing.T, s *site) {
	const containers = 6
	s.docker(t, "volume", "create", "-d", "fuxi", "busy")
	ended := make(chan error, containers)
	for i := range containers {
		go func() {
			_, err := s.env.Docker("run", "--rm", "--network", "none", "-v", "busy:/vol", image, "touch", fmt.Sprintf("/vol/f%d", i))
			ended <- err
		}()
	}
	for range containers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	s.detached(t, "busy")
	if got := strings.Fields(s.run(t, "busy", "ls /vol")); len(got) != containers {
		t.Errorf("the volume has %v", got)
	}
}
