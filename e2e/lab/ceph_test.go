//go:build e2e

package lab

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// wrongKeyring: what the administrator has put on the host for Ceph is of no
// use. The error names the file and what is missing, and nothing is left.
func wrongKeyring(s *scene) {
	n := s.nodes[0]
	name := s.name("db")
	s.make(n, name)
	const dir = "/etc/ceph-e2e"
	s.t.Cleanup(func() { n.sh("rm", "-rf", dir) })
	for _, wrong := range []struct{ what, script, says string }{
		{"no keyring", `cp /etc/ceph/ceph.conf ` + dir, `(?s)client\.cinder.*` + dir + `/ceph\.client\.cinder\.keyring`},
		{"another key", `cp /etc/ceph/ceph.conf ` + dir + ` && ceph-authtool -C ` + dir + `/ceph.client.cinder.keyring --gen-key -n client.cinder`,
			`(?s)refuses the key in ` + dir + `/ceph\.client\.cinder\.keyring.*profile rbd`},
		{"a torn keyring", `cp /etc/ceph/ceph.conf ` + dir + ` && printf '[client.cinder]\n\tkey = AQDk\n' >` + dir + `/ceph.client.cinder.keyring`, `the key of client\.cinder is no Ceph key`},
	} {
		n.sh("rm -rf " + dir + " && mkdir -p " + dir + " && " + wrong.script)
		s.with(settings{"ceph": {`conf_dir = "` + dir + `"`}})
		s.refusedAndGivenBack(n, wrong.what, name, wrong.says)
	}
	s.with(settings{})
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
}

// refusedAndGivenBack: docker run on the volume fails for a reason that its
// error tells, within Docker's limit, and leaves nothing, here or in the cloud.
func (s *scene) refusedAndGivenBack(n *node, what, name, says string) {
	s.t.Helper()
	began := time.Now()
	text := n.refused("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
	took := time.Since(began)
	s.t.Logf("%s: refused after %s: %s", what, took.Round(time.Second), text)
	if !regexp.MustCompile(says).MatchString(text) {
		s.t.Errorf("%s: the error does not match %q: %s", what, says, text)
	}
	if took > 115*time.Second {
		s.t.Errorf("%s: refused only after %s", what, took)
	}
	s.released(name, 2*time.Minute)
	n.clean(20 * time.Second)
}

// cephForbids takes capabilities from the user that the cloud names, and then
// the pool itself. Everything else of the cloud is as it was.
func cephForbids(s *scene) {
	n := s.nodes[0]
	name := s.name("db")
	s.make(n, name)
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "sh", "-c", "echo here >/vol/f && sync")
	s.released(name, time.Minute)
	const right = `ceph auth caps client.cinder mon 'profile rbd' osd 'profile rbd pool=volumes' mgr 'profile rbd pool=volumes'`
	s.t.Cleanup(func() { s.ctl(right) })
	for _, wrong := range []struct{ what, script, mend, says string }{
		{"may only read", `ceph auth caps client.cinder mon 'profile rbd' osd 'allow r pool=volumes'`, right, `profile rbd`},
		{"may use another pool only", `ceph auth caps client.cinder mon 'profile rbd' osd 'profile rbd pool=cephfs-data'`, right, `profile rbd`},
		{"the pool is gone", `ceph osd pool rename volumes elsewhere`, `ceph osd pool rename elsewhere volumes`, `volumes`},
	} {
		s.ctl(wrong.script)
		s.refusedAndGivenBack(n, wrong.what, name, wrong.says)
		s.ctl(wrong.mend)
	}
	if got := n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "cat", "/vol/f"); got != "here" {
		s.t.Errorf("the volume has %q", got)
	}
}

// ctl runs a shell line on the controller, which must succeed.
func (s *scene) ctl(line string) string {
	s.t.Helper()
	out, err := s.lab.run(patience, "exec", "ctl", line)
	if err != nil {
		s.t.Error(err)
	}
	return out
}

// cephRestarts: the cluster's daemons are restarted under a writer, which stalls
// and goes on, and sees no error.
func cephRestarts(s *scene) {
	n := s.nodes[0]
	d := s.newDatabase(n, "db")
	n.sh("dmesg -C")
	for _, daemon := range []string{"ceph-mon", "ceph-osd"} {
		if _, err := s.lab.run(patience, "service", "ctl", "restart", daemon); err != nil {
			s.t.Fatal(err)
		}
		d.pastWithin(d.committed()+3, time.Minute)
		s.figures.add("a writer stalls while "+daemon+" restarts", fmt.Sprintf("%.1f s", d.stall().Seconds()), "", "the longest so far")
	}
	s.noTrouble(n, s.on)
	d.count(n, d.end(s))
}

// holderGone: the host that has the volume lost its power and did not come back.
// Nobody has said that it is dead, so nobody else gets the volume: the error
// names it. When it is back it goes on with every line that was told, and the
// other host gets the volume after it.
func holderGone(s *scene) {
	first, second := s.nodes[0], s.nodes[1]
	s.with(settings{"cinder": {`wait_for_release = "5s"`}})
	d := s.newDatabase(first, "db")
	d.past(20)
	told := d.committed()
	first.power("kill")
	s.t.Cleanup(func() { first.power("start") })
	text := second.refused("run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", d.volume+":/vol", image, "true")
	s.t.Logf("refused: %s", text)
	if !strings.Contains(text, first.name) {
		s.t.Errorf("the error does not name %s: %s", first.name, text)
	}
	second.clean(10 * time.Second)
	if v := s.one(d.volume); !v.usedBy(first.name) {
		s.t.Errorf("the cloud shows %+v", v)
	}
	first.power("start")
	first.answers(time.Minute)
	first.docker("start", d.container)
	d.past(told)
	d.count(second, d.end(s))
}
