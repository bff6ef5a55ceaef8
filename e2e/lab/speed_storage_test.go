//go:build e2e

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/trace"
)

// storageSpeed measures what fuxi adds to the time of the cloud and the kernel on
// another storage than iSCSI, beside what others take for the same connections
// on the same host.
func storageSpeed(s *scene) {
	n := s.nodes[0]
	rounds := 3
	if s.full {
		rounds = 5
	}
	name := s.name("cold")
	s.make(n, name)
	s.coldMount(n, name) // makes the filesystem, on what has none yet
	s.ownTime(n, name, rounds, 8)
	if s.on.name == "nfs" {
		s.byHand(n, name, rounds)
		return
	}
	s.compare(n, name, way{s.on.name, s.on, false, settings{"cinder": {`linger = "200ms"`}}, 10, 10}, rounds)
}

// byHand compares what fuxi takes from the cloud's word that the host is let in
// to the end of the mount, with mounting another share of the same server by the
// command.
func (s *scene) byHand(n *node, name string, rounds int) {
	s.t.Helper()
	export := s.letIn(n, "hand")
	script := fmt.Sprintf(`mkdir -p /mnt/hand && from=$(date +%%s%%N) && mount -t nfs4 -o hard,nosuid,nodev %s /mnt/hand &&
	echo $(($(date +%%s%%N) - from)) && umount /mnt/hand`, export)
	var theirs []time.Duration
	for range rounds {
		// A new rule has the server forget whom it knows; so it is for fuxi's mounts.
		if _, err := s.lab.run(time.Minute, "exec", "storage", "exportfs -f"); err != nil {
			s.t.Fatal(err)
		}
		var took int64
		if _, err := fmt.Sscan(n.sh(script), &took); err != nil {
			s.t.Fatal(err)
		}
		theirs = append(theirs, time.Duration(took))
	}
	lines := s.traced(n, settings{"cinder": {`linger = "200ms"`}}, func() {
		for range rounds {
			s.coldMount(n, name)
		}
	})
	ours := shareMounts(lines)
	if len(ours) != rounds || len(theirs) != rounds {
		s.t.Fatalf("the trace shows %d mounts of a share, there were %d; by hand there were %d", len(ours), rounds, len(theirs))
	}
	mine, other := median(ours), median(theirs)
	s.target("mounting on nfs: mount -t nfs4 / fuxi", fmt.Sprintf("%.1f×", other.Seconds()/mine.Seconds()), "≥ 1.0×", mine <= other,
		fmt.Sprintf("%s against %s, medians of %d", other.Round(time.Millisecond), mine.Round(time.Millisecond), rounds))
}

// letIn makes a share that fuxi does not mount, lets the host in to it and
// returns where it is exported.
func (s *scene) letIn(n *node, what string) (export string) {
	s.t.Helper()
	s.makeOn(n, s.name(what), nfs())
	v := s.one(s.name(what))
	address := n.sh(`hostname -I | tr ' ' '\n' | grep '^10\.77\.0\.'`)
	id := s.allow(v, address, "rw")
	s.t.Cleanup(func() { s.deny(v, id) })
	var out struct {
		Exports []struct{ Path string } `json:"export_locations"`
	}
	if err := s.cloud.ask(manila, "GET", "/shares/"+v.ID+"/export_locations", nil, &out); err != nil || len(out.Exports) == 0 {
		s.t.Fatalf("%s is exported nowhere: %v", v.Name, err)
	}
	return out.Exports[0].Path
}

// shareMounts are the times between the cloud's answer that the access rule
// holds and the end of the mount that containers see.
func shareMounts(lines []trace.Line) []time.Duration {
	var out []time.Duration
	var since time.Duration
	for _, l := range byBegin(lines) {
		switch {
		case l.Kind == trace.Cloud && strings.HasPrefix(l.What, "GET ") && strings.Contains(l.What, "/share-access-rules/"):
			since = l.Begin + l.Took
		case l.Kind == trace.Host && strings.HasPrefix(l.What, "move_mount ") && since > 0:
			out, since = append(out, l.Begin+l.Took-since), 0
		}
	}
	return slices.Clip(out)
}
