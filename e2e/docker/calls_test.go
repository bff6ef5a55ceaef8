package docker

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

// tally counts Docker's calls from a moment on, as fuxi's log tells them.
type tally struct {
	s    *site
	from int
}

func (s *site) tally() tally { return tally{s: s, from: len(s.fuxi.Log())} }

// ids lists the mount ids of one operation's calls, "" for those without, in
// their order.
func (c tally) ids(operation string) []string {
	line := regexp.MustCompile(`(?m)^.* msg="docker call" operation=` + operation + ` (?:volume=\S* )?(?:id=(\S+) )?.*$`)
	var ids []string
	for _, match := range line.FindAllStringSubmatch(c.s.fuxi.Log()[c.from:], -1) {
		ids = append(ids, match[1])
	}
	return ids
}

func (c tally) count(operation string) int { return len(c.ids(operation)) }

// expect compares the calls that change something, and Path, which Docker has
// no reason to use. The log's line follows the answer, so it is waited for.
func (c tally) expect(t *testing.T, create, mount, unmount, remove int) {
	t.Helper()
	text := func(create, mount, unmount, remove, path int) string {
		return fmt.Sprintf("%d Create, %d Mount, %d Unmount, %d Remove, %d Path", create, mount, unmount, remove, path)
	}
	want := text(create, mount, unmount, remove, 0)
	rig.Eventually(t, 2*time.Second, func() string {
		got := text(c.count("Create"), c.count("Mount"), c.count("Unmount"), c.count("Remove"), c.count("Path"))
		if got == want {
			return ""
		}
		return got + "; want " + want
	})
}

// expectOne compares the calls of one operation.
func (c tally) expectOne(t *testing.T, operation string, want int) {
	t.Helper()
	rig.Eventually(t, 2*time.Second, func() string {
		if got := c.count(operation); got != want {
			return fmt.Sprintf("%d × %s, want %d", got, operation, want)
		}
		return ""
	})
}
