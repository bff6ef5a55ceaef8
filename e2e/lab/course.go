//go:build e2e

package lab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// course is one run of the tests against the lab: what all of them share.
type course struct {
	lab     lab
	cloud   *cloud
	id      string // begins the names of all volumes of this run
	full    bool
	fuxi    string // the binary under test
	sim     string // the simulated cloud's
	figures *figures

	mu    sync.Mutex
	freed *sync.Cond
	free  []string // nodes that no test has
	nodes []string

	versions string // of what the lab consists of
}

// newCourse finds the lab, prints what it consists of, and installs fuxi on
// its Docker hosts.
func newCourse(t *testing.T) *course {
	t.Helper()
	l, err := findLab()
	if err != nil {
		t.Fatal(err)
	}
	c := &course{
		lab: l, cloud: &cloud{keystone: keystone, user: "admin", password: "lab", scope: "admin"}, full: os.Getenv("FULL") == "1", figures: &figures{},
		id: fmt.Sprintf("e2e-%06x", rand.IntN(1<<24)), fuxi: build(t, "cmd/fuxi"), sim: build(t, "cmd/fuxi-sim"),
	}
	program := build(t, "e2e/lab/committer")
	c.freed = sync.NewCond(&c.mu)
	if c.nodes, err = l.nodes(); err != nil {
		t.Fatal(err)
	}
	c.free = append(c.free, c.nodes...)
	if c.versions, err = l.versions(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("The lab, tested on %s:\n%s\n", strings.Join(c.nodes, ", "), c.versions)
	var all sync.WaitGroup
	for _, name := range c.nodes {
		all.Go(func() {
			n := &node{t: t, lab: l, name: name}
			n.sh("docker ps -aq | xargs -r docker rm -f >/dev/null; /lab/unit fuxi stop 2>&1 || [ ! -e /run/units/fuxi ]")
			n.install(c.fuxi, c.clouds(), settings{})
			n.push(program, committer)
			n.start()
		})
	}
	all.Wait()
	c.sweep(t)
	return c
}

// sweep removes what a run that was interrupted left in a lab that stayed up.
func (c *course) sweep(t *testing.T) {
	t.Helper()
	for _, name := range c.nodes {
		n := &node{t: t, lab: c.lab, name: name}
		n.sh("for v in $(fuxi ls -q | grep ^e2e-); do docker volume rm $v || fuxi rm $v; done 2>&1; true")
	}
}

// build makes a program of this project, without C; FUXI_TEST_BIN has those that
// are shipped already.
func build(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(program))
	if dir := os.Getenv("FUXI_TEST_BIN"); dir != "" && strings.HasPrefix(program, "cmd/") {
		return filepath.Join(dir, filepath.Base(program))
	}
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "e2e", "-o", path, "github.com/openstack/fuxi/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// clouds is a clouds.yaml with the account of a plain member.
func (c *course) clouds() string {
	return `clouds:
  lab:
    auth:
      auth_url: ` + keystone + `
      username: demo
      password: lab
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
`
}

// take waits until so many nodes are free and takes them all at once, so that
// tests that need two never wait for each other.
func (c *course) take(count int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.free) < count {
		c.freed.Wait()
	}
	taken := append([]string{}, c.free[:count]...)
	c.free = c.free[count:]
	return taken
}

func (c *course) put(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, names...)
	c.freed.Broadcast()
}
