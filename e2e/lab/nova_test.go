//go:build e2e

package lab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// anotherInstance: the id in fuxi.toml is not this server's. An id that the cloud
// does not know is told at once. Under that of another server the disk comes to
// somebody else: it is looked for in vain and taken back.
func anotherInstance(s *scene) {
	n := s.nodes[0]
	name := s.name("db")
	s.make(n, name)
	const nobody = "5e7fe47e-0000-4000-8000-00000000dead"
	s.with(settings{"nova": {`instance_id = "` + nobody + `"`}})
	s.refusedAndGivenBack(n, "an id that the cloud does not know", name, nobody)
	s.with(settings{"nova": {`instance_id = "` + stranger + `"`}})
	s.refusedAndGivenBack(n, "the id of another server", name, `(?i)(serial|disk).*`+s.one(name).ID[:20])
	s.with(settings{})
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
}

// wrongSerial: the hypervisor plugs in a disk of the right size that is another
// volume. It is not touched, and the error says which disks there are.
func wrongSerial(s *scene) {
	n := s.nodes[0]
	name := s.name("db")
	s.make(n, name)
	run, err := s.lab.dir()
	if err != nil {
		s.t.Fatal(err)
	}
	file, serial := "foreign-"+s.names+"disk", "0f0f0f0f-1111-4222-8"
	path := filepath.Join(run, file)
	s.t.Cleanup(func() { _ = os.Remove(path) })
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		s.t.Fatal(err)
	}
	s.with(settings{"nova": {`instance_id = "` + stranger + `"`}})
	s.console(n, "config ubdp=/run/lab/"+file+",,"+serial)
	unplugged := false
	unplug := func() {
		if !unplugged {
			s.console(n, "remove ubdp")
		}
		unplugged = true
	}
	s.t.Cleanup(unplug)
	began := time.Now()
	text := n.refused("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
	s.t.Logf("refused after %s: %s", time.Since(began).Round(time.Second), text)
	if !strings.Contains(text, s.one(name).ID[:20]) || !regexp.MustCompile(`ubdp|`+serial).MatchString(text) {
		s.t.Errorf("the error does not tell which disk was looked for and which there is: %s", text)
	}
	if got := n.sh("head -c 67108864 /dev/ubdp | tr -d '\\0' | wc -c"); got != "0" {
		s.t.Errorf("%s bytes were written to a disk that is another volume", got)
	}
	s.released(name, time.Minute)
	unplug()
	n.clean(20 * time.Second)
}
