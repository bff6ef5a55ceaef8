package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/local"
	"github.com/openstack/fuxi/connector/share"
)

// shareSubject makes a connector for one directory, both of this test alone.
func shareSubject(t *testing.T) (connectortest.Subject, string) {
	hosttest.NeedRoot(t)
	state := t.TempDir() // mounts below it are followed, as they are on a host with systemd
	hosttest.Tool(t, "mount", "-t", "tmpfs", "tmpfs", state)
	t.Cleanup(func() { hosttest.Tool(t, "umount", state) })
	hosttest.Tool(t, "mount", "--make-shared", state)
	base := filepath.Join(state, "shares")
	conn := shareConnection(t)
	c := local.NewShare(host.New(), share.Options{Base: base, Notice: func(_ context.Context, text string) { t.Log("notice:", text) }})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Disconnect(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	return connectortest.Subject{Connector: c, Connection: conn}, base
}

func shareConnection(t *testing.T) connector.Connection {
	dir := filepath.Join(t.TempDir(), "export")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return connector.Connection{Driver: local.ShareDriver, VolumeID: "0a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c0ff", SizeGiB: 1,
		Access: connector.ReadWrite, Data: map[string]any{"exports": []any{dir}}}
}

func TestConformanceShare(t *testing.T) { connectortest.RunShares(t, shareSubject) }

// Two daemons of one machine with the same share do not keep each other's.
func TestShareOfTwoDaemons(t *testing.T) {
	one, _ := shareSubject(t)
	ctx := hosttest.Context(t)
	other := local.NewShare(host.New(), share.Options{Base: filepath.Join(t.TempDir(), "shares")})
	for _, c := range []connector.Connector{one.Connector, other} {
		if _, err := c.Connect(ctx, one.Connection); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Connector.Disconnect(ctx, one.Connection); err != nil {
		t.Error(err)
	}
	if _, err := other.Find(ctx, one.Connection); err != nil {
		t.Errorf("the other daemon lost its mount: %v", err)
	}
	if err := other.Disconnect(ctx, one.Connection); err != nil {
		t.Error(err)
	}
}

func TestShareIsADirectory(t *testing.T) {
	s, _ := shareSubject(t)
	dir := s.Connection.Data["exports"].([]any)[0].(string)
	link, file := filepath.Join(filepath.Dir(dir), "link"), filepath.Join(filepath.Dir(dir), "file")
	if err := errors.Join(os.Symlink(dir, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, export := range []string{link, file, "relative", "/", dir + "/", dir + "/../export", "/proc/self/root", "/nowhere"} {
		s.Connection.Data = map[string]any{"exports": []any{export}}
		if src, err := s.Connector.Connect(hosttest.Context(t), s.Connection); err == nil {
			t.Errorf("Connect of %s: %+v", export, src)
		}
	}
}

// A directory that another one came in the place of is not the share's any more.
func TestReplacedDirectory(t *testing.T) {
	s, _ := shareSubject(t)
	ctx := hosttest.Context(t)
	first, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	dir := s.Connection.Data["exports"].([]any)[0].(string)
	if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Connector.Find(ctx, s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("Find: %v, want ErrNotConnected", err)
	}
	second, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil || second.Proof["inode"] == first.Proof["inode"] {
		t.Errorf("Connect: %+v, %v; before %+v", second, err, first)
	}
}
