package iscsi_test

import (
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
)

const second = "22222222-2d5e-4d4c-9a3f-0f6b52f1c003"

// Two volumes behind one target: detaching one keeps the session and the other.
func TestPretendSharedTarget_F2(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		s.target.Export(2, s.m.Disk(hosttest.GiB))
		other := s.connection(second, 2)
		s.connect(t, s.conn)
		kept := s.connect(t, other)
		sessions := len(s.list("session "))
		s.disconnect(t, s.conn)
		if got, err := s.Find(hosttest.Context(t), other); err != nil || got.Device != kept.Device {
			t.Errorf("the other volume: %+v, %v", got, err)
		}
		if now := len(s.list("session ")); now < 1 || now > sessions {
			t.Errorf("%d sessions, before %d", now, sessions)
		}
		s.disconnect(t, other)
		s.nothing(t)
	}
}

// F5: a portal with several sessions, as nr_sessions makes them.
func TestPretendSeveralSessions_F5(t *testing.T) {
	s := onePath(t)
	s.m.Login(s.target, portal1, false)
	s.m.Login(s.target, portal1, false)
	src := s.connect(t, s.conn)
	if got, err := s.Find(hosttest.Context(t), s.conn); err != nil || got.Device != src.Device {
		t.Errorf("Find: %+v, %v", got, err)
	}
	s.disconnect(t, s.conn)
	if disks := s.list("disk "); len(disks) > 0 {
		t.Errorf("disks: %v", disks)
	}
}

// An administrator's automatic session with other LUNs of the target was there
// before us: it stays, and so do they.
func TestPretendForeignSessionStays(t *testing.T) {
	s := onePath(t)
	theirs := s.m.Disk(hosttest.GiB)
	s.target.Export(1, nil)
	s.target.Export(5, theirs)
	s.m.Login(s.target, portal1, true)
	s.target.Export(1, s.disk)
	s.connect(t, s.conn)
	s.disconnect(t, s.conn)
	sessions, disks := s.list("session "), s.list("disk ")
	if len(sessions) != 1 || len(disks) != 1 || !strings.HasSuffix(disks[0], ":5") {
		t.Errorf("sessions %v, disks %v", sessions, disks)
	}
	if len(s.list("node record ")) != 1 {
		t.Errorf("the administrator's record: %v", s.m.Leftovers())
	}
}

// The session was ended by somebody else.
func TestPretendSessionGoneAlready(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		src := s.connect(t, s.conn)
		s.command(t, "iscsiadm -m node -T "+iqn+" --logout")
		conn := s.conn
		conn.Proven = src.Proof
		s.disconnect(t, conn)
		s.nothing(t)
	}
}

// The volume grew: every path and the map see it.
func TestPretendResize(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		src := s.connect(t, s.conn)
		if len(s.target.Portals) > 1 {
			s.bothPaths(t)
		}
		if err := s.disk.Grow(2 * hosttest.GiB); err != nil {
			t.Fatal(err)
		}
		conn := s.conn
		conn.SizeGiB = 2
		release := s.hold(t, src.Device)
		grown, err := s.Resize(hosttest.Context(t), conn)
		if err != nil || grown.SizeBytes != 2*hosttest.GiB || grown.Device != src.Device {
			t.Errorf("Resize: %+v, %v", grown, err)
		}
		if size, err := s.m.Host.DeviceSize(src.Device); err != nil || size != 2*hosttest.GiB {
			t.Errorf("the device has %d bytes, %v", size, err)
		}
		release()
		s.disconnect(t, conn)
		s.nothing(t)
	}
}
