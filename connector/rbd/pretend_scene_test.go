package rbd_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/rbd"
)

const (
	monitor  = "192.0.2.1:6789"
	fsid     = "0ab7c3a4-6a3b-4d53-9d5a-2f7f1c1bfa00"
	secret   = "\x01\x00s3cret-word-of-28-bytes!!!!!"
	volumeID = "6a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001"
)

// text is a key as keyring files have it.
func text(key string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }

// scene is a pretend host, a cluster with one volume, and a connector.
type scene struct {
	*rbd.Connector
	m       *pretend.Machine
	kernel  *pretend.RBD
	cluster *pretend.Cluster
	image   *pretend.Image
	conn    connector.Connection

	mu      sync.Mutex
	notices []string
}

func newScene(t *testing.T, o rbd.Options) *scene {
	t.Helper()
	s := &scene{m: pretend.New(t)}
	s.kernel = s.m.RBD()
	s.cluster = s.kernel.Cluster(fsid, "volumes", "cinder", secret, monitor, "192.0.2.1:3300")
	s.image = s.cluster.Image("volumes/volume-"+volumeID, hosttest.GiB, pretend.DefaultRBD)
	s.conn = connector.Connection{Driver: rbd.Driver, VolumeID: volumeID, SizeGiB: 1, Access: connector.ReadWrite,
		Data: map[string]any{"name": "volumes/volume-" + volumeID, "hosts": []any{"192.0.2.1"}, "ports": []any{"6789"}, "cluster_name": "ceph",
			"auth_enabled": true, "auth_username": "cinder", "discard": true}}
	s.file(t, "/etc/ceph/ceph.client.cinder.keyring", "[client.cinder]\n\tkey = "+text(secret)+"\n")
	o.Notice = s.notice
	s.Connector = rbd.New(s.m.Host, o)
	return s
}

// file writes a file of the pretend host.
func (s *scene) file(t *testing.T, path, content string) {
	t.Helper()
	path = s.m.Host.Path(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
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

// with returns the connection with one field changed, nil to take it away.
func (s *scene) with(key string, value any) connector.Connection {
	conn := s.conn
	conn.Data = map[string]any{}
	for k, v := range s.conn.Data {
		conn.Data[k] = v
	}
	if conn.Data[key] = value; value == nil {
		delete(conn.Data, key)
	}
	return conn
}

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

func (s *scene) nothing(t *testing.T) {
	t.Helper()
	if left := s.kernel.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// line is the last that the kernel was told.
func (s *scene) line() string {
	all := s.kernel.Lines()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
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

func (s *scene) subject(*testing.T) connectortest.Subject {
	return connectortest.Subject{Connector: s.Connector, Connection: s.conn, Leftovers: s.kernel.Leftovers,
		Hold: func(t *testing.T, src connector.Source) func() { return s.hold(t, src.Device) }}
}

// expect wants an error of a kind with words in it, and no key.
func expect(t *testing.T, err, kind error, words ...string) {
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
	if strings.Contains(err.Error(), text(secret)) {
		t.Errorf("the error shows the key: %v", err)
	}
}
