package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

func TestManyInParallel(t *testing.T) {
	hosttest.NeedRoot(t)
	const many = 64
	h := host.New()
	c := local.New(h, owner(t))
	ctx := hosttest.Context(t)
	var all, connected sync.WaitGroup
	connected.Add(many)
	var mu sync.Mutex
	seen := map[string]bool{}
	for i := range many {
		conn := connection(hosttest.Image(t, hosttest.GiB))
		conn.VolumeID = fmt.Sprintf("volume-%d", i)
		all.Go(func() {
			src, err := c.Connect(ctx, conn)
			if err != nil {
				t.Errorf("Connect %d: %v", i, err)
				connected.Done()
				return
			}
			mu.Lock()
			if seen[src.Device] {
				t.Errorf("%s given twice", src.Device)
			}
			seen[src.Device] = true
			mu.Unlock()
			connected.Done()
			connected.Wait()
			if err := c.Disconnect(ctx, conn); err != nil {
				t.Errorf("Disconnect %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if left := leftovers(t, h, owner(t)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTwoDevicesOfOneVolumeAreRefused(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	h := host.New()
	loop, err := h.LoopStatus(src.Device)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.Connection.Data["device_path"].(string), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	twin, err := h.LoopAttach(ctx, f, loop.Label, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func(context.Context, connector.Connection) (connector.Source, error){s.Connector.Connect, s.Connector.Find} {
		_, err := ask(ctx, s.Connection)
		if !errors.Is(err, connector.ErrUnsafe) || !strings.Contains(err.Error(), twin.Device) || !strings.Contains(err.Error(), src.Device) {
			t.Errorf("two devices: %v", err)
		}
	}
	if err := s.Connector.Disconnect(ctx, s.Connection); err != nil {
		t.Error(err)
	}
}

func TestBlockDevice(t *testing.T) {
	hosttest.NeedRoot(t)
	h := host.New()
	ctx := hosttest.Context(t)
	c := local.New(h, owner(t))
	conn := connection(hosttest.Loop(t, h, hosttest.Image(t, hosttest.GiB)))
	device := conn.Data["device_path"].(string)
	for range 2 {
		src, err := c.Connect(ctx, conn)
		if err != nil || src.Device != device || src.SizeBytes != hosttest.GiB {
			t.Fatalf("Connect: %+v, %v", src, err)
		}
	}
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Disconnect(ctx, conn); !errors.Is(err, connector.ErrBusy) {
		t.Errorf("busy: %v", err)
	}
	unix.Close(fd)
	if err := c.Disconnect(ctx, conn); err != nil {
		t.Error(err)
	}
	conn.SizeGiB = 2
	if _, err := c.Connect(ctx, conn); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("wrong size: %v", err)
	}
}

func TestMountedDeviceStays(t *testing.T) {
	hosttest.NeedTools(t, "mkfs.ext4")
	s := subject(t)
	ctx := hosttest.Context(t)
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Tool(t, "mkfs.ext4", "-q", src.Device)
	dir := t.TempDir()
	h := host.New()
	if err := h.Mount(ctx, host.MountCall{Source: src.Device, Target: dir, FSType: "ext4"}); err != nil {
		t.Fatal(err)
	}
	pid, end := hosttest.OtherNamespace(t)
	if err := s.Connector.Disconnect(ctx, s.Connection); !errors.Is(err, connector.ErrBusy) || !strings.Contains(err.Error(), dir) {
		t.Errorf("mounted here: %v", err)
	}
	if err := h.Unmount(ctx, dir); err != nil {
		t.Fatal(err)
	}
	// umount succeeded, yet the device is not idle.
	if err := s.Connector.Disconnect(ctx, s.Connection); !errors.Is(err, connector.ErrBusy) || !strings.Contains(err.Error(), fmt.Sprintf("[%d]", pid)) {
		t.Errorf("mounted in another namespace: %v", err)
	}
	if loop, err := h.LoopStatus(src.Device); err != nil || loop.Autoclear {
		t.Errorf("a refused Disconnect changed the device: %+v, %v", loop, err)
	}
	end()
	if err := s.Connector.Disconnect(ctx, s.Connection); err != nil {
		t.Error(err)
	}
}
