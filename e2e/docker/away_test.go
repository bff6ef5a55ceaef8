package docker

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// linger of the site below: longer than the steps of a test, far shorter than
// its patience.
const linger = 1500 * time.Millisecond

// TestCloudAway: Docker and its containers live on while the cloud is dead.
// Promise E1.
func TestCloudAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{settings: []string{fmt.Sprintf("linger = %q", linger)}})
	s.up(t, "running", "running")
	s.docker(t, "exec", "running", "sh", "-c", "echo kept >/vol/f")
	s.up(t, "other", "other")
	s.docker(t, "volume", "create", "-d", "fuxi", "--label", "a=b", "unused")
	up := s.newLocalVolumes(t, "up")

	s.cloud.Stop()
	t.Run("E1Looking", func(t *testing.T) { lookingWhileAway(t, s) })
	t.Run("E1StopAndStart", func(t *testing.T) { stopAndStartWhileAway(t, s) })
	t.Run("E1OtherDrivers", func(t *testing.T) {
		if away := s.newLocalVolumes(t, "away"); away > up+atOnce {
			t.Errorf("new local volumes take %s, with the cloud there they took %s", away, up)
		}
	})
	t.Run("E1AfterARestart", func(t *testing.T) { restartWhileAway(t, s, up) })
	s.cloud.Start()
	t.Run("E1Back", func(t *testing.T) {
		s.docker(t, "stop", "running", "other")
		s.detached(t, "running")
		s.detached(t, "other")
		s.docker(t, "volume", "rm", "unused")
	})
}

// newLocalVolumes makes volumes of the local driver with all the ways there
// are, for two of which Docker asks every driver for the name first. It returns
// the time that the slowest took.
func (s *site) newLocalVolumes(t *testing.T, prefix string) time.Duration {
	t.Helper()
	var slowest time.Duration
	for i, args := range [][]string{
		{"volume", "create", prefix + "-created"},
		{"run", "--rm", "--network", "none", "-v", prefix + "-bound:/x", image, "true"},
		{"run", "--rm", "--network", "none", "--mount", "src=" + prefix + "-mounted,dst=/x", image, "true"},
		{"run", "--rm", "--network", "none", "-v", "/x", image, "true"},
	} {
		began := time.Now()
		s.docker(t, args...)
		took := time.Since(began)
		t.Logf("%s: new local volume %d took %s", prefix, i, took.Round(time.Millisecond))
		slowest = max(slowest, took)
	}
	return slowest
}

func lookingWhileAway(t *testing.T, s *site) {
	if got := s.quick(t, "ps", "--format", "{{.Names}}"); got != "other\nrunning" {
		t.Errorf("ps shows %q", got)
	}
	listed := s.quick(t, "volume", "ls", "-q", "--filter", "driver=fuxi")
	if got := strings.Join(strings.Fields(listed), " "); got != "other running unused" {
		t.Errorf("volume ls shows %q", got)
	}
	if got := s.quick(t, "volume", "inspect", "-f", "{{.Labels.a}} {{.Status.state}}", "unused"); got != "b available" {
		t.Errorf("inspect shows %q", got)
	}
	if got := s.quick(t, "inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", "running"); got != "running" {
		t.Errorf("inspect shows %q", got)
	}
	began := time.Now()
	s.refused(t, "no such volume", "volume", "inspect", "unheard-of")
	if took := time.Since(began); took > atOnce {
		t.Errorf("an unknown name took %s", took)
	}
	if got := s.quick(t, "exec", "running", "sh", "-c", "echo more >>/vol/f; cat /vol/f"); got != "kept\nmore" {
		t.Errorf("the container reads %q", got)
	}
	s.quick(t, "cp", "running:/vol/f", s.env.Dir+"/f")
}

// A volume that is still attached needs no cloud, and while the cloud is away
// it stays attached, however long nobody uses it.
func stopAndStartWhileAway(t *testing.T, s *site) {
	for _, rest := range []time.Duration{0, 2 * linger} {
		s.quick(t, "stop", "running")
		time.Sleep(rest)
		s.quick(t, "start", "running")
		if got := s.docker(t, "exec", "running", "cat", "/vol/f"); got != "kept\nmore" {
			t.Errorf("after a rest of %s it reads %q", rest, got)
		}
	}
	s.quick(t, "restart", "running")
	s.quick(t, "run", "--rm", "--network", "none", "-v", "other:/vol", image, "touch", "/vol/g")
}

// The same holds for a fuxi and a dockerd that start without the cloud.
func restartWhileAway(t *testing.T, s *site, up time.Duration) {
	s.fuxi.Stop()
	s.fuxi.Start()
	s.quick(t, "stop", "running")
	s.quick(t, "start", "running")
	if got := s.quick(t, "exec", "running", "cat", "/vol/f"); got != "kept\nmore" {
		t.Errorf("it reads %q", got)
	}
	if got := s.quick(t, "volume", "inspect", "-f", "{{.Labels.a}} {{.Status.stale}}", "unused"); got != "b true" {
		t.Errorf("inspect shows %q", got)
	}
	if away := s.newLocalVolumes(t, "restarted"); away > up+atOnce {
		t.Errorf("new local volumes take %s, with the cloud there they took %s", away, up)
	}
}
