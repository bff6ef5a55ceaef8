//go:build e2e

package lab

import (
	"fmt"
	"strings"
	"time"
)

// multipath: two portals, one of whose links fails under load and comes back;
// and a detach while it is down. Promises F1 and F2.
func multipath(s *scene) {
	n := s.nodes[0]
	s.with(settings{"cinder": {`multipath = "auto"`}})
	s.t.Cleanup(func() { _, _ = s.lab.run(time.Minute, "mend", n.name, "b") })
	d := s.newDatabase(n, "db")
	n.paths(2, 20*time.Second)
	n.sh("dmesg -C")

	n.link("cut")
	n.paths(1, time.Minute)
	d.goesOn()
	n.link("mend")
	n.paths(2, 90*time.Second)
	d.goesOn()
	// Errors of a path are what multipath is there for; errors of the map are not.
	for line := range strings.Lines(n.sh("dmesg")) {
		if strings.Contains(line, "I/O error, dev dm-") || strings.Contains(line, "EXT4-fs error") || strings.Contains(line, "EXT4-fs (dm-") && strings.Contains(line, "error") {
			s.t.Errorf("the kernel reports %s", line)
		}
	}
	s.figures.add("a writer stalls while one of two paths fails", fmt.Sprintf("%.1f s", d.stall().Seconds()), "", "")

	n.link("cut")
	n.paths(1, time.Minute)
	told := d.end(s)
	n.clean(time.Minute)
	n.link("mend")
	d.count(n, told)
}

// link cuts or mends the second storage path.
func (n *node) link(how string) {
	n.t.Helper()
	if _, err := n.lab.run(time.Minute, how, n.name, "b"); err != nil {
		n.t.Fatal(err)
	}
}

// paths waits until so many paths of the only map are usable.
func (n *node) paths(want int, limit time.Duration) {
	n.t.Helper()
	eventually(n.t, limit, func() string {
		out, err := n.try("multipathd show paths raw format '%d %t %T' 2>&1")
		if err != nil {
			return err.Error() // a busy multipathd lets its own client time out
		}
		if got := strings.Count(out, "active ready"); got != want {
			return fmt.Sprintf("%d paths of %s are usable, not %d:\n%s", got, n.name, want, out)
		}
		return ""
	})
}
