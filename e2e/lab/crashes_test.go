//go:build e2e

package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/openstack/fuxi/trace"
)

// crashes ends the shipped binary with SIGKILL at crossings of its seams in the
// course of a volume's life, before the act and after its effect. The whole
// table runs against the simulated cloud; here a sample shows that the real
// cloud and the real disk behave alike.
func crashes(s *scene) {
	n := s.nodes[0]
	s.with(settings{"plugin": {`refresh = "1h"`}, "cinder": {`reservation_age = "1s"`}})
	n.stop()
	n.sh("rm", "-f", traceFile)
	n.launch("FUXI_TRACE=" + traceFile)
	n.answers(30 * time.Second)
	(&life{s: s, node: n, name: s.name("recorded")}).run()
	n.stop()
	lines := crossings(n.sh("cat", traceFile))
	count := 3
	if s.full {
		count = 20
	}
	for i, at := range sample(lines, count) {
		when := []string{"before", "after"}[i%2]
		l := &life{s: s, node: n, name: s.name(fmt.Sprintf("crash%d", at.N)), kill: fmt.Sprintf("%d:%s", at.N, when)}
		began := time.Now()
		n.stop()
		n.launch("FUXI_KILL_AT=" + l.kill)
		l.run()
		if !l.died {
			s.t.Errorf("the process never came to crossing %s, %s", l.kill, at.What)
		}
		s.t.Logf("killed %s %s %q: %s", when, at.Kind, at.What, time.Since(began).Round(time.Second))
	}
	n.stop()
	n.start()
}

// crossings reads what FUXI_TRACE wrote, without waits.
func crossings(text string) []trace.Line {
	var all []trace.Line
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		var l trace.Line
		if json.Unmarshal(in.Bytes(), &l) == nil && l.N > 0 {
			all = append(all, l)
		}
	}
	return all
}

// sample spreads points over what lies between the reservation of the first
// mount and the deletion of the volume.
func sample(lines []trace.Line, count int) []trace.Line {
	first, last := 0, len(lines)
	for i, l := range lines {
		switch {
		case first == 0 && strings.HasPrefix(l.What, "POST") && strings.HasSuffix(l.What, "/attachments"):
			first = i
		case strings.HasPrefix(l.What, "DELETE") && strings.HasSuffix(l.What, "/volumes/{id}"):
			last = i
		}
	}
	var out []trace.Line
	for i := range count {
		out = append(out, lines[first+i*(last-first)/count])
	}
	return out
}

// life is the course that is recorded and then crashed.
type life struct {
	s *scene
	*node
	name string
	kill string // FUXI_KILL_AT of the first process

	died     bool
	pardoned bool // a command has failed because of it
}

func (l *life) run() {
	l.do("create", "docker volume create -d fuxi -o size=1 "+l.name)
	box := fmt.Sprintf("docker rm -f %[1]s >/dev/null 2>&1; docker run --rm --name %[1]s --network none -v %[1]s:/vol busybox ", l.name)
	l.do("write", box+`sh -c "echo precious >/vol/f && sync"`)
	l.detached()
	if got := l.do("read", box+"cat /vol/f"); got != "precious" {
		l.s.t.Fatalf("killed at %s: the data is %q", l.kill, got)
	}
	l.detached()
	l.do("remove", "docker volume rm "+l.name)
	if left, err := l.s.cloud.volumes(l.name); err != nil || len(left) > 0 {
		l.s.t.Fatalf("killed at %s: left in the cloud: %v %+v", l.kill, err, left)
	}
	l.clean(20 * time.Second)
}

// do runs a command; when fuxi dies under it, it is started again and the
// command repeated, as a service manager and a user do.
func (l *life) do(what, command string) string {
	l.s.t.Helper()
	for {
		type result struct {
			out string
			err error
		}
		done := make(chan result, 1)
		go func() {
			out, err := l.try(command)
			done <- result{out, err}
		}()
		var r result
		for waiting := true; waiting; {
			select {
			case r = <-done:
				waiting = false
			case <-time.After(500 * time.Millisecond):
			}
			l.revive()
		}
		if r.err == nil {
			return r.out
		}
		if !l.died || l.pardoned {
			l.s.t.Fatalf("%s, killed at %q (%v): %v", what, l.kill, l.died, r.err)
		}
		l.pardoned = true // one failure is the crash's
	}
}

// revive starts fuxi again if it was killed.
func (l *life) revive() {
	l.s.t.Helper()
	if l.running() {
		return
	}
	if l.died {
		l.s.t.Fatalf("fuxi ended a second time after %s", l.kill)
	}
	l.died = true
	l.start()
}

// detached waits until the volume is given back. A user whose Mount was
// answered to nobody, because the process died, keeps it: that one is dropped
// when the volume is removed.
func (l *life) detached() {
	l.s.t.Helper()
	eventually(l.s.t, time.Minute, func() string {
		l.revive()
		now, err := l.tryInspect(l.name)
		if err != nil {
			return err.Error() // it may be dying now
		}
		if now.Step == "" || len(now.Users) > 0 && l.kill != "" {
			return ""
		}
		return fmt.Sprintf("%s, killed at %s, is at step %q: %s", l.name, l.kill, now.Step, now.LastError)
	})
}
