package iscsi_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/iscsi"
)

// A5: one portal leads to another disk of the same size.
func TestPretendWrongDiskOnOnePath_A5(t *testing.T) {
	s := twoPaths(t)
	s.target.ExportAt(portal2, 1, s.m.Disk(hosttest.GiB))
	src, err := s.Connect(hosttest.Context(t), s.conn)
	if err == nil {
		s.await(t, "the wrong disk to be noticed and given back", func() bool { return s.noticed() != "" && len(s.list("disk ")) == 1 })
		if !strings.Contains(s.noticed(), s.disk.WWID) || len(s.m.PathsOfMaps()) != 1 {
			t.Errorf("paths %v, notices %q", s.m.PathsOfMaps(), s.noticed())
		}
		if got, err := s.Find(hosttest.Context(t), s.conn); err != nil || got.Device != src.Device {
			t.Errorf("Find: %+v, %v", got, err)
		}
		s.disconnect(t, s.conn)
	} else {
		says(t, err, connector.ErrUnsafe, "another volume")
	}
	s.nothing(t)
}

// The other portal shows a disk of the right name and another size.
func TestPretendWrongSizeOnOnePath(t *testing.T) {
	s := twoPaths(t)
	small := s.m.Disk(hosttest.GiB / 2)
	small.WWID = s.disk.WWID
	s.target.ExportAt(portal2, 1, small)
	if _, err := s.Connect(hosttest.Context(t), s.conn); err == nil {
		s.await(t, "the small disk to be noticed and given back", func() bool { return s.noticed() != "" && len(s.list("disk ")) == 1 })
		s.disconnect(t, s.conn)
	} else {
		says(t, err, connector.ErrUnsafe, "bytes")
	}
	s.nothing(t)
}

// A5: the storage gave the number to another volume; the kernel remembers the
// disk it was, which is idle: it goes, and the right one comes.
func TestPretendReusedNumberIdle_A5(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		stale := s.connect(t, s.conn)
		fresh := s.m.Disk(hosttest.GiB)
		mark(t, fresh, "the new volume")
		s.target.Export(1, fresh)
		conn := s.connection("11111111-2d5e-4d4c-9a3f-0f6b52f1c002", 1)
		src := s.connect(t, conn)
		if !strings.Contains(src.Proof["wwid"], fresh.WWID) || src.Proof["wwid"] == stale.Proof["wwid"] {
			t.Errorf("connected to %v; want %s", src.Proof, fresh.WWID)
		}
		if text := s.content(t, src.Device); text != "the new volume" {
			t.Errorf("the device reads %q", text)
		}
		s.disconnect(t, conn)
		s.nothing(t)
	}
}

// A5: the same, and somebody uses the old disk.
func TestPretendReusedNumberBusy_A5(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		stale := s.connect(t, s.conn)
		release := s.hold(t, stale.Device)
		s.target.Export(1, s.m.Disk(hosttest.GiB))
		conn := s.connection("11111111-2d5e-4d4c-9a3f-0f6b52f1c002", 1)
		_, err := s.Connect(hosttest.Context(t), conn)
		says(t, err, connector.ErrUnsafe, s.disk.WWID)
		if _, err := os.Stat(s.m.Host.Path(stale.Device)); err != nil {
			t.Errorf("the device in use is gone: %v", err)
		}
		release()
		s.disconnect(t, s.conn)
		s.nothing(t)
	}
}

// What was proved is asked for again: another disk under the same attachment is
// refused, by Connect and by Find.
func TestPretendAnotherDiskThanProved(t *testing.T) {
	s := onePath(t)
	src := s.connect(t, s.conn)
	s.disconnect(t, s.conn)
	s.target.Export(1, s.m.Disk(hosttest.GiB))
	conn := s.conn
	conn.Proven = src.Proof
	_, err := s.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrUnsafe, s.disk.WWID)
	s.nothing(t)
}

// A disk that somebody else's session shows has our name: which is stale?
func TestPretendTwinOnTheHost(t *testing.T) {
	s := onePath(t)
	s.m.Set(func(f *pretend.Faults) { f.MultipathdDown = true })
	other := s.m.Target("iqn.2010-10.org.example:other", "192.0.2.77:3260")
	other.Export(0, s.disk)
	s.m.Login(other, "192.0.2.77:3260", true)
	_, err := s.Connect(hosttest.Context(t), s.conn)
	says(t, err, connector.ErrUnsafe, "same WWID")
	if left := s.list("session "); len(left) != 1 || !strings.Contains(left[0], "other") {
		t.Errorf("sessions: %v", left)
	}
}

// The same where multipathd made one map over both: ours is given back, the
// other is left alone.
func TestPretendTwinInAMap(t *testing.T) {
	s := onePath(t)
	other := s.m.Target("iqn.2010-10.org.example:other", "192.0.2.77:3260")
	other.Export(0, s.disk)
	s.m.Login(other, "192.0.2.77:3260", true)
	_, err := s.Connect(hosttest.Context(t), s.conn)
	says(t, err, connector.ErrUnsafe)
	if left := s.list("session "); len(left) != 1 || !strings.Contains(left[0], "other") {
		t.Errorf("sessions: %v", left)
	}
}

// An earlier export's map is left without paths, with this volume's name.
func TestPretendGhostMap_F2(t *testing.T) {
	for _, held := range []bool{false, true} {
		s := twoPaths(t)
		src := s.connect(t, s.conn)
		s.bothPaths(t)
		s.m.Set(func(f *pretend.Faults) { f.KeepsMaps = true })
		s.command(t, "iscsiadm -m node -T "+iqn+" --logout")
		s.await(t, "a ghost", func() bool { return len(s.m.PathsOfMaps()) == 0 })
		s.m.Set(func(f *pretend.Faults) { f.KeepsMaps = false })
		if !held {
			again := s.connect(t, s.conn)
			if again.Proof["wwid"] != src.Proof["wwid"] {
				t.Errorf("%v; want %v", again, src)
			}
		} else {
			// Its new disks join it: it is the same volume.
			release := s.hold(t, src.Device)
			if again := s.connect(t, s.conn); again.Device != src.Device {
				t.Errorf("%v; want %v", again, src)
			}
			says(t, s.Disconnect(hosttest.Context(t), s.conn), connector.ErrBusy)
			release()
		}
		conn := s.conn
		conn.Proven = src.Proof
		s.disconnect(t, conn)
		s.nothing(t)
	}
}

// A map that already has another volume's disk in it is never given out.
func TestPretendMixedMap_A5(t *testing.T) {
	s := twoPaths(t)
	src := s.connect(t, s.conn)
	s.bothPaths(t)
	s.target.ExportAt(portal2, 1, s.m.Disk(hosttest.GiB))
	s.rescanAll(t)
	_, err := s.Find(hosttest.Context(t), s.conn)
	says(t, err, connector.ErrUnsafe, s.disk.WWID)
	_, err = s.Connect(hosttest.Context(t), s.conn)
	says(t, err, connector.ErrUnsafe)
	if _, err := os.Stat(s.m.Host.Path(src.Device)); err != nil {
		t.Errorf("the map went: %v", err)
	}
}

// Other units of the target stay out, and no scan names more than the one.
func TestPretendNobodyScansForMore(t *testing.T) {
	s := twoPaths(t)
	s.target.Export(2, s.m.Disk(hosttest.GiB))
	s.target.Export(3, s.m.Disk(hosttest.GiB))
	s.connect(t, s.conn)
	s.bothPaths(t)
	if disks := s.list("disk "); len(disks) != 2 {
		t.Errorf("disks: %v", disks)
	}
	for _, scan := range s.m.Scans() {
		if scan != "0 0 1" {
			t.Errorf("scanned %q", scan)
		}
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// Off means one path even where the cloud names two.
func TestPretendDeadFirstPortal(t *testing.T) {
	s := newScene(t, iscsi.Off, portal1, portal2)
	s.m.Set(func(f *pretend.Faults) { f.DeadPortals = []string{portal1} })
	src := s.connect(t, s.conn)
	if src.Proof["path"] != portal2 {
		t.Errorf("proof: %v", src.Proof)
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// mark writes a text to the beginning of a disk, behind everybody's back.
func mark(t *testing.T, d *pretend.Disk, text string) {
	t.Helper()
	f, err := os.OpenFile(d.Image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) command(t *testing.T, words string) {
	t.Helper()
	if res, err := s.m.Command(hosttest.Context(t), words); err != nil || res.ExitCode != 0 {
		t.Fatalf("%s: %v, %d: %s", words, err, res.ExitCode, res.LastWords())
	}
}

// rescanAll has the kernel ask every disk who it is.
func (s *scene) rescanAll(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob(s.m.Host.Path("sys/bus/scsi/devices/*:*/rescan"))
	for _, file := range files {
		if err := os.WriteFile(file, []byte("1\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// within returns a context that ends after d, and with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(hosttest.Context(t), d)
	t.Cleanup(cancel)
	return ctx
}
