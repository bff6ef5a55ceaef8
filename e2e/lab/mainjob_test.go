//go:build e2e

package lab

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// mainJob is a volume's life as Docker's users live it: create, run, copy,
// restart, a plugin and then an engine that are killed, remove. The cloud is
// looked at after each step. It is the same on every storage.
func mainJob(s *scene) {
	n := s.nodes[0]
	name := s.name("db")
	n.docker(slices.Concat([]string{"volume", "create", "-d", "fuxi", "-o", "size=1"}, s.on.options, []string{name})...)
	v := s.one(name)
	if v.Type != s.on.kind || v.Size != 1 || v.Status != "available" || v.Metadata["volume_from"] != "fuxi" {
		s.t.Errorf("the cloud made %+v", v)
	}
	if out := n.docker("volume", "ls", "--format", "{{.Driver}} {{.Name}}"); !strings.Contains("\n"+out+"\n", "\nfuxi "+name+"\n") {
		s.t.Errorf("docker volume ls shows\n%s", out)
	}
	d := s.newDatabase(n, "db")
	if v = s.one(name); !v.usedBy(n.name) || v.Metadata["fuxi:formatted"] == "" {
		s.t.Errorf("with a container on %s the cloud shows %+v", n.name, v)
	}
	if out := n.docker("exec", d.container, "cat", "/proc/mounts"); !regexp.MustCompile("(?m)" + s.on.seen).MatchString(out) {
		s.t.Errorf("the container does not see a volume of %s:\n%s", s.on.name, out)
	}
	copies(s, d)
	fuxiKilled(s, d)
	n.docker("restart", "-t", "0", d.container)
	d.goesOn()
	told := d.end(s)
	n.clean(10 * time.Second)
	d.count(n, told)
	s.released(name, 60*time.Second)
	dockerdKilled(s, d, told)
	n.docker("volume", "rm", name)
	if left, err := s.cloud.volumes(name); err != nil || len(left) > 0 {
		s.t.Errorf("after docker volume rm the cloud has %v %+v", err, left)
	}
}

// copies goes both ways under the running container, whose volume they must not
// take away. Promise E5.
func copies(s *scene, d *database) {
	s.t.Helper()
	d.sh("docker cp " + d.container + ":/vol/wal /tmp/wal && docker cp /tmp/wal " + d.container + ":/vol/copy")
	if got := d.docker("exec", d.container, "head", "-n", "1", "/vol/copy"); got != "1" {
		s.t.Errorf("the copy begins with %q", got)
	}
	if got := d.users(d.volume); got != 1 {
		s.t.Errorf("%d users after docker cp", got)
	}
	d.goesOn()
}

// fuxiKilled: the container writes on, and the next fuxi knows it. Promise E6.
func fuxiKilled(s *scene, d *database) {
	s.t.Helper()
	d.kill9()
	d.goesOn()
	d.start()
	if got := d.users(d.volume); got != 1 {
		s.t.Errorf("the new fuxi counts %d users", got)
	}
	d.goesOn()
}

// dockerdKilled: the engine's containers end with it and are started again on
// their volume, which can be removed although no Unmount came. Promise E6.
func dockerdKilled(s *scene, d *database, told int) {
	s.t.Helper()
	again := s.newDatabase(d.node, "db")
	d.sh("/lab/unit dockerd kill; /lab/unit dockerd start")
	eventually(s.t, time.Minute, func() string {
		if _, err := d.try("docker", "start", again.container); err != nil {
			return err.Error()
		}
		return ""
	})
	again.past(told)
	again.goesOn()
	last := again.committed()
	d.docker("rm", "-f", again.container)
	again.count(d.node, last)
}
