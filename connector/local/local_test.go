package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/local"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

// subject makes a connector for one file of one GiB, both of this test alone.
func subject(t *testing.T) connectortest.Subject {
	hosttest.NeedRoot(t)
	h := host.New()
	conn := connection(hosttest.Image(t, hosttest.GiB))
	c := local.New(h, owner(t))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Disconnect(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	return connectortest.Subject{Connector: c, Connection: conn, Leftovers: func() []string { return leftovers(t, h, owner(t)) }}
}

func connection(path string) connector.Connection {
	return connector.Connection{Driver: local.Driver, VolumeID: "6a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001", SizeGiB: 1,
		Access: connector.ReadWrite, Data: map[string]any{"device_path": path}}
}

// owner is a tag that no other test of any process has.
func owner(t *testing.T) string {
	var sum uint32
	for _, c := range t.Name() {
		sum = sum*31 + uint32(c)
	}
	return fmt.Sprintf("%08x", sum^uint32(os.Getpid())<<12)
}

func leftovers(t *testing.T, h *host.Host, owner string) []string {
	loops, err := h.Loops()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, loop := range loops {
		if strings.HasPrefix(loop.Label, "fuxi:"+owner+":") {
			left = append(left, loop.Device+" "+loop.Label)
		}
	}
	return left
}

func TestConformanceFile(t *testing.T) { connectortest.Run(t, subject) }

func TestRestartFindsTheSameDevice(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	first, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	reborn := local.New(host.New(), owner(t))
	if src, err := reborn.Find(ctx, s.Connection); err != nil || src.Device != first.Device {
		t.Errorf("after a restart: %+v, %v; want %s", src, err, first.Device)
	}
	other := local.New(host.New(), "0ther001")
	if _, err := other.Find(ctx, s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("another daemon's Find: %v, want ErrNotConnected", err)
	}
	if err := other.Disconnect(ctx, s.Connection); err != nil {
		t.Errorf("another daemon's Disconnect: %v", err)
	}
	if _, err := reborn.Find(ctx, s.Connection); err != nil {
		t.Errorf("another daemon took our device: %v", err)
	}
}

func TestForeignLoopIsRefused(t *testing.T) {
	s := subject(t)
	device := hosttest.Loop(t, host.New(), s.Connection.Data["device_path"].(string))
	_, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
	if !errors.Is(err, connector.ErrUnsafe) || !strings.Contains(err.Error(), device) {
		t.Errorf("Connect over a file in use by %s: %v", device, err)
	}
}

func TestOddPathsAreRefused(t *testing.T) {
	s := subject(t)
	file := s.Connection.Data["device_path"].(string)
	dir := t.TempDir()
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(file, link), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, dir, "relative", filepath.Dir(file) + "/../" + filepath.Base(filepath.Dir(file)) + "/volume.img", "/dev/null", "/dev/../etc/passwd"} {
		conn := connection(path)
		if _, err := s.Connector.Connect(hosttest.Context(t), conn); err == nil {
			t.Errorf("Connect of %s succeeded", path)
		}
	}
}

func TestGrownFile(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	if _, err := s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.Connection.Data["device_path"].(string), 2*hosttest.GiB); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Connector.Connect(ctx, s.Connection); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("grown behind the cloud's back: %v, want ErrUnsafe", err)
	}
	s.Connection.SizeGiB = 2
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil || src.SizeBytes != 2*hosttest.GiB {
		t.Errorf("after an extension: %+v, %v", src, err)
	}
}

func TestReadOnlyAccess(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	s.Connection.Access = connector.ReadOnly
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	if ro, err := host.New().DeviceReadOnly(src.Device); err != nil || !ro {
		t.Errorf("read-only device: %v, %v", ro, err)
	}
	s.Connection.Access = connector.ReadWrite
	if src, err = s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	if ro, err := host.New().DeviceReadOnly(src.Device); err != nil || ro {
		t.Errorf("after asking for rw: read-only %v, %v", ro, err)
	}
}

func TestReplacedFileIsNotTheOldDevice(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	if _, err := s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	path := s.Connection.Data["device_path"].(string)
	if err := os.Rename(hosttest.Image(t, hosttest.GiB), path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Connector.Find(ctx, s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("Find after the file was replaced: %v", err)
	}
	if _, err := s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	if left := s.Leftovers(); len(left) != 1 {
		t.Errorf("devices of the volume: %v", left)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Connector.Disconnect(ctx, s.Connection); err != nil || len(s.Leftovers()) != 0 {
		t.Errorf("Disconnect after the file vanished: %v, left %v", err, s.Leftovers())
	}
}

// A reader that does not claim the device does not stop the exclusive open, and
// LOOP_CLR_FD then only promises: nothing may have changed in the end.
func TestIdleOpenerIsBusy(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(src.Device)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Connector.Disconnect(ctx, s.Connection)
	if !errors.Is(err, connector.ErrBusy) {
		t.Errorf("Disconnect: %v, want ErrBusy", err)
	}
	f.Close()
	if loop, err := host.New().LoopStatus(src.Device); err != nil || loop.Autoclear {
		t.Errorf("afterwards: %+v, %v", loop, err)
	}
}
