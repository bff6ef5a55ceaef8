//go:build lab

package iscsi_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/iscsi"
)

// A volume with a partition table on a host whose udev has kpartx make maps of
// the partitions: in use they keep everything, idle they go.
func TestPartitionsOnARealTarget(t *testing.T) {
	if labMode() == iscsi.Off {
		t.Log("only a multipath map gets such maps")
		return
	}
	hosttest.NeedTools(t, "parted", "kpartx")
	s := subject(t)
	ctx := hosttest.Context(t)
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wipe(t, s.Connector, s.Connection) })
	hosttest.Tool(t, "parted", "-s", src.Device, "mklabel", "gpt", "mkpart", "one", "1MiB", "100MiB", "mkpart", "two", "100MiB", "200MiB")
	hosttest.Tool(t, "kpartx", "-a", "-p", "-part", src.Device)
	parts, err := filepath.Glob("/sys/block/" + filepath.Base(src.Device) + "/holders/dm-*")
	if err != nil || len(parts) != 2 {
		t.Fatalf("kpartx made %v, %v", parts, err)
	}
	part := "/dev/" + filepath.Base(parts[1])
	fd, err := unix.Open(part, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Connector.Disconnect(ctx, s.Connection)
	unix.Close(fd)
	t.Log(err)
	if !errors.Is(err, connector.ErrBusy) {
		t.Errorf("%s is in use, and Disconnect says %v", part, err)
	}
	if left, _ := filepath.Glob("/sys/block/" + filepath.Base(src.Device) + "/holders/dm-*"); len(left) != 2 {
		t.Errorf("a refused Disconnect left %v of %v", left, parts)
	}
	if err := s.Connector.Disconnect(ctx, s.Connection); err != nil {
		t.Error(err)
	}
	if left := leftovers(host.New()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// wipe takes the partition table away again.
func wipe(t *testing.T, c connector.Connector, conn connector.Connection) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	src, err := c.Connect(ctx, conn)
	if err == nil {
		const end = 1 << 20
		err = host.New().Zero(ctx, src.Device, []host.Range{{Off: 0, Len: end}, {Off: src.SizeBytes - end, Len: end}})
	}
	if err := errors.Join(err, c.Disconnect(ctx, conn)); err != nil {
		t.Error(err)
	}
}
