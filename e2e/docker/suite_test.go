package docker

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

// TestExternalVolumeSuite is Docker's own acceptance test for volume drivers
// (DockerExternalVolumeSuite of moby's integration-cli), scenario by scenario
// under its name there, with fuxi in the place of moby's dummy. Where the dummy
// misbehaves on demand, the cloud behind fuxi does.
func TestExternalVolumeSuite(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{noFuxi: true})
	// Docker's first contact with the driver: it comes first.
	t.Run("DriverRetryNotImmediatelyExists", func(t *testing.T) { driverRetryNotImmediatelyExists(t, s) })
	if _, err := os.Lstat(s.env.Path(socket)); err != nil {
		s.fuxi.Start() // the first scenario was not asked for, or failed
	}
	for _, scenario := range []struct {
		name string
		test func(*testing.T, *site)
	}{
		{"DriverCapabilities", driverCapabilities},
		{"VolumeCLICreateOptionConflict", volumeCLICreateOptionConflict},
		{"DriverNamed", driverNamed},
		{"DriverUnnamed", driverUnnamed},
		{"DriverVolumesFrom", driverVolumesFrom},
		{"DriverDeleteContainer", driverDeleteContainer},
		{"DriverBindExternalVolume", driverBindExternalVolume},
		{"DriverList", driverList},
		{"DriverGet", driverGet},
		{"DriverGetEmptyResponse", driverGetEmptyResponse},
		{"DriverPathCalls", driverPathCalls},
		{"DriverMountID", driverMountID},
		{"DriverOutOfBandDelete", driverOutOfBandDelete},
		{"DriverUnmountOnMountFail", driverUnmountOnMountFail},
		{"DriverUnmountOnCp", driverUnmountOnCp},
		{"DriverLookupNotBlocked", driverLookupNotBlocked},
		{"DriverWithDaemonRestart", driverWithDaemonRestart},
	} {
		t.Run(scenario.name, func(t *testing.T) { scenario.test(t, s) })
	}
}

// A driver that comes up two seconds after it is asked for is waited for.
func driverRetryNotImmediatelyExists(t *testing.T, s *site) {
	c := s.tally()
	ran := make(chan error, 1)
	go func() {
		_, err := s.env.Docker("run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", "late:/tmp/late", image, "true")
		ran <- err
	}()
	time.Sleep(2 * time.Second)
	s.fuxi.Start()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	s.docker(t, "volume", "rm", "late")
	c.expect(t, 1, 1, 1, 1)
}

func driverCapabilities(t *testing.T, s *site) {
	for _, name := range []string{"cap1", "cap2", "cap3"} {
		s.docker(t, "volume", "create", "-d", "fuxi", name)
		if got := s.docker(t, "volume", "inspect", "-f", "{{.Scope}}", name); got != "global" {
			t.Errorf("the scope of %s is %s", name, got)
		}
	}
	tally{s: s}.expectOne(t, "Capabilities", 1)
}

// Names are one space for all drivers.
func volumeCLICreateOptionConflict(t *testing.T, s *site) {
	for name, drivers := range map[string][2]string{"local-first": {"local", "fuxi"}, "fuxi-first": {"fuxi", "local"}} {
		s.docker(t, "volume", "create", "-d", drivers[0], name)
		s.refused(t, "must be unique", "volume", "create", "-d", drivers[1], name)
		if got := s.docker(t, "volume", "inspect", "-f", "{{.Driver}}", name); got != drivers[0] {
			t.Errorf("%s is of driver %s", name, got)
		}
		s.docker(t, "volume", "create", "-d", drivers[0], name)
	}
	if n := len(s.cloud.Volumes("local-first")); n > 0 {
		t.Errorf("the refused volume is in the cloud %d times", n)
	}
	s.one(t, "fuxi-first")
}

func driverNamed(t *testing.T, s *site) {
	c := s.tally()
	if got := s.run(t, "named", "echo here >/vol/f && cat /vol/f"); got != "here" {
		t.Errorf("the container read %q", got)
	}
	s.detached(t, "named")
	s.docker(t, "volume", "rm", "named")
	c.expect(t, 1, 1, 1, 1)
	if left := s.traces(t, "named"); len(left) > 0 {
		t.Errorf("left on the host: %v", left)
	}
}

// An anonymous volume goes with the container that --rm removes.
func driverUnnamed(t *testing.T, s *site) {
	c := s.tally()
	s.docker(t, "run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", "/tmp/anonymous", image, "touch", "/tmp/anonymous/f")
	c.expect(t, 1, 1, 1, 1)
}

func driverVolumesFrom(t *testing.T, s *site) {
	c := s.tally()
	s.docker(t, "run", "--name", "vol-test1", "--network", "none", "--volume-driver", "fuxi", "-v", "/foo", image, "true")
	s.docker(t, "run", "--rm", "--volumes-from", "vol-test1", "--name", "vol-test2", "--network", "none", image, "ls", "/foo")
	s.docker(t, "rm", "-fv", "vol-test1")
	c.expect(t, 1, 2, 2, 1)
}

func driverDeleteContainer(t *testing.T, s *site) {
	c := s.tally()
	s.docker(t, "run", "--name", "vol-test1", "--network", "none", "--volume-driver", "fuxi", "-v", "/foo", image, "true")
	s.docker(t, "rm", "-fv", "vol-test1")
	c.expect(t, 1, 1, 1, 1)
}

// Without --volume-driver Docker asks who has the name.
func driverBindExternalVolume(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "foo")
	s.docker(t, "run", "-d", "--name", "testing", "--network", "none", "--stop-signal", "KILL", "-v", "foo:/bar", image, "top")
	if got := s.docker(t, "inspect", "-f", "{{range .Mounts}}{{.Name}} {{.Driver}}{{end}}", "testing"); got != "foo fuxi" {
		t.Errorf("mounted is %s", got)
	}
	s.docker(t, "rm", "-f", "testing")
}

func driverList(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "abc3")
	c := s.tally()
	out := s.docker(t, "volume", "ls", "--format", "{{.Driver}} {{.Name}}")
	if n := strings.Count("\n"+out+"\n", "\nfuxi abc3\n"); n != 1 {
		t.Errorf("abc3 is listed %d times:\n%s", n, out)
	}
	c.expectOne(t, "List", 1)
}

func driverGet(t *testing.T, s *site) {
	c := s.tally()
	s.refused(t, "no such volume", "volume", "inspect", "dummy")
	c.expectOne(t, "Get", 1)
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "size=2", "shown")
	id := s.one(t, "shown").ID
	if got := s.docker(t, "volume", "inspect", "-f", "{{.Status.id}} {{.Status.size}} {{.Status.state}}", "shown"); got != id+" 2 GiB available" {
		t.Errorf("inspect shows %s of volume %s", got, id)
	}
}

// The dummy answers without volume and without error; fuxi has one answer for
// what it does not know, and dockerd lives on.
func driverGetEmptyResponse(t *testing.T, s *site) {
	s.refused(t, "no such volume", "volume", "inspect", "abc1")
	s.docker(t, "ps")
}

func driverPathCalls(t *testing.T, s *site) {
	c := s.tally()
	s.docker(t, "volume", "create", "-d", "fuxi", "pathless")
	s.docker(t, "volume", "ls")
	s.docker(t, "volume", "inspect", "pathless")
	c.expectOne(t, "Path", 0)
}

func driverMountID(t *testing.T, s *site) {
	c := s.tally()
	s.run(t, "with-id", "true")
	c.expect(t, 1, 1, 1, 0)
	if ids := c.ids("Mount"); len(ids) != 1 || len(ids[0]) != 64 {
		t.Errorf("the ids of Mount are %q", ids)
	}
}

// traces lists what is on this host of a volume that is removed.
func (s *site) traces(t *testing.T, name string) []string {
	t.Helper()
	left := append(s.mounts(name), rig.LoopsOn(s.cloud.Dir)...)
	return append(left, filesNamed(t, s.fuxi.StateDir(), name)...)
}
