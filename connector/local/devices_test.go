package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/local"
)

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
