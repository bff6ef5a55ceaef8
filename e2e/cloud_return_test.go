package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// again is a container that stops and starts on its data after a pause, while
// the cloud is away.
func (c *course) again(when string, pause time.Duration) {
	c.t.Helper()
	if err := c.d.Unmount("vol", c.user); err != nil {
		c.t.Fatalf("%s: unmount: %v", when, err)
	}
	time.Sleep(pause)
	if len(rig.LoopsOf(c.d.StateDir())) != 1 {
		c.t.Fatalf("%s: given back while the cloud is away", when)
	}
	began := time.Now()
	if err := c.mount(); err != nil {
		c.t.Fatalf("%s: mount: %v", when, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		c.t.Errorf("%s: the mount took %s", when, took)
	}
	if err := c.read(); err != nil {
		c.t.Fatalf("%s: %v", when, err)
	}
}

// TestLingerWaitsForTheCloud_E6: what is given back while the cloud is away
// could not be had again. So containers stop and start on their data within
// the linger, long after it, and after a crash of fuxi; once the cloud is
// back everything is released by itself.
func TestLingerWaitsForTheCloud_E6(t *testing.T) {
	t.Parallel()
	together(t, 2, absences(), absence.String, func(t *testing.T, a absence) {
		s := newTrial(t, simulator.Options{}, busy())
		c := &course{trial: s, name: "vol"}
		if err := s.d.Create("vol", nil); err != nil {
			t.Fatal(err)
		}
		if err := c.mount(); err != nil {
			t.Fatal(err)
		}
		if err := c.write(); err != nil {
			t.Fatal(err)
		}
		a.gone(s.cloud)
		if a.name == "hanging" {
			time.Sleep(6 * time.Second) // for so long the last answer is believed
		}
		c.again("within the linger", 0)
		c.again("after the linger", 1500*time.Millisecond)
		s.d.Kill9()
		s.start()
		if err := c.read(); err != nil {
			t.Errorf("under a crash: %v", err)
		}
		c.again("after a crash, within the linger", 0)
		c.again("after a crash, after the linger", time.Second)
		if err := s.d.Unmount("vol", c.user); err != nil {
			t.Fatal(err)
		}
		s.d.Kill9()
		s.start()
		time.Sleep(500 * time.Millisecond)
		if err := c.mount(); err != nil {
			t.Fatalf("after a crash while unused: %v", err)
		}
		if err := c.read(); err != nil {
			t.Error(err)
		}
		if err := s.d.Unmount("vol", c.user); err != nil {
			t.Fatal(err)
		}
		a.back(s.cloud)
		s.detached("vol")
		if left := s.cloud.Attachments(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if err := s.remove("vol"); err != nil {
			t.Error(err)
		}
		s.clean("vol")
		s.d.Stop()
	})
}

// TestWaitsForTheCloud_E4: Docker starts a container once at boot, so a mount
// of a volume that is not attached, and a create, wait for a cloud that comes
// back.
func TestWaitsForTheCloud_E4(t *testing.T) {
	t.Parallel()
	together(t, 2, absences(), absence.String, func(t *testing.T, a absence) {
		s := newTrial(t, simulator.Options{}, busy())
		if err := s.d.Create("vol", nil); err != nil {
			t.Fatal(err)
		}
		a.gone(s.cloud)
		done := make(chan error, 2)
		go func() { _, err := s.d.Mount("vol", "c1"); done <- err }()
		go func() { done <- s.d.Create("new", nil) }()
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(2 * time.Second):
		}
		a.back(s.cloud)
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("with the cloud back: %v", err)
			}
		}
		if all := s.cloud.Volumes("new"); len(all) != 1 {
			t.Errorf("volumes: %+v", all)
		}
		if err := s.d.Unmount("vol", "c1"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"vol", "new"} {
			if err := s.remove(name); err != nil {
				t.Error(err)
			}
		}
		s.clean("vol", "new")
		s.d.Stop()
	})
}

// TestStopsWithoutTheCloud_E4: the service manager's stop takes a bounded time
// whatever the cloud does, even with a mount under way; what is used stays
// mounted, and what was half done is finished at the next start.
func TestStopsWithoutTheCloud_E4(t *testing.T) {
	t.Parallel()
	together(t, 2, absences(), absence.String, func(t *testing.T, a absence) {
		settings := quiet()
		settings["cinder"] = []string{`linger = "30s"`, `reservation_age = "1s"`}
		s := newTrial(t, simulator.Options{}, settings)
		paths := s.usedUnusedCold(t)
		a.gone(s.cloud)
		cut := make(chan error, 1)
		go func() { _, err := s.d.Mount("cold", "c1"); cut <- err }()
		time.Sleep(300 * time.Millisecond)
		began := time.Now()
		if err := syscall.Kill(s.d.Pid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if !s.d.AwaitExit(45 * time.Second) {
			t.Fatal("it does not stop")
		}
		if took := time.Since(began); took > 28*time.Second {
			t.Errorf("stopping took %s, at most 20 s are for giving back", took)
		}
		if err := <-cut; err == nil {
			t.Error("a mount succeeded without the cloud")
		}
		if _, err := os.Lstat(s.d.Socket); err == nil {
			t.Error("the socket is left: it costs Docker 15 s a call")
		}
		if !mountedAt(paths["used"]) || mountedAt(paths["unused"]) {
			t.Errorf("used is mounted: %v, unused is mounted: %v", mountedAt(paths["used"]), mountedAt(paths["unused"]))
		}
		if err := writeSynced(filepath.Join(paths["used"], "f"), "goes on"); err != nil {
			t.Error(err)
		}
		a.back(s.cloud)
		s.start()
		if err := s.d.Unmount("used", "c1"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"used", "unused", "cold"} {
			if err := s.remove(name); err != nil {
				t.Error(err)
			}
		}
		s.clean("used", "unused", "cold")
		s.d.Stop()
	})
}

// usedUnusedCold makes a volume in each of these states and returns where the
// first two are or were mounted.
func (s *trial) usedUnusedCold(t *testing.T) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for _, name := range []string{"used", "unused", "cold"} {
		if err := s.d.Create(name, nil); err != nil {
			t.Fatal(err)
		}
		if name == "cold" {
			continue
		}
		var err error
		if paths[name], err = s.d.Mount(name, "c1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.d.Unmount("unused", "c1"); err != nil {
		t.Fatal(err)
	}
	return paths
}
