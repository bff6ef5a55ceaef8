package iscsi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// F5: multipathd keeps a path that is gone: it is told, before its name can be
// another disk's.
func TestPretendKeptPath_F5(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	s.connect(t, s.conn)
	s.bothPaths(t)
	s.m.Set(func(f *pretend.Faults) { f.KeepsPaths = true })
	s.disconnect(t, s.conn)
	s.m.Set(func(f *pretend.Faults) { f.KeepsPaths = false })
	res, err := s.m.Command(hosttest.Context(t), "multipathd show paths raw format %d")
	if err != nil || strings.Contains(string(res.Stdout), "sd") {
		t.Errorf("multipathd still knows: %q, %v", res.Stdout, err)
	}
	s.nothing(t)
}

// F5: it hears late that a disk went, when a new one may have the name.
func TestPretendLateRemoval_F5(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	for range 3 {
		s.m.Set(func(f *pretend.Faults) { f.LateRemoval = time.Second })
		s.connect(t, s.conn)
		s.bothPaths(t)
		s.disconnect(t, s.conn)
		s.connect(t, s.conn)
		s.bothPaths(t)
		time.Sleep(1200 * time.Millisecond)
		if paths := s.m.PathsOfMaps(); len(paths) != 2 {
			t.Errorf("paths of the new map: %v", paths)
		}
		s.disconnect(t, s.conn)
		s.nothing(t)
	}
}

// frozen is a directory on a filesystem of its own that can be frozen: writes
// there hang, as those to a dead array do.
func frozen(t *testing.T) (dir string, freeze, thaw func()) {
	t.Helper()
	hosttest.NeedTools(t, "mkfs.ext4", "fsfreeze")
	h := host.New()
	device := hosttest.Loop(t, h, hosttest.Image(t, 256<<20))
	hosttest.Tool(t, "mkfs.ext4", "-q", device)
	dir = t.TempDir()
	if err := h.Mount(hosttest.Context(t), host.MountCall{Source: device, Target: dir, FSType: "ext4"}); err != nil {
		t.Fatal(err)
	}
	isFrozen := false
	freeze = func() { hosttest.Tool(t, "fsfreeze", "-f", dir); isFrozen = true }
	thaw = func() {
		if isFrozen {
			hosttest.Tool(t, "fsfreeze", "-u", dir)
			isFrozen = false
		}
	}
	alive := hosttest.AtDeath(t, "fsfreeze -u "+dir)
	t.Cleanup(func() {
		thaw()
		alive()
		if err := h.Unmount(hosttest.Context(t), dir); err != nil {
			t.Error(err)
		}
	})
	return dir, freeze, thaw
}

// The flush hangs: Disconnect gives up at its deadline and everything stays.
func TestPretendHangingFlush(t *testing.T) {
	dir, freeze, thaw := frozen(t)
	s := onePath(t)
	s.target.Export(1, s.m.DiskIn(dir, hosttest.GiB))
	src := s.connect(t, s.conn)
	freeze()
	dirty(t, s.m.Host.Path(src.Device))
	began := time.Now()
	err := s.Disconnect(within(t, time.Second), s.conn)
	took := time.Since(began)
	thaw()
	says(t, err, context.DeadlineExceeded, "left as it is")
	if took > 5*time.Second {
		t.Errorf("Disconnect took %s", took)
	}
	if len(s.list("disk ")) != 1 || len(s.list("session ")) != 1 {
		t.Errorf("there is %v", s.m.Leftovers())
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// dirty writes to a device and leaves it in the kernel's cache.
func dirty(t *testing.T, device string) {
	t.Helper()
	fd, err := unix.Open(device, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(fd, []byte("not yet on the medium"), 0); err != nil {
		t.Fatal(err)
	}
	go unix.Close(fd) // the last close writes out: it hangs too
}

// The logout hangs: the deadline holds, the disk is gone, and the next call
// finishes.
func TestPretendHangingLogout(t *testing.T) {
	s := onePath(t)
	s.connect(t, s.conn)
	s.m.Answer(&pretend.Answer{Match: "-u", Times: 1, Hang: make(chan struct{})})
	began := time.Now()
	says(t, s.Disconnect(within(t, time.Second), s.conn), context.DeadlineExceeded)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Disconnect took %s", took)
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// The kernel hangs in the delete, as when an array does not answer the last
// flush.
func TestPretendHangingDelete(t *testing.T) {
	s := onePath(t)
	s.connect(t, s.conn)
	hang := make(chan struct{})
	s.m.Set(func(f *pretend.Faults) { f.HangDelete = hang })
	err := s.Disconnect(within(t, time.Second), s.conn)
	says(t, err, context.DeadlineExceeded)
	s.m.Set(func(f *pretend.Faults) { f.HangDelete = nil })
	close(hang)
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// All paths are down: Connect says so, and Disconnect takes away what is idle
// without waiting for an answer.
func TestPretendAllPathsDown(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		s.connect(t, s.conn)
		s.m.Break(portal1)
		s.m.Break(portal2)
		s.m.Set(func(f *pretend.Faults) { f.DeadPortals = []string{portal1, portal2} })
		if _, err := s.Connect(within(t, 20*time.Second), s.conn); err == nil || errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("Connect over dead paths: %v", err)
		}
		s.disconnect(t, s.conn)
		s.nothing(t)
	}
}

// The same with somebody using the disk: it stays, and works again when the
// portal is back.
func TestPretendPathDownAndBack_F1(t *testing.T) {
	s := onePath(t)
	src := s.connect(t, s.conn)
	release := s.hold(t, src.Device)
	s.m.Break(portal1)
	if _, err := s.Connect(within(t, 20*time.Second), s.conn); err == nil {
		t.Error("Connect over a dead path succeeded")
	}
	s.m.Mend(portal1)
	if got := s.connect(t, s.conn); got.Device != src.Device || len(s.list("session ")) != 1 {
		t.Errorf("%+v, %v", got, s.m.Leftovers())
	}
	release()
	s.disconnect(t, s.conn)
	s.nothing(t)
}
