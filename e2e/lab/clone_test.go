//go:build e2e

package lab

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// clone starts fuxi on a host that is an image of another one: it has its state
// directory and its iSCSI name, and in the end even its machine id. It is told,
// and nothing of the original's is touched.
func clone(s *scene) {
	original, copied := s.nodes[0], s.nodes[1]
	d := s.newDatabase(original, "db")
	other := s.name("other")
	copied.docker("volume", "create", "-d", "fuxi", other)
	copied.stop()
	s.t.Cleanup(func() { copied.beItself() })
	copied.sh("mkdir -p /var/lib/own && cp /etc/machine-id /etc/iscsi/initiatorname.iscsi /var/lib/own/ && mv /var/lib/fuxi /var/lib/own/fuxi")
	kinds := []string{"state and iSCSI name", "machine id too"}
	if !s.full {
		kinds = kinds[1:]
	}
	for _, what := range kinds {
		copied.take(original, what == "machine id too")
		copied.start()
		status := copied.fuxi("status", "--all")
		if !strings.Contains(status, original.name) || !strings.Contains(status, "iSCSI name") {
			s.t.Errorf("a clone (%s) is not told:\n%s", what, status)
		}
		s.untouched(d, "the clone started")
		text := copied.refused("run", "--rm", "--network", "none", "-v", other+":/vol", image, "true")
		if !strings.Contains(text, "/etc/iscsi/initiatorname.iscsi") {
			s.t.Errorf("the clone (%s) is not told what to do: %s", what, text)
		}
		_, err := copied.try("docker", "volume", "rm", d.volume)
		if err == nil {
			s.t.Errorf("the clone (%s) removed the original's volume", what)
		}
		copied.stop()
		s.untouched(d, "the clone stopped")
	}
	copied.beItself()
	copied.docker("run", "--rm", "--network", "none", "-v", other+":/vol", image, "true")
	d.count(original, d.end(s))
}

// untouched: the original has its attachment, its mount and its session.
func (s *scene) untouched(d *database, when string) {
	s.t.Helper()
	if v := s.one(d.volume); !v.usedBy(d.name) {
		s.t.Errorf("after %s the cloud shows %+v", when, v)
	}
	d.goesOn()
	if got := d.users(d.volume); got != 1 {
		s.t.Errorf("after %s the original counts %d users", when, got)
	}
}

// take makes this host an image of another one.
func (n *node) take(other *node, machine bool) {
	n.t.Helper()
	files := "var/lib/fuxi etc/iscsi/initiatorname.iscsi"
	if machine {
		files += " etc/machine-id"
	}
	text := other.sh("tar -C / --one-file-system --exclude=var/lib/fuxi/mounts --exclude='*.sock' -czf - " + files + " | base64 -w0")
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		n.t.Fatal(err)
	}
	file := filepath.Join(n.t.TempDir(), "image.tgz")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.push(file, "/run/image.tgz")
	n.sh("rm -rf /var/lib/fuxi && tar -C / -xzf /run/image.tgz")
	n.service("iscsid", "restart")
}

// beItself gives the host back what it had.
func (n *node) beItself() {
	n.t.Helper()
	n.sh(fmt.Sprintf(`/lab/unit fuxi stop; [ -e /var/lib/own ] || exit 0
cp /var/lib/own/machine-id /etc/machine-id; cp /var/lib/own/initiatorname.iscsi /etc/iscsi/
rm -rf %[1]s && mv /var/lib/own/fuxi %[1]s && rm -rf /var/lib/own`, stateDir))
	n.service("iscsid", "restart")
	n.start()
}
