//go:build e2e

package lab

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// cycles attaches and detaches several volumes of one storage at once, again and
// again. Nothing may be left, and no line be lost.
func cycles(s *scene) {
	n := s.nodes[0]
	s.with(settings{"cinder": {`linger = "100ms"`}})
	width, rounds := 2, 3
	if s.full {
		rounds = 20
	}
	if s.on.name != "lvm" { // where attaching is quick
		width, rounds = rounds, 1
		if s.full {
			rounds = 2
		}
	}
	var names []string
	for i := range width {
		names = append(names, s.name(fmt.Sprint("v", i)))
		s.make(n, names[i])
	}
	began := time.Now()
	for round := range rounds {
		var both sync.WaitGroup
		errs := make([]error, len(names))
		for i, name := range names {
			both.Go(func() {
				_, errs[i] = n.try("docker", "run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", name+":/vol", image,
					"sh", "-c", fmt.Sprintf("echo %d >>/vol/f && sync", round))
			})
		}
		both.Wait()
		for i, err := range errs {
			if err != nil {
				s.t.Fatalf("round %d: %v", round, err)
			}
			s.released(names[i], 5*time.Minute)
		}
	}
	n.clean(5 * time.Second) // at once: the cloud has them back, so the host has let go before
	s.figures.add(fmt.Sprintf("a round of attaching, writing and detaching %d volumes on %s at once, mean of %d", width, s.on.name, rounds),
		fmt.Sprintf("%.1f s", time.Since(began).Seconds()/float64(rounds)), "", "the cloud's share included")
	for _, name := range names {
		out := n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "cat", "/vol/f")
		if lines := strings.Fields(out); len(lines) != rounds || lines[rounds-1] != fmt.Sprint(rounds-1) {
			s.t.Errorf("%s has the lines %q after %d rounds", name, lines, rounds)
		}
	}
}

// neighbours detaches a volume behind the same target host as another one that
// is written to: same portal, and for multi-LUN targets the same session. The
// writer must not notice.
func neighbours(s *scene) {
	n := s.nodes[0]
	n.sh("dmesg -C")
	writer := s.newDatabase(n, "writer")
	before := n.sh("iscsiadm -m session")
	for range 2 {
		other := s.newDatabase(n, "other")
		other.end(s)
		writer.goesOn()
	}
	if after := n.sh("iscsiadm -m session"); after != before {
		s.t.Errorf("the writer's session was\n%s\nand is\n%s", before, after)
	}
	if stall := writer.stall(); stall > 3*time.Second {
		s.t.Errorf("the writer stalled for %s while its neighbour was detached", stall)
	}
	if got := n.sh("dmesg"); strings.Contains(got, "I/O error") {
		s.t.Errorf("the kernel reports I/O errors:\n%s", got)
	}
	writer.count(n, writer.end(s))
}
