//go:build e2e

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// exporter is the address of the machine that serves all shares.
const exporter = "10.77.0.11"

// silence has this host get no answer from the server of its shares any more,
// as if it were dead; the function returned undoes it.
func (s *scene) silence(n *node) (mend func()) {
	s.t.Helper()
	rule := fmt.Sprintf("OUTPUT -p tcp -d %s --dport 2049 -j DROP", exporter)
	mend = func() { n.sh("while iptables -D " + rule + " 2>/dev/null; do :; done") }
	s.t.Cleanup(mend)
	n.sh("iptables -I " + rule)
	return mend
}

// deadServer: the server of two shares falls silent and does not come back. One
// is only there, the other one is written to. Everything else goes on: containers
// can be stopped, other volumes are used, fuxi is restarted. When the server is
// back, all is given back and the data are there. Promise F7.
func deadServer(s *scene) {
	n := s.nodes[0]
	share := s.newDatabase(n, "share")
	other := s.newDatabaseOn(n, "other", ceph())
	idle := s.name("idle")
	s.make(n, idle)
	n.docker("run", "-d", "--name", idle, "--network", "none", "--stop-signal", "KILL", "-v", idle+":/vol", image, "sleep", "100000")
	mend := s.silence(n)
	time.Sleep(2 * time.Second)
	told := share.committed()
	n.quick("docker volume ls", 10*time.Second, "volume", "ls")
	took := n.quick("docker stop", 30*time.Second, "stop", idle)
	s.figures.add("docker stop while the server of its share is dead", fmt.Sprintf("%.1f s", took.Seconds()), "≤ 30 s", "")
	s.stopStuck(share)
	n.quick("docker ps", 10*time.Second, "ps")
	if out := n.docker("volume", "ls", "-q"); !strings.Contains(out, share.volume) || !strings.Contains(out, idle) {
		s.t.Errorf("docker volume ls shows\n%s", out)
	}
	other.goesOn()
	began := time.Now()
	n.restart()
	if took := time.Since(began); took > time.Minute {
		s.t.Errorf("restarting fuxi took %s while the server is dead", took)
	}
	n.quick("docker volume ls", 10*time.Second, "volume", "ls")
	if got := other.users(other.volume); got != 1 {
		s.t.Errorf("%d users are counted of the other volume", got)
	}
	other.goesOn()
	other.end(s)
	mend()
	eventually(s.t, 3*time.Minute, func() string { // as long as the kernel takes to look at the server again
		return strings.TrimPrefix(n.docker("inspect", "-f", "{{.State.Status}}", share.container), "exited")
	})
	n.docker("rm", share.container, idle)
	s.released(share.volume, 3*time.Minute)
	s.released(idle, 3*time.Minute)
	n.clean(10 * time.Second)
	share.count(n, told)
}

// quick runs the Docker client, which must come to an end in time.
func (n *node) quick(what string, limit time.Duration, args ...string) time.Duration {
	n.t.Helper()
	began := time.Now()
	n.docker(args...)
	took := time.Since(began)
	n.t.Logf("%s took %.1f s", what, took.Seconds())
	if took > limit {
		n.t.Errorf("%s took %s, at most %s are allowed", what, took, limit)
	}
	return took
}

// stopStuck stops a writer whose server is dead. Killed or not, the kernel does
// not end a process before what it wrote is on the server: Docker says so, in its
// own time, and nothing else waits for it.
func (s *scene) stopStuck(d *database) {
	s.t.Helper()
	began := time.Now()
	_, err := d.try("docker", "stop", d.container)
	s.t.Logf("docker stop of a writer took %s: %v", time.Since(began).Round(time.Second), err)
	if took := time.Since(began); took > 75*time.Second {
		s.t.Errorf("docker stop took %s", took)
	}
	if err == nil {
		return
	}
	pid := d.docker("inspect", "-f", "{{.State.Pid}}", d.container)
	stack := d.sh("cat /proc/" + pid + "/task/*/stack")
	if !strings.Contains(stack, "nfs_") {
		s.t.Errorf("a writer cannot be stopped, and not because the kernel waits for its server: %v\n%s", err, stack)
	}
}

// silentExport: the server does not answer from the start. The error says so
// within Docker's limit, and the host is not let in to the share any longer than
// that.
func silentExport(s *scene) {
	n := s.nodes[0]
	name := s.name("share")
	s.make(n, name)
	mend := s.silence(n)
	s.refusedAndGivenBack(n, "a silent server", name, `(?i)`+exporter+`.*(answer|reach|time|respond)`)
	mend()
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
}

// accessRefused: the cloud does not let this host in to its share: because an
// operator has let it in for reading only, and because the server refuses the
// rule. What the operator made stays, what fuxi made goes.
func accessRefused(s *scene) {
	n := s.nodes[0]
	name := s.name("share")
	s.make(n, name)
	v := s.one(name)
	address := n.sh(`hostname -I | tr ' ' '\n' | grep '^10\.77\.0\.'`)

	id := s.allow(v, address, "ro")
	text := n.refused("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
	s.t.Logf("let in for reading only: %s", text)
	if !strings.Contains(text, "reading only") || !strings.Contains(text, id) {
		s.t.Errorf("the error does not tell of rule %s: %s", id, text)
	}
	if rules, err := s.cloud.rules(v.ID); err != nil || len(rules) != 1 || rules[0].ID != id || len(rules[0].Metadata) > 0 {
		s.t.Errorf("the operator's rule %s became %v %+v", id, err, rules)
	}
	n.clean(10 * time.Second)
	s.deny(v, id)

	mend := s.refuseExports(address)
	s.refusedAndGivenBack(n, "the server refuses", name, `(?i)could not apply access rule`)
	mend()
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
}

// allow lets an address in to a share, as an operator does, and waits until the
// rule holds.
func (s *scene) allow(v volume, address, level string) (id string) {
	s.t.Helper()
	var made struct{ Access rule }
	body := map[string]any{"allow_access": map[string]string{"access_type": "ip", "access_to": address, "access_level": level}}
	if err := s.cloud.ask(manila, "POST", "/shares/"+v.ID+"/action", body, &made); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, time.Minute, func() string {
		rules, err := s.cloud.rules(v.ID)
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.ID == made.Access.ID && r.State == "active" }) {
			return fmt.Sprintf("%s is not let in to %s: %v %+v", address, v.Name, err, rules)
		}
		return ""
	})
	return made.Access.ID
}

// deny takes a rule away and waits for its end.
func (s *scene) deny(v volume, id string) {
	s.t.Helper()
	body := map[string]any{"deny_access": map[string]string{"access_id": id}}
	if err := s.cloud.ask(manila, "POST", "/shares/"+v.ID+"/action", body, nil); err != nil {
		s.t.Error(err)
	}
	eventually(s.t, time.Minute, func() string {
		if rules, err := s.cloud.rules(v.ID); err != nil || slices.ContainsFunc(rules, func(r rule) bool { return r.ID == id }) {
			return fmt.Sprintf("rule %s of %s is still there: %v %+v", id, v.Name, err, rules)
		}
		return ""
	})
}

// refuseExports has the server of the shares refuse to let an address in.
func (s *scene) refuseExports(address string) (mend func()) {
	s.t.Helper()
	const program = "/usr/local/bin/exportfs"
	storage := func(line string) {
		s.t.Helper()
		if _, err := s.lab.run(time.Minute, "exec", "storage", line); err != nil {
			s.t.Error(err)
		}
	}
	mend = func() { storage("rm -f " + program) }
	s.t.Cleanup(mend)
	storage(fmt.Sprintf(`cat >%[1]s.new <<'END' && chmod 755 %[1]s.new && mv %[1]s.new %[1]s
#!/bin/bash
case "$*" in *-u*) ;; *%[2]s:*) echo "exportfs: %[2]s: refused" >&2; exit 1 ;; esac
exec /usr/sbin/exportfs "$@"
END`, program, address))
	return mend
}

// manyWriters: two hosts write to one share at the same time. Each gives back
// what it has, and every byte of both is there. A share that another host uses
// is not removed.
func manyWriters(s *scene) {
	first, second := s.nodes[0], s.nodes[1]
	name := s.name("share")
	s.make(first, name)
	a, b := s.newWriter(first, "one", name, "one"), s.newWriter(second, "two", name, "two")
	if got := fmt.Sprint(s.one(name).hosts()); got != fmt.Sprint([]string{first.name, second.name}) && got != fmt.Sprint([]string{second.name, first.name}) {
		s.t.Errorf("the cloud lets in %s", got)
	}
	a.goesOn()
	b.goesOn()
	first.docker("stop", a.container)
	toldA := a.committed()
	first.docker("rm", a.container)
	first.clean(time.Minute) // it has given back what it had, and the other one has not noticed
	eventually(s.t, time.Minute, func() string {
		if v := s.one(name); !v.usedBy(second.name) {
			return fmt.Sprintf("with a container on %s alone the cloud shows %+v", second.name, v)
		}
		return ""
	})
	b.goesOn()
	if text := first.refused("volume", "rm", name); !strings.Contains(text, second.name) {
		s.t.Errorf("the error does not name %s: %s", second.name, text)
	}
	a.count(second, toldA)
	b.count(first, b.committed())
	b.goesOn()
	b.count(first, b.end(s))
}
