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
	"time"
)

// course is one run of the tests against the lab: what all of them share.
type course struct {
	lab     lab
	cloud   *cloud
	id      string // begins the names of all volumes of this run
	full    bool
	fuxi    string // the binary under test
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
		lab: l, cloud: &cloud{}, full: os.Getenv("FULL") == "1", figures: &figures{},
		id: fmt.Sprintf("e2e-%06x", rand.IntN(1<<24)), fuxi: build(t, "cmd/fuxi"),
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

// build makes a program of this project, without C; FUXI_TEST_BIN has fuxi
// already.
func build(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(program))
	if dir := os.Getenv("FUXI_TEST_BIN"); dir != "" && program == "cmd/fuxi" {
		return filepath.Join(dir, "fuxi")
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

// scene is one test with the Docker hosts it has for itself.
type scene struct {
	*course
	t     *testing.T
	nodes []*node
	names string // begins the names of its volumes and containers
}

// newScene waits for its nodes, on each of which fuxi runs with the settings of
// every test. When the test ends, however it ends, its containers and volumes
// are removed and the nodes are given on.
func newScene(t *testing.T, c *course, name string, count int) *scene {
	t.Helper()
	s := &scene{course: c, t: t, names: fmt.Sprintf("%s-%s-", c.id, name)}
	if count > len(c.nodes) {
		t.Fatalf("this test needs %d Docker hosts, the lab has %d", count, len(c.nodes))
	}
	taken := c.take(count)
	t.Cleanup(func() { c.put(taken) })
	for _, name := range taken {
		s.nodes = append(s.nodes, &node{t: t, lab: c.lab, name: name})
	}
	// Run from the last to the first.
	t.Cleanup(s.removeVolumes)
	t.Cleanup(s.insistOnNothing)
	t.Cleanup(s.removeContainers)
	return s
}

// play runs a scenario and, before anything is cleaned up, shows what a failed
// one was about.
func (s *scene) play(act func(*scene)) {
	defer func() {
		if s.t.Failed() {
			s.show()
		}
	}()
	act(s)
}

// name makes the name of a volume or container that no other test has.
func (s *scene) name(what string) string { return s.names + what }

// with restarts fuxi on every node of the scene with other settings, and in the
// end with those of every test.
func (s *scene) with(changed settings) {
	s.t.Helper()
	set := func(to settings) {
		for _, n := range s.nodes {
			n.configure(to)
			n.restart()
		}
	}
	set(changed)
	s.t.Cleanup(func() { set(settings{}) })
}

// removeContainers ends the test's containers.
func (s *scene) removeContainers() {
	for _, n := range s.nodes {
		if !n.running() {
			n.start()
		}
		if _, err := n.try("docker ps -aq --filter name=" + s.names + " | xargs -r docker rm -f"); err != nil {
			s.t.Errorf("removing containers on %s: %v", n.name, err)
		}
	}
}

// insistOnNothing waits until fuxi has given everything back by itself: a
// removal would do it on the way and hide that it did not.
func (s *scene) insistOnNothing() {
	for _, n := range s.nodes {
		n.clean(45 * time.Second)
	}
}

// removeVolumes removes what is left of the scene's volumes. Another host may
// have made them, so fuxi is asked, not Docker's memory.
func (s *scene) removeVolumes() {
	n := s.nodes[0]
	script := fmt.Sprintf(`for v in $(fuxi ls -q | grep '^%s'); do docker volume rm $v || fuxi rm $v; done`, s.names)
	if _, err := n.try(script); err != nil {
		s.t.Errorf("removing volumes on %s: %v", n.name, err)
	}
	left, err := s.cloud.volumes(s.names)
	if err != nil || len(left) > 0 {
		s.t.Errorf("left in the cloud: %v %+v", err, left)
	}
}

// show prints what helps to understand a failure.
func (s *scene) show() {
	for _, n := range s.nodes {
		out, _ := n.try(`for c in "docker ps -a" "fuxi status --all" "iscsiadm -m session" "iscsiadm -m node" "multipath -ll" "ls -l /dev/disk/by-path" "grep fuxi /proc/mounts" "dmesg | tail -n 25"; do
	echo "--- $c"; bash -c "$c" 2>&1
done`)
		s.t.Logf("on %s:\n%s\n--- the end of fuxi's log\n%s", n.name, out, n.log(60))
	}
	all, err := s.cloud.volumes(s.names)
	s.t.Logf("in the cloud: %v", err)
	for _, v := range all {
		rows, _ := s.cloud.attachments(v.ID)
		s.t.Logf("  %s %s %s %d GiB %v, attachments %v", v.Name, v.ID, v.Status, v.Size, v.Attachments, rows)
	}
}

// one is the only volume of the name in the cloud.
func (s *scene) one(name string) volume {
	s.t.Helper()
	all, err := s.cloud.volumes(name)
	if err != nil || len(all) != 1 {
		s.t.Fatalf("the cloud has %d volumes named %s: %v %+v", len(all), name, err, all)
	}
	return all[0]
}

// released waits until the cloud has the volume back from every host.
func (s *scene) released(name string, limit time.Duration) {
	s.t.Helper()
	eventually(s.t, limit, func() string {
		v := s.one(name)
		rows, err := s.cloud.attachments(v.ID)
		if err != nil || v.Status != "available" || len(rows) > 0 {
			return fmt.Sprintf("%s is %s, attachments %v %v", name, v.Status, rows, err)
		}
		return ""
	})
}
