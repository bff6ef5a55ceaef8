package iscsi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// While multipathd is awaited to forget a volume's disks, their names become
// another volume's: its paths stay in its map.
func TestPretendNameTakenAtOnce(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	s.connect(t, s.conn)
	s.bothPaths(t)
	before := s.m.PathsOfMaps()
	s.m.Set(func(f *pretend.Faults) { f.KeepsPaths = true })
	done := make(chan error, 1)
	go func() { done <- s.Disconnect(hosttest.Context(t), s.conn) }()
	s.await(t, "the disks to go", func() bool { return len(s.list("disk ")) == 0 })
	other := s.m.Target("iqn.2010-10.org.example:other", "192.0.2.77:3260", "192.0.3.77:3260")
	other.Export(0, s.m.Disk(hosttest.GiB))
	for _, p := range other.Portals {
		s.m.Login(other, p, true)
	}
	s.await(t, "the other volume's map", func() bool { return len(s.m.PathsOfMaps()) == 2 })
	if err := <-done; err != nil {
		t.Fatalf("Disconnect: %v", err)
	}
	slices.Sort(before)
	after := s.m.PathsOfMaps()
	slices.Sort(after)
	if !slices.Equal(after, before) {
		t.Errorf("the other volume's map has the paths %v; want %v", after, before)
	}
	s.never(t, "multipathd del path")
}

// never expects that no command had these words.
func (s *scene) never(t *testing.T, words string) {
	t.Helper()
	for _, c := range s.m.Commands() {
		if strings.Contains(c, words) {
			t.Errorf("there was the command %q", c)
		}
	}
}

// A path is down while the volume grows: no path learns the new size alone.
func TestPretendResizeWithPathDown(t *testing.T) {
	s := twoPaths(t)
	s.connect(t, s.conn)
	s.bothPaths(t)
	if err := s.disk.Grow(2 * hosttest.GiB); err != nil {
		t.Fatal(err)
	}
	s.m.Break(portal2)
	conn := s.conn
	conn.SizeGiB = 2
	_, err := s.Resize(hosttest.Context(t), conn)
	says(t, err, nil, portal2, "is down")
	for _, words := range s.m.PathsOfMaps() { // "dm-0 sda"
		_, name, _ := strings.Cut(words, " ")
		if size, err := s.m.Host.BlockSize(name); err != nil || size != hosttest.GiB {
			t.Errorf("%s has %d bytes, %v", name, size, err)
		}
	}
	s.m.Mend(portal2)
	if grown, err := s.Resize(hosttest.Context(t), conn); err != nil || grown.SizeBytes != 2*hosttest.GiB {
		t.Errorf("Resize: %+v, %v", grown, err)
	}
	s.disconnect(t, conn)
	s.nothing(t)
}

// One path has become another volume's: the map keeps its size.
func TestPretendResizeOfAnotherDisk(t *testing.T) {
	s := twoPaths(t)
	s.connect(t, s.conn)
	s.bothPaths(t)
	if err := s.disk.Grow(2 * hosttest.GiB); err != nil {
		t.Fatal(err)
	}
	s.target.ExportAt(portal2, 1, s.m.Disk(2*hosttest.GiB))
	conn := s.conn
	conn.SizeGiB = 2
	_, err := s.Resize(hosttest.Context(t), conn)
	says(t, err, connector.ErrUnsafe, "another volume's")
	s.never(t, "multipathd resize map")
}

// A disk that is not proved to be the volume is not write-protected either.
func TestPretendProvedBeforeProtected(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		src := s.connect(t, s.conn)
		if len(s.target.Portals) > 1 {
			s.bothPaths(t)
		}
		release := s.hold(t, src.Device)
		s.unprotect(t, src.Device)
		conn := s.connection(second, 1)
		conn.Access, conn.SizeGiB = connector.ReadOnly, 2
		_, err := s.Connect(hosttest.Context(t), conn)
		says(t, err, connector.ErrUnsafe, "bytes")
		if s.unprotect(t, src.Device) {
			t.Error("the device in use was write-protected")
		}
		release()
		s.disconnect(t, s.conn)
		s.nothing(t)
	}
}

// unprotect ends the write protection of a device and tells whether there was
// one. The device itself is asked: the pretend sysfs does not show it, and a loop
// device keeps it for its next user.
func (s *scene) unprotect(t *testing.T, device string) bool {
	t.Helper()
	fd, err := unix.Open(s.m.Host.Path(device), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	flag, err := unix.IoctlGetInt(fd, unix.BLKROGET)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.BLKROSET, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return flag != 0
}

// A path of an earlier Connect is still on its way when Connect begins anew: it
// does not come when everything was taken away.
func TestPretendLatePathOfEarlierConnect(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	hang := make(chan struct{})
	s.m.Answer(&pretend.Answer{Match: portal2 + " -I default --login", Also: true, Times: 1, Hang: hang})
	s.connect(t, s.conn)
	s.command(t, "iscsiadm -m node -T "+iqn+" -p "+portal1+" --logout")
	s.await(t, "the map to go", func() bool { return len(s.list("map ")) == 0 })
	go func() {
		time.Sleep(500 * time.Millisecond)
		close(hang)
	}()
	s.connect(t, s.conn)
	s.disconnect(t, s.conn)
	time.Sleep(500 * time.Millisecond)
	s.nothing(t)
}
