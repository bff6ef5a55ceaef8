//go:build e2e

package lab

import (
	"fmt"
	"strings"
	"time"
)

// twoNodes: what one host uses another one does not get, and is told who has
// it; when the first lets go, the one that waits gets it, with every byte.
func twoNodes(s *scene) {
	first, second := s.nodes[0], s.nodes[1]
	const linger = 2 * time.Second // of every test
	s.with(settings{"cinder": {`wait_for_release = "12s"`}})
	d := s.newDatabase(first, "shared")
	use := func() (string, error) {
		return second.try("docker", "run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", d.volume+":/vol", image, "cat", "/vol/wal")
	}
	began := time.Now()
	_, err := use()
	took := time.Since(began)
	if err == nil || !strings.Contains(err.Error(), first.name) {
		s.t.Fatalf("mounting on %s what %s uses: %v", second.name, first.name, err)
	}
	s.t.Logf("refused after %s: %v", took.Round(time.Second), err)
	if took < 12*time.Second || took > 30*time.Second {
		s.t.Errorf("it was refused after %s, it should wait for 12 s", took)
	}
	d.goesOn()

	// How long one detach takes here, without the linger.
	first.docker("stop", d.container)
	began = time.Now()
	s.released(d.volume, time.Minute)
	detach := time.Since(began) - linger
	first.docker("start", d.container)
	d.goesOn()

	began = time.Now() // what Docker takes for a container here, beside its volume
	second.docker("run", "--rm", "--network", "none", image, "true")
	container := time.Since(began)

	s.with(settings{"cinder": {`wait_for_release = "60s"`}})
	d.goesOn()
	type result struct {
		out string
		err error
	}
	got := make(chan result, 1)
	go func() {
		out, err := use()
		got <- result{out, err}
	}()
	time.Sleep(5 * time.Second)
	first.docker("stop", d.container)
	stopped := time.Now()
	r := <-got
	took = time.Since(stopped) - container
	if r.err != nil {
		s.t.Fatal(r.err)
	}
	// Five seconds of the ten are for the cloud; on a busy machine it takes more.
	exposed := second.exposed(d.volume)
	busy := max(0, exposed-5*time.Second)
	if limit := linger + detach + 10*time.Second + busy; took > limit {
		s.t.Errorf("%s got the volume %s after %s had stopped, at most %s are allowed", second.name, took, first.name, limit)
	}
	s.figures.add("another host gets a volume on "+s.on.name+" after its user stopped", fmt.Sprintf("%.1f s", took.Seconds()),
		fmt.Sprintf("≤ %.1f s", (linger+detach+10*time.Second+busy).Seconds()),
		fmt.Sprintf("linger 2 s, detach %.1f s, and 10 s for attach and mount on the other host, of which the cloud took %.1f s", detach.Seconds(), exposed.Seconds()))
	told := d.committed()
	if lines := strings.Fields(r.out); len(lines) < told || lines[told-1] != fmt.Sprint(told) {
		s.t.Errorf("%s reads %d lines, %s had committed %d", second.name, len(lines), first.name, told)
	}
	first.docker("rm", d.container)
}
