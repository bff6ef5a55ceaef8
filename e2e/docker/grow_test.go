package docker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
)

// TestGrowUnderAContainer_G1: a container that runs all the time, and writes,
// sees its volume grow, and after that so does a new one.
func TestGrowUnderAContainer_G1(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{})
	for _, fstype := range []string{"xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			name := "vol-" + fstype
			s.docker(t, "volume", "create", "-d", "fuxi", "-o", "size=1", "-o", "fstype="+fstype, name)
			s.upWith(t, name, []string{"-v", name + ":/vol"}, "sh", "-c", "n=0; while echo $n >>/vol/log && sync; do n=$((n+1)); done")
			started := s.docker(t, "inspect", "-f", "{{.State.StartedAt}}", name)
			if kib := s.blocks(t, name); kib > 1<<20 {
				t.Fatalf("df shows %d KiB before", kib)
			}
			cmd := s.env.Command(context.Background(), rig.Binary(t, "fuxi"), "--config", s.fuxi.Config, "grow", name, "3G")
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "and so has its filesystem") {
				t.Fatalf("fuxi grow: %v\n%s", err, out)
			}
			if kib := s.blocks(t, name); kib < 3<<20*9/10 {
				t.Errorf("df in the running container shows %d KiB of 3 GiB", kib)
			}
			s.docker(t, "exec", name, "dd", "if=/dev/zero", "of=/vol/large", "bs=1M", "seek=2000", "count=1")
			before := s.lines(t, name)
			rig.Eventually(t, patience, func() string {
				if now := s.lines(t, name); now <= before {
					return fmt.Sprintf("the container stands still at %d lines", now)
				}
				return ""
			})
			if again := s.docker(t, "inspect", "-f", "{{.State.Running}} {{.State.StartedAt}}", name); again != "true "+started {
				t.Errorf("the container is %s, it was started %s", again, started)
			}
			s.docker(t, "rm", "-f", name)
			if kib := s.run(t, name, "awk 'NR-1 != $1 {print NR; exit 1}' /vol/log && df -k /vol | awk 'END {print $2}'"); number(t, kib) < 3<<20*9/10 {
				t.Errorf("df in the next container shows %s KiB", kib)
			}
			s.detached(t, name)
			s.docker(t, "volume", "rm", name)
		})
	}
}

// blocks is what df in a running container shows of its volume, KiB.
func (s *site) blocks(t *testing.T, container string) int {
	t.Helper()
	return number(t, s.docker(t, "exec", container, "sh", "-c", "df -k /vol | awk 'END {print $2}'"))
}

func (s *site) lines(t *testing.T, container string) int {
	t.Helper()
	return number(t, s.docker(t, "exec", container, "sh", "-c", "wc -l </vol/log"))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
