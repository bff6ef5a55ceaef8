package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/trace"
)

// TestRemovedAfterCrash_E6 kills the daemon at every crossing of a create and a
// first mount, and then the user does not repeat anything but removes the
// volume. Nothing half done stands in the way, and nothing is left.
func TestRemovedAfterCrash_E6(t *testing.T) {
	t.Parallel()
	rig.NeedRoot(t)
	lines := recordMount(t)
	if len(lines) < 20 {
		t.Fatalf("only %d crossings: that is no create and mount", len(lines))
	}
	cloud := rig.NewCloud(t, simulator.Options{})
	name := func(l trace.Line) string {
		return fmt.Sprintf("%03d-%s", l.N, strings.ReplaceAll(l.What, "/", "|"))
	}
	together(t, 4, lines, name, func(t *testing.T, l trace.Line) {
		host := fmt.Sprint("n", l.N)
		s := &trial{t: t, cloud: cloud, d: rig.NewDaemon(t, cloud, host, quiet())}
		s.d.Launch(fmt.Sprintf("FUXI_KILL_AT=%d:after", l.N))
		if s.d.AwaitOrDie() {
			if s.d.Create(host, map[string]string{"size": "1"}) == nil {
				_, _ = s.d.Mount(host, "c1")
			}
		}
		if !s.d.AwaitExit(10 * time.Second) {
			t.Fatalf("it never came to crossing %d", l.N)
		}
		s.start()
		began := time.Now()
		err := s.d.Remove(host)
		for err != nil && time.Since(began) < 20*time.Second { // docker volume rm, again
			time.Sleep(200 * time.Millisecond)
			err = s.d.Remove(host)
		}
		if err != nil {
			t.Fatal(err)
		}
		rig.Eventually(t, 30*time.Second, func() string {
			switch {
			case len(cloud.Volumes(host)) > 0:
				return fmt.Sprintf("volumes are left: %+v", cloud.Volumes(host))
			case len(rig.LoopsOf(s.d.StateDir())) > 0:
				return "a loop device is left"
			case len(rig.MountsBelow(s.d.Dir)) > 0:
				return fmt.Sprintf("mounts are left: %v", rig.MountsBelow(s.d.Dir))
			case len(journalFiles(s.d)) > 0:
				return fmt.Sprintf("journal files are left: %v", journalFiles(s.d))
			}
			return ""
		})
		if _, err := s.d.Get(host); err == nil {
			t.Error("it is still known")
		}
		s.d.Stop()
	})
	if left := cloud.Attachments(); len(left) > 0 {
		t.Errorf("attachments are left in the cloud: %v", left)
	}
}

// recordMount returns the crossings of one create and one first mount.
func recordMount(t *testing.T) []trace.Line {
	t.Helper()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", map[string]string{"size": "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.d.Mount("vol", "c1"); err != nil {
		t.Fatal(err)
	}
	lines := readTrace(t, s.trace)
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Error(err)
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
	return lines
}
