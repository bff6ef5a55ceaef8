package docker

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

// The scenarios of Docker's suite in which something goes wrong.

// somebodyDeletes removes a volume from the cloud behind fuxi's back.
func (s *site) somebodyDeletes(t *testing.T, name string) {
	t.Helper()
	id := s.one(t, name).ID
	if status := s.cloud.API("DELETE", "/volumes/"+id, nil, nil); status != 202 {
		t.Fatalf("the cloud answers %d", status)
	}
	rig.Eventually(t, patience, func() string {
		if n := len(s.cloud.Volumes(name)); n > 0 {
			return "the cloud still has it"
		}
		return ""
	})
}

// A volume that somebody deleted in the cloud is noticed by the next mount, or
// by the full list that fuxi reads when it starts and now and then.
func driverOutOfBandDelete(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "deleted")
	s.refused(t, "must be unique", "volume", "create", "-d", "local", "deleted")

	s.somebodyDeletes(t, "deleted")
	s.refused(t, "no volume named deleted is known", "run", "--rm", "--network", "none", "-v", "deleted:/vol", image, "true")
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "size=2", "deleted")
	if got := s.inspected(t, "deleted"); got.Driver != "fuxi" || got.Options["size"] != "2" {
		t.Errorf("recreated with the same driver it is %+v", got)
	}
	if got := s.one(t, "deleted"); got.Size != 2 {
		t.Errorf("the new volume has %d GiB", got.Size)
	}

	s.somebodyDeletes(t, "deleted")
	s.fuxi.Stop()
	s.fuxi.Start()
	rig.Eventually(t, patience, func() string {
		if _, err := s.fuxi.Get("deleted"); err == nil {
			return "fuxi still knows it"
		}
		return ""
	})
	s.docker(t, "volume", "create", "-d", "local", "deleted")
	if got := s.inspected(t, "deleted"); got.Driver != "local" || len(got.Options) > 0 {
		t.Errorf("recreated with the local driver it is %+v", got)
	}
}

type inspected struct {
	Driver          string
	Options, Labels map[string]string
	Mountpoint      string
}

func (s *site) inspected(t *testing.T, name string) inspected {
	t.Helper()
	var all []inspected
	if err := json.Unmarshal([]byte(s.docker(t, "volume", "inspect", name)), &all); err != nil || len(all) != 1 {
		t.Fatalf("inspect of %s: %v, %v", name, all, err)
	}
	return all[0]
}

// A Mount that failed is never unmounted, so nothing of it may be counted.
func driverUnmountOnMountFail(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "failing")
	s.cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments$", Do: "status", Value: 500})
	defer s.cloud.Mend()
	for _, args := range [][]string{{"-v", "failing:/foo"}, {"-w", "/foo", "-v", "failing:/foo"}} {
		c := s.tally()
		run := append([]string{"run", "--rm", "--network", "none"}, args...)
		s.refused(t, "reserving failing", append(run, image, "true")...)
		if c.count("Mount") == 0 {
			t.Errorf("docker run %v did not come to mount", args)
		}
		c.expectOne(t, "Unmount", 0)
		if n := s.held(t, "failing"); n != 0 {
			t.Errorf("a failed Mount counts %d users", n)
		}
	}
	s.cloud.Mend()
	s.docker(t, "volume", "rm", "failing")
}

// docker cp mounts once more, with the id of the running container.
func driverUnmountOnCp(t *testing.T, s *site) {
	c := s.tally()
	s.upWith(t, "test", []string{"-v", "copied:/test"}, "sh", "-c", "touch /test/test && exec sleep 1000")
	c.expect(t, 1, 1, 0, 0)
	s.docker(t, "cp", "test:/test", filepath.Join(s.env.Dir, "copied"))
	c.expect(t, 1, 2, 1, 0)
	if ids := c.ids("Mount"); ids[0] != ids[1] {
		t.Errorf("the ids are %v: they used to be one", ids)
	}
	s.docker(t, "kill", "test")
	c.expect(t, 1, 2, 2, 0)
	s.docker(t, "rm", "test")
}

// While Docker waits for a driver that is down, others go on.
func driverLookupNotBlocked(t *testing.T, s *site) {
	down := s.env.Path("/run/docker/plugins/down.sock")
	staleSocket(t, down)
	ended := make(chan error, 1)
	go func() {
		_, err := s.env.Docker("volume", "create", "-d", "down", "never")
		ended <- err
	}()
	time.Sleep(100 * time.Millisecond)
	for _, driver := range []string{"fuxi", "local"} {
		began := time.Now()
		s.docker(t, "volume", "create", "-d", driver, "meanwhile-"+driver)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("creating with driver %s took %s", driver, took)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("the driver that is down was given up too soon for this test: %v", err)
	default:
	}
	if err := os.Remove(down); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a driver that is down made a volume")
	}
}

// staleSocket makes a socket that nobody listens on, as a killed driver leaves.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func driverWithDaemonRestart(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "abc1")
	if err := s.env.RestartDockerd(); err != nil {
		t.Fatal(err)
	}
	s.docker(t, "run", "--name", "again", "--network", "none", "-v", "abc1:/foo", image, "true")
	if got := s.docker(t, "inspect", "-f", "{{range .Mounts}}{{.Name}} {{.Driver}}{{end}}", "again"); got != "abc1 fuxi" {
		t.Errorf("mounted is %s", got)
	}
	s.docker(t, "rm", "again")
}

// filesNamed lists the files below dir with the text in their name.
func filesNamed(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("looking for %s: %w", text, err)
		}
		if strings.Contains(e.Name(), text) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
