//go:build e2e

package lab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// runs is a container that is being started while a test disturbs it.
type runs struct {
	out string
	err error
}

// begin starts a container that writes a line and ends, in the background, and
// returns when the cloud works on the attachment.
func (s *scene) begin(n *node, name string) <-chan runs {
	s.t.Helper()
	done := make(chan runs, 1)
	go func() { done <- n.writes(name) }()
	eventually(s.t, 20*time.Second, func() string {
		if v := s.one(name); v.Status == "available" && len(v.Attachments) == 0 {
			return "the attach has not begun"
		}
		return ""
	})
	return done
}

// writes runs a container that writes a line and ends.
func (n *node) writes(name string) runs {
	out, err := n.try("docker", "run", "--rm", "--network", "none", "-v", name+":/vol", image, "sh", "-c", "echo here >>/vol/f && sync && cat /vol/f")
	return runs{out, err}
}

// wrongSecret: the storage wants another password than the cloud told. The
// error says so, and nothing is left, here or in the cloud.
func wrongSecret(s *scene) {
	n := s.nodes[0]
	name := s.name("secret")
	n.docker("volume", "create", "-d", "fuxi", name)
	v := s.one(name)
	mend := spoil(s.t, s.lab, v.ID)
	began := time.Now()
	text := n.refused("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
	s.t.Logf("refused after %s: %s", time.Since(began).Round(time.Second), text)
	mend()
	if !regexp.MustCompile(`(?i)credential|chap|authenticat`).MatchString(text) {
		s.t.Errorf("the error does not tell of the password: %s", text)
	}
	s.released(name, time.Minute)
	n.clean(10 * time.Second)
	if now := n.inspect(name); now.Step != "" {
		s.t.Errorf("it is at step %q", now.Step)
	}
	// Without the fault it works, so nothing of the failure is in the way.
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
}

// spoil changes the password of a volume's target on the storage as soon as the
// cloud sets it, until the function it returns is called.
func spoil(t *testing.T, l lab, id string) (mend func()) {
	t.Helper()
	script := fmt.Sprintf(`touch /run/spoil-%[1]s
while [ -e /run/spoil-%[1]s ]; do
	for f in /sys/kernel/config/target/iscsi/*%[1]s/tpgt_1/acls/*/auth/password; do
		[ ! -e "$f" ] || echo notthepassword >"$f"
	done
	sleep 0.02
done 2>/dev/null`, id)
	done := make(chan error, 1)
	go func() {
		_, err := l.run(3*time.Minute, "exec", "storage", script)
		done <- err
	}()
	mended := false
	mend = func() {
		if mended {
			return
		}
		mended = true
		_, _ = l.run(time.Minute, "exec", "storage", "rm -f /run/spoil-"+id)
		<-done
	}
	t.Cleanup(mend)
	return mend
}

// tokenExpires takes fuxi's token away while the cloud attaches, and again
// while it detaches. Promise D2.
func tokenExpires(s *scene) {
	n := s.nodes[0]
	name := s.name("token")
	n.docker("volume", "create", "-d", "fuxi", name)
	done := s.begin(n, name)
	s.revokeTokens()
	if r := <-done; r.err != nil || r.out != "here" {
		s.t.Errorf("with a token that ended meanwhile: %v %q", r.err, r.out)
	}
	s.revokeTokens()
	s.released(name, time.Minute)
}

// revokeTokens ends all tokens of the member: a new password does, even if it is
// the old one.
func (s *scene) revokeTokens() {
	s.t.Helper()
	if err := s.cloud.revoke("demo"); err != nil {
		s.t.Fatal(err)
	}
}

// servicesRestart: the cloud's own services are restarted while they attach.
// Whatever they make of it, a second try comes through and nothing is left.
func servicesRestart(s *scene) {
	n := s.nodes[0]
	for _, service := range s.on.services {
		name := s.name(service[1])
		r := s.whileRestarted(n, name, service[0], service[1])
		s.t.Logf("%s was restarted: %v", service[1], r.err)
		if r.err != nil {
			if r = n.writes(name); r.err != nil || !strings.HasPrefix(r.out, "here") {
				s.t.Errorf("after a restart of %s: %v %q", service[1], r.err, r.out)
			}
		}
		s.released(name, 2*time.Minute)
		n.clean(10 * time.Second)
		n.docker("volume", "rm", name)
	}
}

// whileRestarted makes a volume and runs a container on it while a service is
// restarted that has a part in either: a scheduler in the first. Manila's share
// service is stopped before and started again under it: killed while it applies
// an access rule, it leaves the rule applying for ever, and starting does not
// heal that. Stopping, it may still take the request for the rule and lose it;
// then fuxi asks anew.
func (s *scene) whileRestarted(n *node, name, machine, service string) runs {
	s.t.Helper()
	do := func(what string) {
		s.t.Helper()
		if _, err := s.lab.run(3*time.Minute, "service", machine, what, service); err != nil {
			s.t.Fatal(err)
		}
	}
	create := slices.Concat([]string{"docker", "volume", "create", "-d", "fuxi"}, s.on.options, []string{name})
	if strings.HasSuffix(service, "-scheduler") {
		created := make(chan error, 1)
		do("stop")
		go func() {
			_, err := n.try(create...)
			created <- err
		}()
		do("start")
		if err := <-created; err != nil {
			// Before its storage has reported to it a scheduler finds no room anywhere.
			s.t.Logf("the first create: %v", err)
			eventually(s.t, 2*time.Minute, func() string {
				if _, err := n.try(create...); err != nil {
					return err.Error()
				}
				return ""
			})
		}
		return n.writes(name)
	}
	n.sh(create...)
	how := "restart"
	if service == "manila-share" {
		s.t.Cleanup(func() { do("start") })
		do("stop")
		how = "start"
	}
	done := s.begin(n, name)
	do(how)
	return <-done
}

// cloudAway: while the cloud's API is gone, containers stop in time; the volume
// is given back when it returns.
func cloudAway(s *scene) {
	n := s.nodes[0]
	d := s.newDatabase(n, "db")
	service := func(what string) {
		s.t.Helper()
		for _, name := range []string{"cinder-api", "keystone"} {
			if _, err := s.lab.run(3*time.Minute, "service", "ctl", what, name); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.t.Cleanup(func() { service("start") })
	service("stop")
	began := time.Now()
	n.docker("stop", d.container)
	took := time.Since(began)
	if took > 15*time.Second {
		s.t.Errorf("docker stop took %s without the cloud", took)
	}
	n.docker("ps")
	n.docker("volume", "ls")
	s.figures.add("docker stop while the cloud is away", fmt.Sprintf("%.1f s", took.Seconds()), "< 15 s", "")
	n.docker("start", d.container) // what is attached needs no cloud
	d.goesOn()
	n.docker("stop", d.container)
	time.Sleep(5 * time.Second)
	if now := n.inspect(d.volume); now.Step == "" {
		s.t.Errorf("%+v: without the cloud it cannot have been given back", now)
	}
	service("start")
	s.released(d.volume, 2*time.Minute)
	d.count(n, d.committed())
}
