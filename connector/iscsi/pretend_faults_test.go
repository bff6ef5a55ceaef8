package iscsi_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// Every exit code of iscsiadm's manual page, at the login: the error has the
// code and the words, and for the known ones what to do; nothing is left.
func TestPretendExitCodesOfLogin(t *testing.T) {
	advice := map[int]string{4: "network", 5: "login failed", 8: "network", 18: "iscsid", 19: "refused", 20: "start iscsid", 24: "credentials"}
	s := onePath(t)
	for _, code := range []int{1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 255} {
		words := fmt.Sprintf("the words of code %d", code)
		s.m.Set(func(f *pretend.Faults) {
			f.Answers = []*pretend.Answer{{Match: "--login", Result: host.Result{ExitCode: code, Stderr: []byte(words + "\n")}}}
		})
		_, err := s.Connect(within(t, 10*time.Second), s.conn)
		want := []string{fmt.Sprint(code), advice[code]}
		if advice[code] == "" {
			want = append(want, words) // nobody knows better than iscsiadm
		}
		says(t, err, nil, want...)
		s.nothing(t)
	}
}

// Codes that are no failure, or that time heals.
func TestPretendExitCodesThatPass(t *testing.T) {
	s := onePath(t)
	s.m.Answer(&pretend.Answer{Match: "--login", Also: true, Times: 1, Result: host.Result{ExitCode: 15}})
	s.m.Set(func(f *pretend.Faults) { f.DatabaseBusy = 2 })
	s.connect(t, s.conn)
	s.m.Answer(&pretend.Answer{Match: "-u", Also: true, Times: 1, Result: host.Result{ExitCode: 21}})
	s.m.Set(func(f *pretend.Faults) { f.DatabaseBusy = 2 })
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// The database stays locked: the error says so, within the patience.
func TestPretendDatabaseLocked(t *testing.T) {
	t.Parallel()
	s := onePath(t)
	s.m.Set(func(f *pretend.Faults) { f.DatabaseBusy = 1000 })
	_, err := s.Connect(within(t, 30*time.Second), s.conn)
	s.m.Set(func(f *pretend.Faults) { f.DatabaseBusy = 0 })
	says(t, err, nil, "database", "6")
	s.disconnect(t, s.conn)
	s.nothing(t)
}

func TestPretendWrongSecretLeavesNothing(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		s.target.Password = "another"
		_, err := s.Connect(hosttest.Context(t), s.conn)
		says(t, err, nil, "credentials", "24", "somebody")
		s.nothing(t)
		for _, words := range s.m.Commands() {
			if strings.Contains(words, "s3cret") {
				t.Errorf("the password stands in a command: %s", words)
			}
		}
	}
}

func TestPretendIscsidDown(t *testing.T) {
	s := onePath(t)
	s.m.Set(func(f *pretend.Faults) { f.IscsidDown = true })
	_, err := s.Connect(hosttest.Context(t), s.conn)
	says(t, err, nil, "start iscsid")
	s.nothing(t)
	s.m.Set(func(f *pretend.Faults) { f.IscsidDown = false })
	s.connect(t, s.conn)
	s.m.Set(func(f *pretend.Faults) { f.IscsidDown = true })
	says(t, s.Disconnect(hosttest.Context(t), s.conn), nil, "start iscsid")
	s.m.Set(func(f *pretend.Faults) { f.IscsidDown = false })
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// F3: one of two portals is dead: the volume is there, the dead one is told of.
func TestPretendDeadPortal_F3(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	s.m.Set(func(f *pretend.Faults) { f.DeadPortals = []string{portal1} })
	src := s.connect(t, s.conn)
	s.await(t, "the notice of the dead portal", func() bool { return strings.Contains(s.noticed(), portal1) })
	if got, err := s.Find(hosttest.Context(t), s.conn); err != nil || got.Device != src.Device {
		t.Errorf("Find: %+v, %v", got, err)
	}
	s.m.Set(func(f *pretend.Faults) { f.DeadPortals = nil })
	s.await(t, "both paths in the map", func() bool {
		s.connect(t, s.conn) // fetches the missing path
		return len(s.m.PathsOfMaps()) == 2
	})
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// Disks come half a second after the scan.
func TestPretendLateDisks(t *testing.T) {
	for _, make := range []func(*testing.T) *scene{onePath, twoPaths} {
		s := make(t)
		s.m.Set(func(f *pretend.Faults) { f.Late = 500 * time.Millisecond })
		s.connect(t, s.conn)
		s.disconnect(t, s.conn)
		s.nothing(t)
	}
}

// The caller gives up while the disk is on its way: it must not come later.
func TestPretendLateDiskOfNobody(t *testing.T) {
	s := onePath(t)
	s.m.Set(func(f *pretend.Faults) { f.Late = 300 * time.Millisecond })
	_, err := s.Connect(within(t, 150*time.Millisecond), s.conn)
	says(t, err, context.DeadlineExceeded)
	time.Sleep(500 * time.Millisecond)
	s.nothing(t)
}

// iscsiadm is killed at the login, iscsid goes on and makes the session.
func TestPretendLoginGoesOnAlone(t *testing.T) {
	t.Parallel()
	s := onePath(t)
	s.m.Answer(&pretend.Answer{Match: "--login", Also: true, Times: 1, Hang: make(chan struct{})})
	_, err := s.Connect(within(t, 200*time.Millisecond), s.conn)
	if err == nil {
		t.Fatal("Connect succeeded")
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}

// A unit that the target does not show to us.
func TestPretendNoSuchUnit(t *testing.T) {
	t.Parallel()
	s := onePath(t)
	conn := s.connection("11111111-2d5e-4d4c-9a3f-0f6b52f1c002", 7)
	_, err := s.Connect(within(t, 2*time.Second), conn)
	says(t, err, nil)
	s.nothing(t)
	_, err = s.Connect(within(t, 30*time.Second), conn)
	says(t, err, nil, "no unit 7")
	s.nothing(t)
}

// multipathd does not run.
func TestPretendMultipathdDown(t *testing.T) {
	s := twoPaths(t)
	s.m.Set(func(f *pretend.Faults) { f.MultipathdDown = true })
	_, err := s.Connect(hosttest.Context(t), s.conn)
	says(t, err, connector.ErrUnsupported, "multipathd")
	s.nothing(t)
}

// The disk in use survives every Disconnect.
func TestPretendBusyStays(t *testing.T) {
	s := twoPaths(t)
	src := s.connect(t, s.conn)
	s.bothPaths(t)
	release := s.hold(t, src.Device)
	before := strings.Join(s.m.Leftovers(), "\n")
	says(t, s.Disconnect(hosttest.Context(t), s.conn), connector.ErrBusy)
	if after := strings.Join(s.m.Leftovers(), "\n"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := os.Stat(s.m.Host.Path(src.Device)); err != nil {
		t.Error(err)
	}
	release()
	s.disconnect(t, s.conn)
	s.nothing(t)
}
