//go:build e2e

package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// database is a container that commits lines all the time.
type database struct {
	*node
	container, volume string
	file              string // that it writes, in the volume
}

// newDatabase starts one.
func (s *scene) newDatabase(n *node, what string) *database {
	s.t.Helper()
	return s.newDatabaseOn(n, what, s.on)
}

// newDatabaseOn starts one whose volume is on another storage than the scene's.
func (s *scene) newDatabaseOn(n *node, what string, st storage) *database {
	s.t.Helper()
	s.makeOn(n, s.name(what), st)
	return s.newWriter(n, what, s.name(what), "wal")
}

// newWriter starts one on a volume that others may have, too.
func (s *scene) newWriter(n *node, what, volume, file string) *database {
	s.t.Helper()
	d := &database{node: n, container: s.name(what), volume: volume, file: file}
	n.docker("run", "-d", "--name", d.container, "--network", "none", "--stop-signal", "KILL",
		"--volume-driver", "fuxi", "-v", d.volume+":/vol", "-v", committer+":/committer:ro", image, "/committer", "/vol/"+file)
	d.past(3)
	return d
}

// committed is the last line that the database told.
func (d *database) committed() int {
	d.t.Helper()
	number, _, _ := strings.Cut(d.docker("logs", "--tail", "1", d.container), " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0 // it told none yet
	}
	return n
}

// stall is the longest time between two of its lines so far.
func (d *database) stall() time.Duration {
	d.t.Helper()
	var longest, last float64
	for line := range strings.Lines(d.docker("logs", d.container)) {
		var n int
		var now float64
		if _, err := fmt.Sscan(line, &n, &now); err != nil {
			d.t.Fatalf("the database on %s told %q", d.name, line)
		}
		if last > 0 {
			longest = max(longest, now-last)
		}
		last = now
	}
	return time.Duration(longest * float64(time.Second))
}

// past waits until more than n lines are committed.
func (d *database) past(n int) { d.t.Helper(); d.pastWithin(n, 20*time.Second) }

func (d *database) pastWithin(n int, limit time.Duration) {
	d.t.Helper()
	eventually(d.t, limit, func() string {
		if got := d.committed(); got <= n {
			return fmt.Sprintf("the database on %s has committed %d lines, not yet more than %d; it is %s", d.name, got, n,
				d.docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", d.container))
		}
		return ""
	})
}

// goesOn waits for some more lines.
func (d *database) goesOn() { d.t.Helper(); d.past(d.committed() + 3) }

// count reads the volume in a container of its own on a host: all lines must be
// there in their order, and at least those that were told.
func (d *database) count(on *node, told int) int {
	d.t.Helper()
	out := on.docker("run", "--rm", "--network", "none", "-v", d.volume+":/vol", image,
		"awk", `$1 != NR { bad = NR } END { print NR, bad+0 }`, "/vol/"+d.file)
	var lines, bad int
	if _, err := fmt.Sscan(strings.TrimSpace(out), &lines, &bad); err != nil || bad > 0 || lines < told {
		d.t.Fatalf("%s has %d lines, %d were committed, line %d is wrong: %s %v", d.volume, lines, told, bad, out, err)
	}
	return lines
}

// end stops the container, removes it, and waits until the volume is given
// back. It returns the last line that was told.
func (d *database) end(s *scene) int {
	d.t.Helper()
	d.docker("stop", d.container)
	told := d.committed()
	d.docker("rm", d.container)
	s.released(d.volume, 60*time.Second)
	return told
}
