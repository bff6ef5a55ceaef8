package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/trace"
)

// trial is a cloud of its own and a daemon on it.
type trial struct {
	t     *testing.T
	cloud *rig.Cloud
	d     *rig.Daemon
	trace string // what the daemon did, line by line
}

// newTrial sets up one whose first refresh is over. Without settings nothing
// happens in the background that a test did not order.
func newTrial(t *testing.T, opts simulator.Options, settings rig.Settings) *trial {
	t.Helper()
	rig.NeedRoot(t)
	cloud := rig.NewCloud(t, opts)
	if settings == nil {
		settings = quiet()
	}
	s := &trial{t: t, cloud: cloud, d: rig.NewDaemon(t, cloud, "host-a", settings)}
	s.start()
	awaitRefresh(t, cloud)
	return s
}

func (s *trial) start() {
	s.t.Helper()
	s.trace = filepath.Join(s.d.Dir, "trace.jsonl")
	s.d.Start("FUXI_TRACE=" + s.trace)
}

// formats counts the filesystems made so far.
func (s *trial) formats() int {
	s.t.Helper()
	return ofKind(readTrace(s.t, s.trace), trace.Host, "mkfs")
}

// clean waits until nothing of the names is left, in the cloud or on the host.
func (s *trial) clean(names ...string) {
	s.t.Helper()
	rig.Eventually(s.t, time.Minute, func() string {
		for _, name := range names {
			if left := s.cloud.Volumes(name); len(left) > 0 {
				return fmt.Sprintf("volumes are left: %+v", left)
			}
		}
		switch {
		case len(s.cloud.Attachments()) > 0:
			return fmt.Sprintf("attachments are left: %v", s.cloud.Attachments())
		case len(rig.LoopsOf(s.d.StateDir())) > 0:
			return "a loop device is left"
		case len(rig.MountsBelow(s.d.Dir)) > 0:
			return "a mount is left"
		case len(journalFiles(s.d)) > 0:
			return fmt.Sprintf("journal files are left: %v", journalFiles(s.d))
		}
		return ""
	})
}

// status is one fact of Get's Status.
func (s *trial) status(name, key string) any {
	s.t.Helper()
	v, err := s.d.Get(name)
	if err != nil {
		s.t.Fatalf("get %s: %v", name, err)
	}
	facts, _ := v["Status"].(map[string]any)
	return facts[key]
}

// detached waits until the daemon has given name back.
func (s *trial) detached(name string) {
	s.t.Helper()
	rig.Eventually(s.t, time.Minute, func() string {
		if step, _ := s.status(name, "step").(string); step != "" {
			return fmt.Sprintf("%s is at step %s (%v)", name, step, s.status(name, "last_error"))
		}
		return ""
	})
}

// remove is docker volume rm, repeated while a process of another test's mount
// namespace, which has copies of all mounts, holds the volume.
func (s *trial) remove(name string) error {
	for end := time.Now().Add(time.Minute); ; {
		err := s.d.Remove(name)
		if err == nil || !regexp.MustCompile(`held by \[\S`).MatchString(err.Error()) || time.Now().After(end) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// course is one volume's whole life in acts that may each be repeated.
type course struct {
	*trial
	name string
	path string
	user string
	uuid string // of the filesystem, once there is data on it
	tries,
	before int // filesystems made before this life
}

type act struct {
	name string
	do   func() error
}

func (c *course) acts() []act {
	return []act{
		{"create", func() error { return c.d.Create(c.name, map[string]string{"size": "1"}) }},
		{"first mount", c.mount},
		{"write", c.write},
		{"detach", c.leave},
		{"later mount", c.mount},
		{"read", c.read},
		{"second detach", c.leave},
		{"remove", func() error { return c.remove(c.name) }},
	}
}

func (c *course) mount() (err error) {
	c.tries++
	c.user = fmt.Sprintf("%s-%d", c.name, c.tries)
	c.path, err = c.d.Mount(c.name, c.user)
	return err
}

func (c *course) write() error {
	if err := writeSynced(filepath.Join(c.path, "f"), "precious "+c.name); err != nil {
		return err
	}
	for _, v := range c.cloud.Volumes(c.name) {
		c.uuid = v.Metadata["fuxi:formatted"]
	}
	if c.uuid == "" {
		return fmt.Errorf("mounted without a formatted mark")
	}
	return nil
}

func (c *course) read() error {
	got, err := os.ReadFile(filepath.Join(c.path, "f"))
	if err == nil && string(got) != "precious "+c.name {
		err = fmt.Errorf("the data is %q", got)
	}
	return err
}

func (c *course) leave() error {
	err := c.d.Unmount(c.name, c.user)
	if err == nil {
		c.detached(c.name)
	}
	return err
}

// watch checks what holds after every act: one volume, formatted once.
func (c *course) watch() {
	c.t.Helper()
	volumes := c.cloud.Volumes(c.name)
	if len(volumes) > 1 {
		c.t.Fatalf("%d volumes are named %s", len(volumes), c.name)
	}
	for _, v := range volumes {
		if mark := v.Metadata["fuxi:formatted"]; c.uuid != "" && mark != c.uuid {
			c.t.Fatalf("formatted again: the mark was %q and is %q", c.uuid, mark)
		}
	}
	if n := c.formats() - c.before; n > 1 {
		c.t.Fatalf("%d filesystems were made on one volume", n)
	}
}

// run goes through the life. At the act called at, harm is done first; that
// act may fail once, and judge is told how.
func (c *course) run(at string, harm func(), judge func(error)) {
	c.t.Helper()
	c.before = c.formats()
	for _, a := range c.acts() {
		if a.name == at {
			harm()
		}
		err := a.do()
		if a.name == at {
			judge(err)
			c.watch()
			if err != nil {
				err = a.do()
			}
		}
		if err != nil {
			c.t.Fatalf("%s: %v", a.name, err)
		}
		c.watch()
	}
	c.clean(c.name)
}
