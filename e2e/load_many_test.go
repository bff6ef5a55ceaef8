package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// footprint is what a process holds of the host.
type footprint struct{ fds, threads, rssKiB int }

func (s *trial) footprint() footprint {
	s.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", s.d.Pid())
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		s.t.Fatal(err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		s.t.Fatal(err)
	}
	f := footprint{fds: len(fds)}
	for _, line := range strings.Split(string(status), "\n") {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Threads":
			_, _ = fmt.Sscan(value, &f.threads)
		case "VmRSS":
			_, _ = fmt.Sscan(value, &f.rssKiB)
		}
	}
	return f
}

// clients runs the lives of so many volumes from so many clients at once, and
// fails for each operation that does.
func (s *trial) clients(volumes, clients int, prefix string) {
	s.t.Helper()
	names := make(chan string)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for name := range names {
				if err := s.live(name); err != nil {
					s.t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	for i := range volumes {
		names <- fmt.Sprintf("%s%d", prefix, i)
	}
	close(names)
	all.Wait()
}

// live is the life of one volume: create, mount, write, read, unmount, remove.
func (s *trial) live(name string) error {
	if err := s.d.Create(name, map[string]string{"size": "1"}); err != nil {
		return err
	}
	path, err := s.d.Mount(name, "c-"+name)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(path, "f"), name); err != nil {
		return err
	}
	if got, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(got) != name {
		return fmt.Errorf("read %q, %w", got, err)
	}
	if err := s.d.Unmount(name, "c-"+name); err != nil {
		return err
	}
	return s.remove(name)
}

// TestTwoHundredVolumes_E12: 64 volumes at once and then 200 from 32 clients:
// nothing fails, nothing is left, and the daemon holds no more descriptors,
// threads and memory after the long load than after the short, broad one.
func TestTwoHundredVolumes_E12(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	at := time.Now()
	s.clients(64, 64, "once")
	broad := time.Since(at)
	s.clean()
	after := s.footprint()
	at = time.Now()
	s.clients(200, 32, "many")
	long := time.Since(at)
	s.clean()
	t.Logf("64 volumes by 64 clients: %s, then %+v; 200 by 32: %s, then %+v", broad, after, long, s.footprint())
	rig.Eventually(t, 30*time.Second, func() string {
		// Connections to the cloud are kept for four seconds.
		now := s.footprint()
		if now.fds > after.fds+16 || now.threads > after.threads+16 || now.rssKiB > after.rssKiB+64<<10 {
			return fmt.Sprintf("it holds %+v, after the first load it held %+v", now, after)
		}
		return ""
	})
	if n := s.formats(); n != 264 {
		t.Errorf("%d filesystems for 264 volumes", n)
	}
	s.d.Stop()
}

// TestTenThousandVolumes_E12: with 10,000 volumes Get and List stay quick while
// the list is being refreshed, and a refresh costs one small list an interval.
func TestTenThousandVolumes_E12(t *testing.T) {
	t.Parallel()
	const many = 10000
	s := newTrial(t, simulator.Options{Seed: many}, rig.Settings{"plugin": {`refresh = "1s"`}})
	if n := strings.Count(s.list(), `"Name"`); n != many {
		rig.Eventually(t, 20*time.Second, func() string {
			if n := strings.Count(s.list(), `"Name"`); n != many {
				return fmt.Sprintf("%d volumes are listed", n)
			}
			return ""
		})
	}
	const kind = "GET /v3/{project}/volumes/detail"
	before, began := s.cloud.Counters(), time.Now()
	for time.Since(began) < 5*time.Second {
		quick(t, "Get", 200, func() error { _, err := s.d.Get("seed-004711"); return err })
		s.list()
		time.Sleep(50 * time.Millisecond)
	}
	n, by := rig.Calls(before, s.cloud.Counters())
	if most := int(time.Since(began)/(900*time.Millisecond)) + 1; by[kind] > most || n > by[kind] {
		t.Errorf("%v in %s: one list a second is enough", by, time.Since(began))
	}
	s.d.Kill9()
	began = time.Now()
	s.start()
	took := time.Since(began)
	if n := strings.Count(s.list(), `"Name"`); n != many {
		t.Errorf("after a crash %d volumes are known", n)
	}
	t.Logf("10,000 volumes: %+v; %d lists in 5 s; a restart took %s", s.footprint(), by[kind], took)
	s.d.Stop()
}

// list is the answer to List, which must not take long.
func (s *trial) list() string {
	s.t.Helper()
	began := time.Now()
	code, answer := raw(s.t, s.d, "List", "{}")
	if took := time.Since(began); code != 200 || took > 2*time.Second {
		s.t.Errorf("List: %d after %s", code, took)
	}
	return answer
}
