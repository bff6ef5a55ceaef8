//go:build e2e

package lab

import (
	"fmt"
	"regexp"
	"time"
)

// restarts: the services that a volume rests on are restarted under a writer,
// as an upgrade of their packages does.
func restarts(s *scene) {
	n := s.nodes[0]
	d := s.newDatabase(n, "db")
	n.restart()
	d.goesOn()
	for _, daemon := range s.on.daemons {
		n.service(daemon, "restart")
		d.goesOn()
	}
	if got := d.users(d.volume); got != 1 {
		s.t.Errorf("%d users are counted", got)
	}
	if stall := d.stall(); stall > 10*time.Second {
		s.t.Errorf("the writer stalled for %s", stall)
	}
	n.service("dockerd", "restart") // ends the containers
	n.docker("start", d.container)
	d.goesOn()
	d.count(n, d.end(s))
}

// service does something to a service of the machine.
func (n *node) service(name, what string) {
	n.t.Helper()
	if _, err := n.lab.run(patience, "service", n.name, what, name); err != nil {
		n.t.Fatal(err)
	}
}

// powerLoss: the host goes away without a word while it writes. It comes back,
// fuxi by itself, and every line that was told is there.
func powerLoss(s *scene) {
	n := s.nodes[0]
	d := s.newDatabase(n, "db")
	d.past(20)
	told := d.committed()
	n.power("kill")
	if v := s.one(d.volume); !v.usedBy(n.name) {
		s.t.Errorf("the cloud shows %+v while the host is away", v)
	}
	began := time.Now()
	n.power("start")
	n.answers(time.Minute)
	s.t.Logf("the host and its fuxi were back after %s", time.Since(began).Round(time.Second))
	if now := n.inspect(d.volume); len(now.Users) > 0 {
		s.t.Errorf("after a power loss users are void, but %v are counted", now.Users)
	}
	n.docker("start", d.container)
	d.past(told)
	d.goesOn()
	d.count(n, d.end(s))
}

// power switches the machine.
func (n *node) power(how string) {
	n.t.Helper()
	if _, err := n.lab.run(5*time.Minute, how, n.name); err != nil {
		n.t.Fatal(err)
	}
}

// storageReboots: the machine that holds the disk and serves the share is
// rebooted under a writer on each, which stall and go on, and see no error.
func storageReboots(s *scene) {
	n := s.nodes[0]
	storages := []storage{lvm(), nfs()}
	var all []*database
	for _, st := range storages {
		all = append(all, s.newDatabaseOn(n, st.name, st))
	}
	n.sh("dmesg -C")
	began := time.Now()
	if _, err := s.lab.run(5*time.Minute, "reboot", "storage"); err != nil {
		s.t.Fatal(err)
	}
	back := time.Since(began)
	for i, d := range all {
		d.pastWithin(d.committed()+3, 2*time.Minute)
		// Paths fail, and the kernel says so; what is over them must not.
		s.noTrouble(n, storages[i])
		s.figures.add("a writer on "+storages[i].name+" stalls while its storage reboots", fmt.Sprintf("%.0f s", d.stall().Seconds()), "",
			fmt.Sprintf("the storage is away for %.0f s", back.Seconds()))
		d.count(n, d.end(s))
	}
}

// noTrouble: since its messages were last cleared, the kernel has not told of
// errors that reached a program.
func (s *scene) noTrouble(n *node, st storage) {
	s.t.Helper()
	if got := n.sh("dmesg"); regexp.MustCompile(st.trouble).MatchString(got) {
		s.t.Errorf("the kernel reports errors of %s:\n%s", st.name, got)
	}
}
