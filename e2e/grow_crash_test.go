package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/trace"
)

// growing is a mounted volume whose daemon is started anew before it grows, so
// that crossings are counted from there.
func growing(t *testing.T, cloud *rig.Cloud, name string, env string) (s *scene, path string, w *writer, died bool) {
	t.Helper()
	d := rig.NewDaemon(t, cloud, name, quiet())
	d.Start()
	s = newScene(t, cloud, d, name, map[string]string{"size": "1", "fstype": "xfs"})
	path = s.mount("c1")
	w = startWriter(t, filepath.Join(path, "log"))
	d.Stop()
	d.Launch(env)
	if died = !d.AwaitOrDie(); died {
		d.Start()
	}
	return s, path, w, died
}

// TestCrashWhileGrowing_E6 kills the shipped binary at every crossing of a
// growth under a writer, before the act and after it. After the start that
// follows, nobody does anything: what the cloud has done is followed by itself,
// what it was not asked for is forgotten, and the volume works. The same
// command then brings the size in any case.
func TestCrashWhileGrowing_E6(t *testing.T) {
	rig.NeedRoot(t)
	cloud := rig.NewCloud(t, simulator.Options{}) // which is done before it is asked again: the count of crossings stays
	traced := filepath.Join(rig.TempDir(t, "trace"), "trace.jsonl")
	s, _, w, _ := growing(t, cloud, "recorded", "FUXI_TRACE="+traced)
	s.grow(2, "and so has its filesystem")
	w.end()
	s.unmount("c1")
	s.givenBack()
	s.d.Stop()
	lines := readTrace(t, traced)
	last := 0
	for _, l := range lines {
		if l.Kind == trace.Host && strings.HasPrefix(l.What, "xfs_growfs") {
			last = l.N + 1 // the journal forgets the order
		}
	}
	t.Logf("%d crossings, the growth ends with number %d: %d cloud calls, %d host acts, %d journal writes in all",
		len(lines), last, ofKind(lines, trace.Cloud, ""), ofKind(lines, trace.Host, ""), ofKind(lines, trace.Journal, ""))
	if last < 8 {
		t.Fatalf("the recording is not a whole growth: %v", lines)
	}
	for _, l := range lines {
		for _, when := range []string{"before", "after"} {
			if l.N > last {
				continue
			}
			t.Run(fmt.Sprintf("%03d-%s-%s", l.N, when, strings.ReplaceAll(l.What, "/", "|")), func(t *testing.T) {
				t.Parallel()
				crashGrowing(t, cloud, fmt.Sprintf("FUXI_KILL_AT=%d:%s", l.N, when), fmt.Sprintf("g%d%s", l.N, when))
			})
		}
	}
}

func crashGrowing(t *testing.T, cloud *rig.Cloud, point, name string) {
	s, path, w, died := growing(t, cloud, name, point)
	mark := s.seen().Metadata["fuxi:formatted"]
	s.d.CLI("grow", name, "2")
	switch {
	case s.d.AwaitExit(2 * time.Second):
		s.d.Start()
	case !died:
		t.Errorf("the process never came to %s", point)
	}
	rig.Eventually(t, 15*time.Second, func() string {
		v := s.seen()
		fs := (sizeAt(t, path) + gib/5) / gib
		if out, _, _ := s.d.CLI("status"); v.Status != "in-use" || fs != int64(v.Size) || strings.Contains(out, "growing to") {
			return fmt.Sprintf("the cloud has %s, the filesystem %d GiB:\n%s", fmt.Sprint(v), fs, out)
		}
		return ""
	})
	if again := s.mount("c2"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	s.grow(2, "and so has its filesystem")
	has(t, path, 2)
	w.went(0)
	w.end()
	s.unmount("c2")
	s.unmount("c1")
	s.givenBack()
	if got := s.seen().Metadata["fuxi:formatted"]; got != mark {
		t.Errorf("the formatted mark was %q and is %q", mark, got)
	}
	s.sound("xfs")
	s.d.Stop()
}

// A crash right after the cloud was asked, and the cloud is away at the next
// start: containers start and stop, the status tells what is left, and the rest
// comes with the cloud.
func TestCrashWhileGrowingCloudAway_E4(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Settle: time.Second})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "fstype": "xfs"})
	path := s.mount("c1")
	w := startWriter(t, filepath.Join(path, "log"))
	go d.CLI("grow", "vol", "2")
	rig.Eventually(t, 10*time.Second, func() string { return strings.TrimPrefix(s.seen().Status, "extending") })
	d.Kill9()
	cloud.Stop()
	d.Start()
	if again := s.mount("c2"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	s.unmount("c2")
	if out, _, _ := d.CLI("status"); !strings.Contains(out, "finish growing") {
		t.Errorf("the status does not tell:\n%s", out)
	}
	has(t, path, 1)
	cloud.Start()
	rig.Eventually(t, 20*time.Second, func() string {
		if got := sizeAt(t, path); got < gib*3/2 {
			return fmt.Sprintf("%d bytes", got)
		}
		return ""
	})
	w.end()
	s.unmount("c1")
	s.givenBack()
}
