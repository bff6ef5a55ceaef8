package local_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/local"
)

// While somebody has the device, and again without anything left to do.
func TestResizeInUse(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	resizer := s.Connector.(*local.Connector)
	if _, err := resizer.Resize(ctx, s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("not connected: %v", err)
	}
	if left := s.Leftovers(); len(left) > 0 {
		t.Fatalf("Resize made a device: %v", left)
	}
	first, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(first.Device, unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	grown := s.Connection
	grown.SizeGiB = 2
	if _, err := resizer.Resize(ctx, grown); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("the file has not grown yet: %v, want ErrUnsafe", err)
	}
	if err := os.Truncate(s.Connection.Data["device_path"].(string), 2*hosttest.GiB); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Connector.Find(ctx, grown); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("Find before the device has followed: %v, want ErrUnsafe", err)
	}
	for range 2 {
		src, err := resizer.Resize(ctx, grown)
		if err != nil || src.Device != first.Device || src.SizeBytes != 2*hosttest.GiB {
			t.Errorf("Resize: %+v, %v; the device was %s", src, err, first.Device)
		}
	}
	if size, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil || size != 2*hosttest.GiB {
		t.Errorf("who has it open sees %d bytes, %v", size, err)
	}
	if _, err := resizer.Resize(ctx, s.Connection); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("to less than it has: %v, want ErrUnsafe", err)
	}
}

// A file that took the place of the volume's is not what the mounted
// filesystem is on.
func TestResizeLeavesAnotherFileAlone(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	if _, err := s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hosttest.Image(t, 2*hosttest.GiB), s.Connection.Data["device_path"].(string)); err != nil {
		t.Fatal(err)
	}
	s.Connection.SizeGiB = 2
	if src, err := s.Connector.(*local.Connector).Resize(ctx, s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("%+v, %v; want ErrNotConnected", src, err)
	}
}
