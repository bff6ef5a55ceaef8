package iscsi_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/iscsi"
)

const (
	portal1 = "192.0.2.11:3260"
	portal2 = "192.0.3.11:3260"
	iqn     = "iqn.2010-10.org.openstack:volume-6a7a1bd5"
)

// scene is a pretend host, a target with one volume, and a connector.
type scene struct {
	*iscsi.Connector
	m      *pretend.Machine
	target *pretend.Target
	disk   *pretend.Disk
	conn   connector.Connection

	mu      sync.Mutex
	notices []string
}

// onePath is a scene with one portal; twoPaths has two and multipath.
func onePath(t *testing.T) *scene  { return newScene(t, iscsi.Off, portal1) }
func twoPaths(t *testing.T) *scene { return newScene(t, iscsi.Require, portal1, portal2) }

func newScene(t *testing.T, mode string, portals ...string) *scene {
	t.Helper()
	s := &scene{m: pretend.New(t)}
	s.target = s.m.Target(iqn, portals...)
	s.target.User, s.target.Password = "somebody", "s3cret-word"
	s.disk = s.m.Disk(hosttest.GiB)
	s.target.Export(1, s.disk)
	s.conn = s.connection("6a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001", 1)
	s.Connector = iscsi.New(s.m.Host, iscsi.Options{Multipath: mode, Notice: s.notice})
	t.Cleanup(func() {
		if err := s.Close(hosttest.Context(t)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *scene) notice(_ context.Context, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, text)
}

func (s *scene) noticed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.notices, "\n")
}

// connection is what the cloud says of a LUN of the scene's target.
func (s *scene) connection(id string, lun int) connector.Connection {
	portals, iqns, luns := []any{}, []any{}, []any{}
	for _, p := range s.target.Portals {
		portals, iqns, luns = append(portals, p), append(iqns, s.target.IQN), append(luns, float64(lun))
	}
	return connector.Connection{Driver: iscsi.Driver, VolumeID: id, SizeGiB: 1, Access: connector.ReadWrite,
		Data: map[string]any{"target_portals": portals, "target_iqns": iqns, "target_luns": luns,
			"auth_method": "CHAP", "auth_username": s.target.User},
		Secret: map[string]any{"auth_password": s.target.Password}}
}

// connect connects a volume of the scene and expects success.
func (s *scene) connect(t *testing.T, conn connector.Connection) connector.Source {
	t.Helper()
	src, err := s.Connect(hosttest.Context(t), conn)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	return src
}

func (s *scene) disconnect(t *testing.T, conn connector.Connection) {
	t.Helper()
	if err := s.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatalf("Disconnect: %v", err)
	}
}

// bothPaths waits until the map has its second path.
func (s *scene) bothPaths(t *testing.T) {
	t.Helper()
	s.await(t, "both paths in the map", func() bool { return len(s.list("map ")) == 1 && len(s.m.PathsOfMaps()) == 2 })
}

func (s *scene) await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s; there is %v", what, s.m.Leftovers())
		}
	}
}

// list returns what of a kind ("session ", "disk ", "map ") is on the host.
func (s *scene) list(kind string) []string {
	var some []string
	for _, left := range s.m.Leftovers() {
		if strings.HasPrefix(left, kind) {
			some = append(some, left)
		}
	}
	return some
}

// nothing expects that nothing of the volume is left.
func (s *scene) nothing(t *testing.T) {
	t.Helper()
	if left := s.m.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// hold keeps a device of the pretend host busy until the returned function is
// called.
func (s *scene) hold(t *testing.T, device string) func() {
	t.Helper()
	fd, err := unix.Open(s.m.Host.Path(device), unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open %s exclusively: %v", device, err)
	}
	release := sync.OnceFunc(func() { unix.Close(fd) })
	t.Cleanup(release)
	return release
}

// says expects an error of a kind with words in it.
func says(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("succeeded; want an error with %q", words)
		return
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v; want %v", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v; want it to say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func (s *scene) subject(t *testing.T) connectortest.Subject {
	return connectortest.Subject{Connector: s.Connector, Connection: s.conn, Leftovers: s.m.Leftovers,
		Hold: func(t *testing.T, src connector.Source) func() { return s.hold(t, src.Device) }}
}

// content returns the first bytes of a device of the pretend host, past all
// caches.
func (s *scene) content(t *testing.T, device string) string {
	t.Helper()
	text, err := host.ReadDisk(hosttest.Context(t), s.m.Host, device, func(d *host.Disk) (string, error) {
		b, err := d.Read(0, 16)
		return strings.TrimRight(string(b), "\x00"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
