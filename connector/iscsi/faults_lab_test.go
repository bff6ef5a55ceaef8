//go:build lab

package iscsi_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

func TestRefusedCredentialsOnARealTarget(t *testing.T) {
	s := subject(t)
	password, _ := s.Connection.Secret["auth_password"].(string)
	s.Connection.Secret = map[string]any{"auth_password": "not-" + password}
	_, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
	t.Log(err)
	user, _ := s.Connection.Data["auth_username"].(string)
	if err == nil || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), user) || strings.Contains(err.Error(), password) {
		t.Errorf("got %v", err)
	}
	if left := leftovers(host.New()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadOnlyOnARealTarget(t *testing.T) {
	s := subject(t)
	ctx := hosttest.Context(t)
	s.Connection.Access = connector.ReadOnly
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(src.Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Pwrite(fd, make([]byte, 4096), 0)
		err = errors.Join(err, unix.Fsync(fd))
		unix.Close(fd)
	}
	if err == nil {
		t.Errorf("%s of a read-only connection was written to", src.Device)
	}
	s.Connection.Access = connector.ReadWrite
	if src, err = s.Connector.Connect(ctx, s.Connection); err != nil {
		t.Fatal(err)
	}
	if ro, err := host.New().DeviceReadOnly(src.Device); err != nil || ro {
		t.Errorf("asked for writing: read-only %v, %v", ro, err)
	}
}

// TestCutOnARealTarget prints what happens around a cut that somebody makes from
// outside, at the times said here: FUXI_ISCSI_CUT names the file that tells.
func TestCutOnARealTarget(t *testing.T) {
	s, say := subject(t), stageFile(t)
	say("cut")
	timed(t, "connect with a cut portal", func(ctx context.Context) error {
		src, err := s.Connector.Connect(ctx, s.Connection)
		t.Log(src)
		return err
	})
	timed(t, "disconnect with a cut portal, login on its way", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
	t.Log("left:", leftovers(host.New()))
	timed(t, "connect with a cut portal", func(ctx context.Context) error { _, err := s.Connector.Connect(ctx, s.Connection); return err })
	say("mend")
	time.Sleep(15 * time.Second)
	timed(t, "again, mended", func(ctx context.Context) error { _, err := s.Connector.Connect(ctx, s.Connection); return err })
	time.Sleep(5 * time.Second)
	t.Log("now:", leftovers(host.New()))
	say("cut")
	timed(t, "disconnect just after a cut", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
	t.Log("left:", leftovers(host.New()))
	if len(leftovers(host.New())) > 0 {
		timed(t, "disconnect again, still cut", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
		t.Log("left:", leftovers(host.New()))
	}
	say("mend")
	timed(t, "connect", func(ctx context.Context) error { _, err := s.Connector.Connect(ctx, s.Connection); return err })
	time.Sleep(5 * time.Second)
	say("cut")
	time.Sleep(25 * time.Second)
	timed(t, "disconnect long after a cut", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
	t.Log("left:", leftovers(host.New()))
	say("mend")
}

// stageFile returns how to tell somebody outside what to do, and to wait until
// it is done: the file FUXI_ISCSI_CUT names holds the order, and "go" afterwards.
func stageFile(t *testing.T) func(what string) {
	file := os.Getenv("FUXI_ISCSI_CUT")
	if file == "" {
		hosttest.Skip(t, "needs somebody outside who cuts the network: FUXI_ISCSI_CUT names no file")
	}
	return func(what string) {
		if err := os.WriteFile(file, []byte(what), 0o600); err != nil {
			t.Fatal(err)
		}
		for {
			if now, _ := os.ReadFile(file); string(now) == "go" {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func holdDevice(t *testing.T, device string) (release func()) {
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() { unix.Close(fd) }
}

// TestResizeOnARealTarget needs somebody outside who has the cloud extend the
// volume to 2 GiB.
func TestResizeOnARealTarget(t *testing.T) {
	s, stage := subject(t), stageFile(t)
	ctx := hosttest.Context(t)
	src, err := s.Connector.Connect(ctx, s.Connection)
	if err != nil {
		t.Fatal(err)
	}
	release := holdDevice(t, src.Device)
	defer release()
	stage("extend")
	s.Connection.SizeGiB++
	resizer, _ := s.Connector.(connector.Resizer)
	for range 2 {
		timed(t, "resize", func(ctx context.Context) error {
			src, err = resizer.Resize(ctx, s.Connection)
			return err
		})
	}
	if src.SizeBytes != int64(s.Connection.SizeGiB)<<30 {
		t.Errorf("got %+v", src)
	}
	s.Connection.SizeGiB--
	if _, err := resizer.Resize(ctx, s.Connection); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("smaller than the device: %v", err)
	}
}
