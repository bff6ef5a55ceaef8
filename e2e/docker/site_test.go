package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/dockerd"
	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

const (
	image  = "busybox"
	socket = "/run/docker/plugins/fuxi.sock"
	// atOnce is what a user takes for no delay at all, and a busy machine still
	// keeps. Whatever waits for a timeout of Docker's takes three times as long.
	atOnce = 5 * time.Second
	// patience is for what comes by itself.
	patience = 20 * time.Second
	// giveBack is for a volume that nobody uses any more. The linger of a site
	// is a fraction of it, and the default one is longer.
	giveBack = 8 * time.Second
)

// site is one host: dockerd in a mount namespace of its own, fuxi beside it,
// and the cloud of both.
type site struct {
	env   *dockerd.Env
	cloud *rig.Cloud
	fuxi  *rig.Daemon
}

// options choose what a site is made of.
type options struct {
	docker   dockerd.Options
	cloud    simulator.Options
	settings []string // lines of [cinder] in fuxi.toml
	plugin   []string // further lines of [plugin]
	noFuxi   bool     // fuxi is configured, but not started
}

// newSite starts everything. When the test ends, every container is removed and
// nothing of any volume may be left: no mount, loop device or attachment.
func newSite(t *testing.T, opts options) *site {
	t.Helper()
	s := &site{env: dockerd.New(t, opts.docker)}
	s.cloud = rig.NewCloud(t, opts.cloud)
	dir := filepath.Join(s.env.Dir, "fuxi")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.fuxi = rig.NewDaemonIn(t, s.cloud, "host-a", dir, rig.Settings{
		"plugin": append([]string{fmt.Sprintf("socket = %q", socket), `refresh = "1s"`}, opts.plugin...),
		"cinder": opts.settings,
	})
	s.fuxi.Socket = s.env.Path(socket)
	s.fuxi.Wrap = s.inside
	if !opts.noFuxi {
		s.fuxi.Start()
	}
	if err := s.env.Start(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"/data/": "", "/data/motd": "from the image\n", "/data/conf/": "", "/data/conf/a": "1\n"}
	if err := s.env.Import(image, files); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.leavesNothing(t) })
	return s
}

// inside makes a command that runs in the site's mount namespace.
func (s *site) inside(name string, args ...string) *exec.Cmd {
	return s.env.Command(context.Background(), name, args...)
}

func (s *site) leavesNothing(t *testing.T) {
	t.Helper()
	if t.Failed() {
		return
	}
	if ids := strings.Fields(s.docker(t, "ps", "-aq")); len(ids) > 0 {
		s.docker(t, append([]string{"rm", "-f"}, ids...)...)
	}
	rig.Eventually(t, patience, func() string {
		switch mounts := s.mounts(""); {
		case len(mounts) > 0:
			return fmt.Sprintf("mounts are left: %v", mounts)
		case len(rig.LoopsOn(s.cloud.Dir)) > 0:
			return fmt.Sprintf("loop devices are left: %v", rig.LoopsOn(s.cloud.Dir))
		case len(s.cloud.Attachments()) > 0:
			return fmt.Sprintf("attachments are left: %v", s.cloud.Attachments())
		}
		return ""
	})
}

// docker runs the client and returns what it wrote.
func (s *site) docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.env.Docker(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused runs the client, which must fail with the text.
func (s *site) refused(t *testing.T, text string, args ...string) {
	t.Helper()
	out, err := s.env.Docker(args...)
	if err == nil {
		t.Fatalf("docker %q is not refused: %s", args, out)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("docker %q: %v\nwant %q in it", args, err, text)
	}
}

// quick runs the client, which must succeed at once.
func (s *site) quick(t *testing.T, args ...string) string {
	t.Helper()
	began := time.Now()
	out := s.docker(t, args...)
	if took := time.Since(began); took > atOnce {
		t.Errorf("docker %q took %s", args, took.Round(time.Millisecond))
	}
	return out
}

// run runs a command in a new container with the volume of fuxi's at /vol and
// returns what it wrote.
func (s *site) run(t *testing.T, volume, script string) string {
	t.Helper()
	return s.docker(t, "run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", volume+":/vol", image, "sh", "-c", script)
}

// up starts a container that stays, with the volume of fuxi's at a path that
// the image does not have.
func (s *site) up(t *testing.T, container, volume string, args ...string) {
	t.Helper()
	s.upWith(t, container, append(args, "-v", volume+":/vol"), "sleep", "1000")
}

func (s *site) upWith(t *testing.T, container string, args []string, command ...string) {
	t.Helper()
	all := append([]string{"run", "-d", "--name", container, "--network", "none", "--stop-signal", "KILL", "--volume-driver", "fuxi"}, args...)
	s.docker(t, append(append(all, image), command...)...)
}

// mounts lists where fuxi shows volumes whose name contains the text; for ""
// all its mounts.
func (s *site) mounts(name string) []string {
	below := rig.MountsListed(s.env.MountInfo(), s.fuxi.StateDir())
	return slices.DeleteFunc(below, func(m string) bool { return !strings.Contains(filepath.Base(m), name) })
}

// held counts the users that fuxi knows of a volume, with multiplicity.
func (s *site) held(t *testing.T, volume string) int {
	t.Helper()
	users, _ := s.status(t, volume)["users"].(map[string]any)
	n := 0
	for _, count := range users {
		n += int(count.(float64))
	}
	return n
}

func (s *site) status(t *testing.T, volume string) map[string]any {
	t.Helper()
	v, err := s.fuxi.Get(volume)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := v["Status"].(map[string]any)
	return status
}

// one is the only volume of the name in the cloud.
func (s *site) one(t *testing.T, name string) rig.CloudVolume {
	t.Helper()
	all := s.cloud.Volumes(name)
	if len(all) != 1 {
		t.Fatalf("the cloud has %d volumes named %s: %v", len(all), name, all)
	}
	return all[0]
}

// detached waits until the cloud has the volume back and nothing is mounted.
func (s *site) detached(t *testing.T, name string) {
	t.Helper()
	rig.Eventually(t, giveBack, func() string {
		switch v := s.one(t, name); {
		case v.Status != "available" || len(v.Attachments) > 0:
			return fmt.Sprintf("%s is %s, attachments %v", name, v.Status, v.Attachments)
		case len(s.mounts(name)) > 0:
			return fmt.Sprintf("mounted: %v", s.mounts(name))
		}
		return ""
	})
}
