package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/trace"
)

// tree makes a machine of files; a content "-> x" is a symlink to x.
func tree(t *testing.T, files map[string]string) *host.Host {
	t.Helper()
	h := host.New()
	h.Root = t.TempDir()
	for path, content := range files {
		path = filepath.Join(h.Root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		link, isLink := strings.CutPrefix(content, "-> ")
		err := os.WriteFile(path, []byte(content), 0o600)
		if isLink {
			err = errors.Join(os.Remove(path), os.Symlink(link, path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestIdentity(t *testing.T) {
	h := tree(t, map[string]string{
		"etc/machine-id":                   "0123456789abcdef0123456789abcdef\n",
		"proc/sys/kernel/random/boot_id":   "b00t\n",
		"proc/sys/kernel/hostname":         "node1\n",
		"etc/iscsi/initiatorname.iscsi":    "## comment\nInitiatorName=iqn.1993-08.org.debian:01:abc\n",
		"sys/class/dmi/id/product_uuid":    "UUID-1\n",
		"etc/nvme/hostnqn":                 "nqn.2014-08.org.nvmexpress:uuid:1\n",
		"var/lib/dbus/machine-id":          "other\n",
		"etc/iscsi/initiatorname.iscsi.db": "",
	})
	id, err := h.MachineID()
	boot, err2 := h.BootID()
	name, err3 := h.Hostname()
	if errors.Join(err, err2, err3) != nil || id != "0123456789abcdef0123456789abcdef" || boot != "b00t" || name != "node1" {
		t.Errorf("got %q, %q, %q, %v", id, boot, name, errors.Join(err, err2, err3))
	}
	p := h.Properties("node1", "192.0.2.7")
	for key, want := range map[string]any{"host": "node1", "ip": "192.0.2.7", "os_type": "linux", "multipath": false,
		"do_local_attach": true, "initiator": "iqn.1993-08.org.debian:01:abc", "system uuid": "UUID-1", "nqn": "nqn.2014-08.org.nvmexpress:uuid:1"} {
		if p[key] != want {
			t.Errorf("%s is %v, want %v", key, p[key], want)
		}
	}
	bare := tree(t, nil)
	if _, err := bare.MachineID(); err == nil {
		t.Error("a machine without machine-id has one")
	}
	if _, has := bare.Properties("n", "i")["initiator"]; has {
		t.Error("an initiator from nowhere")
	}
}

func TestPoll(t *testing.T) {
	h := host.New()
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	n := 0
	ready := func() (bool, error) { n++; return n == 4, nil }
	if err := h.Poll(ctx, "/dev/x", ready); err != nil || n != 4 || len(steps.List()) != 1 {
		t.Errorf("%v after %d, crossings %v", err, n, steps.List())
	}
	if err := h.Poll(ctx, "/dev/x", func() (bool, error) { return true, nil }); err != nil || len(steps.List()) != 1 {
		t.Errorf("at once: %v, crossings %v", err, steps.List())
	}
	broken := errors.New("broken")
	if err := h.Poll(ctx, "/dev/x", func() (bool, error) { return false, broken }); err != broken {
		t.Errorf("got %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := h.Poll(short, "/dev/x", func() (bool, error) { return false, nil })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "/dev/x") {
		t.Errorf("got %v", err)
	}
}

func TestExclusive(t *testing.T) {
	h := host.New()
	device := hosttest.Loop(t, h, hosttest.Image(t, 1<<20))
	ctx := hosttest.Context(t)
	hold := func() int {
		fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	fd := hold()
	if err := h.Exclusive(ctx, device, nil); !errors.Is(err, connector.ErrBusy) {
		t.Errorf("busy device: %v", err)
	}
	unix.Close(fd)
	brief := hold()
	time.AfterFunc(100*time.Millisecond, func() { unix.Close(brief) })
	if err := h.Exclusive(ctx, device, nil); err != nil {
		t.Errorf("device that was busy for a moment: %v", err)
	}
	for _, other := range []string{"/dev/null", "/etc/hosts", "/dev/none"} {
		if err := h.Exclusive(ctx, other, nil); err == nil || errors.Is(err, connector.ErrBusy) {
			t.Errorf("%s: %v", other, err)
		}
	}
	fd = hold()
	defer unix.Close(fd)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := h.Exclusive(ended, device, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

// Children between fork and exec hold copies of our descriptors; without
// syscall.ForkLock they made devices look busy in 2 of 100 tries.
func TestExclusiveBesideManyForks(t *testing.T) {
	h := host.New()
	device := hosttest.Loop(t, h, hosttest.Image(t, 1<<20))
	ctx, cancel := context.WithCancel(hosttest.Context(t))
	// The first start of a process in a process tries pidfds, without the lock.
	if _, err := h.Run(ctx, host.Command{Name: "true"}); err != nil {
		t.Fatal(err)
	}
	var forks sync.WaitGroup
	for range 4 {
		forks.Go(func() {
			for ctx.Err() == nil {
				_, _ = h.Run(ctx, host.Command{Name: "true"})
			}
		})
	}
	for range 6000 {
		if err := h.Exclusive(ctx, device, nil); err != nil {
			t.Error(err)
		}
		// The next to open it does so once, as mkfs does.
		fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatalf("right after the proof: %v", err)
		}
		syncClose(fd)
	}
	cancel()
	forks.Wait()
}

func TestDeviceFacts(t *testing.T) {
	h := host.New()
	device := hosttest.Loop(t, h, hosttest.Image(t, 3<<20))
	n, err := h.DeviceNumber(device)
	if err != nil || n.Major != 7 {
		t.Fatalf("number %v, %v", n, err)
	}
	if name, err := h.DeviceName(n); err != nil || name != device {
		t.Errorf("name %q, %v", name, err)
	}
	if size, err := h.DeviceSize(device); err != nil || size != 3<<20 {
		t.Errorf("size %d, %v", size, err)
	}
	if ro, err := h.DeviceReadOnly(device); err != nil || ro {
		t.Errorf("read-only %v, %v", ro, err)
	}
	if _, err := h.DeviceNumber("/dev/null"); err == nil {
		t.Error("/dev/null is a block device")
	}
}

func TestElsewhere(t *testing.T) {
	h := host.New()
	hosttest.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("x", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	pid, end := hosttest.OtherNamespace(t)
	if err := h.Unmount(hosttest.Context(t), dir); err != nil {
		t.Fatal(err)
	}
	match := func(m host.Mount) bool { return m.Point == dir }
	found, err := h.Elsewhere(hosttest.Context(t), match)
	if err != nil || len(found) != 1 || found[0].PID != pid || len(found[0].Mounts) != 1 {
		t.Errorf("got %+v, %v; want pid %d", found, err, pid)
	}
	end()
	if found, err := h.Elsewhere(hosttest.Context(t), match); err != nil || len(found) != 0 {
		t.Errorf("afterwards: %+v, %v", found, err)
	}
}

func TestLeaksAreSeen(t *testing.T) {
	h := host.New()
	image := hosttest.Image(t, 1<<20)
	device := hosttest.Loop(t, h, image)
	dir := t.TempDir()
	if err := unix.Mount("x", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	leaks := hosttest.Leaks(h, os.TempDir())
	if err := h.Unmount(hosttest.Context(t), dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mount at " + dir, fmt.Sprintf("loop device %s over %s", device, image)} {
		if !slices.Contains(leaks, want) {
			t.Errorf("%q is not among %v", want, leaks)
		}
	}
}
