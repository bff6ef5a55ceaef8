package docker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/dockerd"
	"github.com/openstack/fuxi/e2e/rig"
)

// TestFuxiKilled: containers do not notice that fuxi dies, and the next one
// knows them all. Promise E6.
func TestFuxiKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{})
	t.Run("E6WritesGoOn", func(t *testing.T) { writesGoOn(t, s) })
	t.Run("E6DockerStopWhileFuxiIsDown", func(t *testing.T) { stopWhileFuxiIsDown(t, s) })
	t.Run("E6CopyAfterwards", func(t *testing.T) { copyAfterwards(t, s) })
}

// committer does what a database does: a line is committed when it is on the
// disk, and only then it is told.
const committer = `i=0
while :; do
	i=$((i+1))
	echo $i | dd of=/vol/wal oflag=append conv=notrunc,fsync 2>/dev/null || exit 1
	echo $i
done`

// writesGoOn kills fuxi under a container that commits, and compares what it
// committed with what is on the volume when it is attached anew.
func writesGoOn(t *testing.T, s *site) {
	s.upWith(t, "database", []string{"-v", "database:/vol"}, "sh", "-c", committer)
	s.commitsPast(t, 5)
	s.fuxi.Kill9()
	s.commitsPast(t, s.committed(t)+5)
	s.fuxi.Start()
	if n := s.held(t, "database"); n != 1 {
		t.Errorf("the new fuxi counts %d users", n)
	}
	s.commitsPast(t, s.committed(t)+5)
	s.docker(t, "stop", "database")
	told := s.committed(t)
	s.detached(t, "database")
	lines := strings.Fields(s.run(t, "database", "cat /vol/wal"))
	for i, line := range lines {
		if line != strconv.Itoa(i+1) {
			t.Fatalf("line %d of the volume is %q", i+1, line)
		}
	}
	if len(lines) < told || len(lines) > told+1 {
		t.Errorf("%d lines were committed, the volume has %d", told, len(lines))
	}
	s.docker(t, "rm", "database")
}

// committed is the last line that the database told.
func (s *site) committed(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(s.docker(t, "logs", "--tail", "1", "database"))
	if err != nil {
		n = 0 // it told none yet
	}
	return n
}

func (s *site) commitsPast(t *testing.T, n int) {
	t.Helper()
	rig.Eventually(t, patience, func() string {
		if got := s.committed(t); got <= n {
			return fmt.Sprintf("the database has committed %d lines, not yet more than %d", got, n)
		}
		return ""
	})
}

// Docker repeats a call for some seconds while nobody answers, so a fuxi that
// is restarted is not missed: not by a stop, and not by a start.
func stopWhileFuxiIsDown(t *testing.T, s *site) {
	s.up(t, "patient", "patient")
	for _, command := range []string{"stop", "start"} {
		s.fuxi.Kill9()
		ended := make(chan error, 1)
		go func() {
			_, err := s.env.Docker(command, "patient")
			ended <- err
		}()
		time.Sleep(500 * time.Millisecond)
		s.fuxi.Start()
		if err := <-ended; err != nil {
			t.Errorf("docker %s while fuxi was restarted: %v", command, err)
		}
	}
	if n := s.held(t, "patient"); n != 1 {
		t.Errorf("%d users are counted", n)
	}
	s.docker(t, "rm", "-f", "patient")
	s.detached(t, "patient")
}

// The multiplicity of an id is remembered like the id.
func copyAfterwards(t *testing.T, s *site) {
	s.up(t, "remembered", "remembered")
	s.docker(t, "exec", "remembered", "sh", "-c", "echo here >/vol/f")
	s.fuxi.Kill9()
	s.fuxi.Start()
	s.docker(t, "cp", "remembered:/vol/f", s.env.Dir+"/g")
	if got := s.docker(t, "exec", "remembered", "cat", "/vol/f"); got != "here" {
		t.Errorf("the container reads %q", got)
	}
	if n := s.held(t, "remembered"); n != 1 {
		t.Errorf("%d users are counted", n)
	}
	s.docker(t, "rm", "-f", "remembered")
	s.detached(t, "remembered")
}

// TestDockerdKilled: without live-restore a killed dockerd takes its containers
// with it and never unmounts what they had. Promises E6 and E7.
func TestDockerdKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{})
	t.Run("E6NoUnmountEver", func(t *testing.T) { noUnmountEver(t, s) })
	t.Run("E6SameIDAgain", func(t *testing.T) { sameIDAgain(t, s) })
	t.Run("E7CloudDeadWhileDockerdStarts", func(t *testing.T) { cloudDeadWhileDockerdStarts(t, s) })
}

func (s *site) killDockerd(t *testing.T) {
	t.Helper()
	if err := s.env.Kill9(); err != nil {
		t.Fatal(err)
	}
	if err := s.env.Start(); err != nil {
		t.Fatal(err)
	}
}

// The id stays counted, and must not keep the volume from being removed.
func noUnmountEver(t *testing.T, s *site) {
	s.up(t, "dead", "orphaned")
	c := s.tally()
	s.killDockerd(t)
	if got := s.docker(t, "inspect", "-f", "{{.State.Running}}", "dead"); got != "false" {
		t.Errorf("running: %s", got)
	}
	s.docker(t, "rm", "-f", "dead")
	c.expect(t, 0, 0, 0, 0)
	if n := s.held(t, "orphaned"); n != 1 {
		t.Errorf("%d users are counted, this test is about a leaked one", n)
	}
	s.docker(t, "volume", "rm", "orphaned")
	c.expect(t, 0, 0, 0, 1)
	if all := s.cloud.Volumes("orphaned"); len(all) > 0 {
		t.Errorf("the cloud still has %v", all)
	}
}

// With a restart policy dockerd mounts with the same id once more, for which no
// Unmount comes. The volume is usable and removable, whatever the count.
func sameIDAgain(t *testing.T, s *site) {
	s.up(t, "restarted", "twice", "--restart", "always")
	s.docker(t, "exec", "restarted", "sh", "-c", "echo kept >/vol/f && sync")
	c := s.tally()
	s.killDockerd(t)
	rig.Eventually(t, patience, func() string {
		if got := s.docker(t, "inspect", "-f", "{{.State.Running}}", "restarted"); got != "true" {
			return "the container does not run"
		}
		return ""
	})
	c.expect(t, 0, 1, 0, 0)
	if got := s.docker(t, "exec", "restarted", "cat", "/vol/f"); got != "kept" {
		t.Errorf("the container reads %q", got)
	}
	s.docker(t, "rm", "-f", "restarted")
	c.expect(t, 0, 1, 1, 0)
	s.docker(t, "volume", "rm", "twice")
	if all := s.cloud.Volumes("twice"); len(all) > 0 {
		t.Errorf("the cloud still has %v", all)
	}
}

// At its start dockerd asks for every volume, and forgets what it gets an error
// for. fuxi starts at the same moment and the cloud is not there yet.
func cloudDeadWhileDockerdStarts(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "size=2", "-o", "description=mine", "--label", "kept=yes", "boot")
	before := s.inspected(t, "boot")
	s.cloud.Stop()
	defer s.cloud.Start()
	if err := s.env.Stop(); err != nil {
		t.Fatal(err)
	}
	s.fuxi.Kill9()
	c := s.tally()
	s.fuxi.Start()
	rig.Eventually(t, patience, func() string {
		if !strings.Contains(s.fuxi.Log()[c.from:], "connection refused") {
			return "fuxi has not noticed yet that the cloud is away"
		}
		if status := s.status(t, "boot"); status["stale"] != true {
			return fmt.Sprintf("what no cloud has confirmed lately is shown as fresh: %v", status)
		}
		return ""
	})
	if err := s.env.Start(); err != nil {
		t.Fatal(err)
	}
	after := s.inspected(t, "boot")
	if fmt.Sprint(after) != fmt.Sprint(before) || after.Labels["kept"] != "yes" || after.Options["size"] != "2" {
		t.Errorf("before %+v, now %+v", before, after)
	}
}

// TestDockerdKilledLiveRestore: the containers run on, and their Unmount comes
// later with the id of before. Promise E6.
func TestDockerdKilledLiveRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{docker: dockerd.Options{LiveRestore: true}})
	s.up(t, "alive", "alive")
	s.docker(t, "exec", "alive", "sh", "-c", "echo before >/vol/f")
	ids := tally{s: s}.ids("Mount")
	c := s.tally()
	s.killDockerd(t)
	if got := s.docker(t, "exec", "alive", "sh", "-c", "echo after >>/vol/f; cat /vol/f"); got != "before\nafter" {
		t.Errorf("the container reads %q", got)
	}
	s.fuxi.Kill9() // both at once, as in an upgrade of the host
	s.fuxi.Start()
	c.expect(t, 0, 0, 0, 0)
	s.docker(t, "stop", "alive")
	c.expect(t, 0, 0, 1, 0)
	if got := c.ids("Unmount"); len(ids) != 1 || got[0] != ids[0] {
		t.Errorf("Mount came with %v, Unmount with %v", ids, got)
	}
	s.detached(t, "alive")
	s.docker(t, "start", "alive")
	if got := s.docker(t, "exec", "alive", "cat", "/vol/f"); got != "before\nafter" {
		t.Errorf("after the next start it reads %q", got)
	}
}
