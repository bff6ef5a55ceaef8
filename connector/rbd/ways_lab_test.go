//go:build lab

package rbd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
	"github.com/openstack/fuxi/trace"
)

func holdDevice(t *testing.T, device string) (release func()) {
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() { unix.Close(fd) }
}

func TestNoCommandAndNoSecretOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{})
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	if _, err := c.Connect(ctx, conn); err != nil {
		t.Fatal(err)
	}
	user, _ := conn.Data["auth_username"].(string)
	key := strings.TrimSpace(hosttest.Tool(t, "ceph", "auth", "get-key", "client."+user))
	info := readFile(t, "/sys/bus/rbd/devices/0/config_info") + readFile(t, "/proc/keys")
	if err := c.Disconnect(ctx, conn); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(steps.List(), "\n") + info
	if strings.Contains(all, key) || strings.Contains(all, "secret=") {
		t.Error("the key is to be seen")
	}
	if strings.Contains(readFile(t, "/proc/keys"), "fuxi.") {
		t.Error("the kernel still has the key")
	}
	for _, what := range steps.Host() {
		if !strings.HasPrefix(what, "write ") && !strings.HasPrefix(what, "fsync ") {
			t.Errorf("not a system call: %s", what)
		}
	}
	if n := len(steps.Host()); n > 3 {
		t.Errorf("%d crossings: %v", n, steps.Host())
	}
}

// The other ways to a cluster: its configuration's monitors, the new protocol,
// a namespace, no discards, reading only.
func TestWaysOnARealCluster(t *testing.T) {
	conn := labImage(t, "ways")
	name := conn.Data["name"].(string)
	pool, image, _ := strings.Cut(name, "/")
	discards := func(device string) string {
		return readFile(t, "/sys/block/"+strings.TrimPrefix(device, "/dev/")+"/queue/discard_max_bytes")
	}
	round := func(t *testing.T, o rbd.Options, conn connector.Connection) connector.Source {
		c := labConnector(t, conn, o)
		src := labConnect(t, c, conn)
		if src.Proof["exclusive"] != "true" && conn.Access == connector.ReadWrite {
			t.Errorf("not exclusive: %v", src.Proof)
		}
		return src
	}
	with := func(key string, value any) connector.Connection {
		other := as(conn, conn.Data["auth_username"].(string), "")
		other.Secret, other.Data[key] = nil, value
		return other
	}
	t.Run("configuration", func(t *testing.T) { round(t, rbd.Options{}, with("hosts", nil)) })
	t.Run("secure", func(t *testing.T) { round(t, rbd.Options{MSMode: "secure"}, conn) })
	t.Run("port 3300", func(t *testing.T) { round(t, rbd.Options{}, with("ports", []any{"3300"})) })
	t.Run("time limit", func(t *testing.T) { round(t, rbd.Options{OSDRequestTimeout: 30}, conn) })
	t.Run("discard", func(t *testing.T) {
		if n := discards(round(t, rbd.Options{}, with("discard", true)).Device); n == "0" {
			t.Error("no discards, though wished")
		}
	})
	t.Run("no discard", func(t *testing.T) {
		if n := discards(round(t, rbd.Options{}, with("discard", false)).Device); n != "0" {
			t.Errorf("discards of %s bytes, though not wished", n)
		}
	})
	t.Run("namespace", func(t *testing.T) {
		hosttest.Tool(t, "rbd", "namespace", "create", pool+"/fuxi-test-ns")
		t.Cleanup(func() { hosttest.Tool(t, "rbd", "namespace", "rm", pool+"/fuxi-test-ns") })
		hosttest.Tool(t, "rbd", "create", "--size", "1G", pool+"/fuxi-test-ns/"+image)
		t.Cleanup(func() { hosttest.Tool(t, "rbd", "rm", "--no-progress", pool+"/fuxi-test-ns/"+image) })
		src := round(t, rbd.Options{}, with("name", pool+"/fuxi-test-ns/"+image))
		if src.Proof["image"] != pool+"/fuxi-test-ns/"+image {
			t.Errorf("got %v", src.Proof)
		}
		if _, err := rbd.New(host.New(), rbd.Options{}).Find(hosttest.Context(t), conn); !errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("the image of the same name outside: %v", err)
		}
	})
}

// One that is mapped for reading refuses writes, and is mapped anew for writing
// when nobody uses it.
func TestAccessOnARealCluster(t *testing.T) {
	conn := labImage(t, "access")
	c := labConnector(t, conn, rbd.Options{})
	reading := conn
	reading.Access = connector.ReadOnly
	src := labConnect(t, c, reading)
	fd, err := unix.Open(src.Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Pwrite(fd, make([]byte, 4096), 0)
		err = errors.Join(err, unix.Fsync(fd))
		unix.Close(fd)
	}
	if err == nil {
		t.Errorf("%s of a read-only connection was written to", src.Device)
	}
	release := holdDevice(t, src.Device)
	_, err = c.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrBusy, "", src.Device)
	release()
	src = labConnect(t, c, conn)
	if ro, err := host.New().DeviceReadOnly(src.Device); err != nil || ro {
		t.Errorf("asked for writing: read-only %v, %v", ro, err)
	}
}

// dying ends the process at a crossing's end.
type dying struct{ what string }

func (d dying) Cross(_ trace.Kind, what string) func() {
	return func() {
		if strings.Contains(what, d.what) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// TestKilledOnARealCluster runs itself as the process that dies when the image
// is mapped and nobody wrote that down.
func TestKilledOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{})
	if os.Getenv("FUXI_RBD_DIE") != "" {
		_, _ = c.Connect(trace.WithRecorder(hosttest.Context(t), dying{"add_single_major"}), conn)
		return
	}
	for _, next := range []string{"disconnect", "connect"} {
		cmd := exec.Command(os.Args[0], "-test.run=TestKilledOnARealCluster$")
		cmd.Env = append(os.Environ(), "FUXI_RBD_DIE=1")
		if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child was not killed: %v", err)
		}
		src, err := c.Find(hosttest.Context(t), conn)
		if err != nil {
			t.Fatalf("after the crash: %v", err)
		}
		if next == "connect" {
			if again := labConnect(t, c, conn); again.Device != src.Device || again.Proof["client"] != src.Proof["client"] {
				t.Errorf("found %+v, connected %+v", src, again)
			}
		}
		if err := c.Disconnect(context.Background(), conn); err != nil {
			t.Fatal(err)
		}
		nothing(t)
	}
}
