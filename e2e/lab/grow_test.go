//go:build e2e

package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// grow makes a volume larger under a writer, which sees the room at once.
// Promises G1 and H3.
func grow(s *scene) {
	n := s.nodes[0]
	d := s.newDatabase(n, "db")
	room := func() int {
		s.t.Helper()
		f := strings.Fields(n.docker("exec", d.container, "df", "-m", "/vol"))
		for i, word := range f {
			if word == "/vol" && i >= 4 {
				size, err := strconv.Atoi(f[i-4])
				if err == nil {
					return size
				}
			}
		}
		s.t.Fatalf("df says %q", f)
		return 0
	}
	before := room()
	began := time.Now()
	n.fuxi("grow", d.volume, "2")
	took := time.Since(began)
	after := room()
	if before > 1024 || after < 1800 {
		s.t.Errorf("the filesystem had %d MiB and has %d", before, after)
	}
	if v := s.one(d.volume); v.Size != 2 || !v.usedBy(n.name) {
		s.t.Errorf("the cloud shows %+v", v)
	}
	if now := n.inspect(d.volume); now.SizeGiB != 2 {
		s.t.Errorf("fuxi shows %d GiB", now.SizeGiB)
	}
	d.goesOn()
	s.figures.add("growing a mounted volume on "+s.on.name+" by 1 GiB", fmt.Sprintf("%.1f s", took.Seconds()), "", fmt.Sprintf("the writer stalled for at most %.1f s", d.stall().Seconds()))
	d.count(n, d.end(s))
}
