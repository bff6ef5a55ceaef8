//go:build e2e

package lab

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// scenario is one thing that must hold in the lab.
type scenario struct {
	name  string
	nodes int     // Docker hosts it needs for itself; 0 is one
	on    storage // where its volumes are; none is lvm
	full  bool    // it plays in a full run only
	brief bool    // it plays in a brief run only
	play  func(*scene)
}

// scene is one test with the Docker hosts it has for itself.
type scene struct {
	*course
	t     *testing.T
	cloud *cloud // where its volumes are asked for
	nodes []*node
	names string  // begins the names of its volumes and containers
	own   string  // besides, names of volumes that are given by what it proves, as a pattern; "" is none
	on    storage // where its volumes are

	changed bool // the nodes have other settings than those of every test
}

// newScene waits for its nodes, on each of which fuxi runs with the settings of
// every test. When the test ends, however it ends, its containers and volumes
// are removed and the nodes are given on.
func newScene(t *testing.T, c *course, sc scenario) *scene {
	t.Helper()
	s := &scene{course: c, cloud: c.cloud, t: t, names: fmt.Sprintf("%s-%s-", c.id, sc.name), on: sc.on}
	if s.on.name == "" {
		s.on = lvm()
	}
	count := max(sc.nodes, 1)
	if count > len(c.nodes) {
		t.Fatalf("this test needs %d Docker hosts, the lab has %d", count, len(c.nodes))
	}
	taken := c.take(count)
	t.Cleanup(func() { c.put(taken) })
	for _, name := range taken {
		s.nodes = append(s.nodes, &node{t: t, lab: c.lab, name: name})
	}
	if s.on.simulated {
		s.simulate()
	}
	if len(s.on.settings) > 0 {
		t.Cleanup(func() {
			s.set(settings{})
			s.forget()
		})
		s.forget()
		s.set(s.on.settings)
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
// end with those of before.
func (s *scene) with(changed settings) {
	s.t.Helper()
	if !s.changed {
		s.t.Cleanup(func() { s.set(s.on.settings) })
	}
	s.changed = true
	s.set(s.on.settings.and(changed))
}

func (s *scene) set(to settings) {
	s.t.Helper()
	for _, n := range s.nodes {
		n.configure(to)
		n.restart()
	}
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
	for _, v := range s.mine() {
		if len(v.Attachments) > 0 {
			s.t.Errorf("no host has anything any more, but the cloud shows %+v", v)
		}
	}
}

// mine are the scene's volumes in the cloud.
func (s *scene) mine() []volume {
	s.t.Helper()
	all, err := s.cloud.volumes("")
	if err != nil {
		s.t.Error(err)
	}
	return slices.DeleteFunc(all, func(v volume) bool {
		return !strings.HasPrefix(v.Name, s.names) && (s.own == "" || !regexp.MustCompile(s.own).MatchString(v.Name))
	})
}

// removeVolumes removes what is left of the scene's volumes. Another host may
// have made them, so fuxi is asked, not Docker's memory.
func (s *scene) removeVolumes() {
	n := s.nodes[0]
	script := fmt.Sprintf(`for v in $(fuxi ls -q | grep -E '^%s|%s'); do docker volume rm $v || fuxi rm $v; done`, s.names, cmp.Or(s.own, "^$"))
	if _, err := n.try(script); err != nil {
		s.t.Errorf("removing volumes on %s: %v", n.name, err)
	}
	if left := s.mine(); len(left) > 0 {
		s.t.Errorf("left in the cloud: %+v", left)
	}
}

// show prints what helps to understand a failure.
func (s *scene) show() {
	for _, n := range s.nodes {
		out, _ := n.try(`for c in "docker ps -a" "fuxi status --all" "iscsiadm -m session" "iscsiadm -m node" "multipath -ll" "rbd showmapped" "ls -l /dev/disk/by-path" "iptables -S OUTPUT" "grep fuxi /proc/mounts" "dmesg | tail -n 25"; do
	echo "--- $c"; bash -c "$c" 2>&1
done`)
		s.t.Logf("on %s:\n%s\n--- the end of fuxi's log\n%s", n.name, out, n.log(60))
	}
	s.t.Log("in the cloud:")
	for _, v := range s.mine() {
		rows, _ := s.cloud.attachments(v)
		s.t.Logf("  %s %s %s %d GiB %v, attachments %v", v.Name, v.ID, v.Status, v.Size, v.Attachments, rows)
	}
}

// one is the only volume of the name in the cloud.
func (s *scene) one(name string) volume {
	s.t.Helper()
	all, err := s.cloud.volumes(name) // which begin like that
	all = slices.DeleteFunc(all, func(v volume) bool { return v.Name != name })
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
		rows, err := s.cloud.attachments(v)
		if err != nil || v.Status != "available" || len(rows) > 0 {
			return fmt.Sprintf("%s is %s, attachments %v %v", name, v.Status, rows, err)
		}
		return ""
	})
}
