package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

const extending = "POST /v3/{project}/volumes/{id}/action"

// A cloud that goes away while it extends, and comes back: the order waits for
// it, and the containers meanwhile notice nothing.
func TestGrowWhileTheCloudGoesAway_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Settle: time.Second})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "fstype": "xfs"})
	path := s.mount("c1")
	w := startWriter(t, filepath.Join(path, "log"))
	done := make(chan int, 1)
	go func() { _, _, code := d.CLI("grow", "vol", "2"); done <- code }()
	rig.Eventually(t, 10*time.Second, func() string {
		if v := s.seen(); v.Status != "extending" {
			return v.Status
		}
		return ""
	})
	cloud.Stop()
	if again := s.mount("c2"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	s.unmount("c2")
	time.Sleep(time.Second)
	since := w.synced.Load()
	select {
	case code := <-done:
		t.Fatalf("the order ended with %d while the cloud was away", code)
	default:
	}
	cloud.Start()
	if code := <-done; code != 0 {
		t.Errorf("exit %d", code)
	}
	has(t, path, 2)
	w.went(since)
	w.end()
	cloud.Stop()
	s.notGrown("3", 7, "no answer")
	cloud.Start()
	rig.Eventually(t, 20*time.Second, func() string {
		if out, errs, code := d.CLI("grow", "vol", "3"); code != 0 {
			return out + errs
		}
		return ""
	})
	has(t, path, 3)
	s.unmount("c1")
	s.givenBack()
}

// A lost answer is no failure and no second order: the volume tells what became
// of the first.
func TestGrowLosesAnswers_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "fstype": "btrfs"})
	path := s.mount("c1")
	lose := func(do string, times int) {
		cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes/[^/]*/action$", Times: times, Do: do})
	}
	before := cloud.Counters()[extending]
	lose("lose_reply", 1)
	s.grow(2, "vol has 2 GiB now, it had 1, and so has its filesystem")
	if n := cloud.Counters()[extending] - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
	lose("drop", 1)
	s.notGrown("3", 7, "not known whether the cloud did it", "still has 2 GiB: repeat the command")
	has(t, path, 2)
	cloud.Mend()
	s.grow(3, "vol has 3 GiB now, it had 2, and so has its filesystem")
	has(t, path, 3)
	s.unmount("c1")
	s.givenBack()
}

// Who repeats an order waits for the one under way, and who leaves does not
// stop it. The cloud is asked once.
func TestGrowTogether_E3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Settle: time.Second})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "fstype": "xfs"})
	path := s.mount("c1")
	before := cloud.Counters()[extending]
	left := exec.Command(rig.Binary(t, "fuxi"), "--config", d.Config, "grow", "vol", "2")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, 10*time.Second, func() string {
		if v := s.seen(); v.Status != "extending" {
			return v.Status
		}
		return ""
	})
	_ = left.Process.Kill()
	_ = left.Wait()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if out, errs, code := d.CLI("grow", "vol", "2"); code != 0 || !strings.Contains(out, "and so has its filesystem") {
				t.Errorf("exit %d, %s%s", code, out, errs)
			}
		})
	}
	all.Wait()
	has(t, path, 2)
	if n := cloud.Counters()[extending] - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.unmount("c1")
	s.givenBack()
}
