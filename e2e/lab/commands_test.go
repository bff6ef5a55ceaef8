//go:build e2e

package lab

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// multiattach is the manual's first command, word for word, on a type that
// several hosts can attach. Its filesystem is for one of them all the same:
// another host is refused, and served when the first has let go. Promise G3.
func multiattach(s *scene) {
	first, second := s.nodes[0], s.nodes[1]
	s.own = "^my_vol$"
	s.with(settings{"cinder": {`volume_type = "lvm-multi"`, `wait_for_release = "5s"`}})
	first.sh("docker volume create --driver fuxi --name my_vol --opt size=1 --opt fstype=ext4 --opt multiattach=true --opt volume_provider=cinder")
	if v := s.one("my_vol"); v.Type != "lvm-multi" || v.Size != 1 {
		s.t.Errorf("the cloud made %+v", v)
	}
	site := s.name("site")
	first.docker("run", "-d", "--name", site, "--network", "none", "-v", "my_vol:/var/www", image, "httpd", "-f", "-h", "/var/www")
	first.docker("exec", site, "sh", "-c", "echo hello >/var/www/index.html && sync")
	if got := first.docker("exec", site, "wget", "-qO-", "http://127.0.0.1/"); got != "hello" {
		s.t.Errorf("the site says %q", got)
	}
	text := second.refused("run", "--rm", "--network", "none", "-v", "my_vol:/var/www", image, "true")
	s.t.Logf("a second writer: %s", text)
	if !strings.Contains(text, first.name) {
		s.t.Errorf("the error does not name %s: %s", first.name, text)
	}
	if v := s.one("my_vol"); !v.usedBy(first.name) {
		s.t.Errorf("after the refusal the cloud shows %+v", v)
	}
	first.docker("stop", "-t", "1", site)
	s.released("my_vol", time.Minute)
	if got := second.docker("run", "--rm", "--network", "none", "-v", "my_vol:/var/www", image, "cat", "/var/www/index.html"); got != "hello" {
		s.t.Errorf("%s reads %q", second.name, got)
	}
	text = first.refused("volume", "create", "--driver", "fuxi", "--name", s.name("single"), "--opt", "multiattach=true", "--opt", "volume_type=lvm")
	s.t.Logf("multiattach on lvm: %s", text)
	if !regexp.MustCompile(`multiattach|several hosts`).MatchString(text) || !strings.Contains(text, "lvm") {
		s.t.Errorf("the error does not tell what is wrong with the type: %s", text)
	}
}

// webFarm: a share made with the manual's command; two web servers on two hosts
// serve what a third container writes.
func webFarm(s *scene) {
	first, second := s.nodes[0], s.nodes[1]
	s.own = "^my_share$"
	first.sh("docker volume create --driver fuxi --name my_share --opt volume_provider=manila")
	for _, n := range s.nodes {
		n.docker("run", "-d", "--name", s.name("httpd"), "--network", "none", "-v", "my_share:/var/www:ro", image, "httpd", "-f", "-h", "/var/www")
	}
	publish := func(n *node, page string) {
		s.t.Helper()
		n.docker("run", "--rm", "--network", "none", "-v", "my_share:/var/www", image, "sh", "-c",
			fmt.Sprintf("echo %s >/var/www/new && sync && mv /var/www/new /var/www/index.html", page))
	}
	served := func(page string) {
		s.t.Helper()
		for _, n := range s.nodes {
			// A client of NFS looks at a directory again after a minute at the latest.
			eventually(s.t, 75*time.Second, func() string {
				got, err := n.try("docker", "exec", s.name("httpd"), "wget", "-qO-", "http://127.0.0.1/")
				if err != nil || got != page {
					return fmt.Sprintf("%s serves %q: %v", n.name, got, err)
				}
				return ""
			})
		}
	}
	publish(first, "one")
	served("one")
	publish(second, "two")
	served("two")
	text, err := first.try("docker", "exec", s.name("httpd"), "sh", "-c", "echo three >/var/www/index.html")
	if err == nil {
		s.t.Errorf("a web server may write what it serves: %s", text)
	}
	for _, n := range s.nodes {
		n.docker("rm", "-f", s.name("httpd"))
	}
	s.released("my_share", time.Minute)
}
