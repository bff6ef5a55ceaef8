// Package connectortest is the conformance suite of connectors: what the rest of
// fuxi relies on, tried on the real thing.
package connectortest

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// Subject is a connector and one volume it can reach.
type Subject struct {
	Connector connector.Connector
	// Connection is of a volume that exists, has its right size and is not
	// connected.
	Connection connector.Connection
	// Leftovers lists what of the volume is on this host; empty when nothing is.
	Leftovers func() []string
	// Hold keeps the connected device busy, as a mount would, until release is
	// called. Nil opens Source.Device exclusively.
	Hold func(t *testing.T, src connector.Source) (release func())
}

// Factory makes a fresh Subject; what it makes goes with the test.
type Factory func(t *testing.T) Subject

// Run runs the suite.
func Run(t *testing.T, factory Factory) {
	for name, test := range map[string]func(*testing.T, Subject){
		"NotConnected":      notConnected,
		"ConnectTwice":      connectTwice,
		"DisconnectTwice":   disconnectTwice,
		"Again":             again,
		"Busy":              busy,
		"WrongSize":         wrongSize,
		"Encrypted":         encrypted,
		"OddData":           oddData,
		"EndedContext":      endedContext,
		"Together":          together,
		"FailAtEachStep":    failAtEachStep,
		"DisconnectStopped": disconnectStopped,
	} {
		t.Run(name, func(t *testing.T) {
			s := factory(t)
			if s.Hold == nil {
				s.Hold = holdExclusively
			}
			test(t, s)
			if left := s.Leftovers(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func (s Subject) connect(t *testing.T) connector.Source {
	t.Helper()
	src, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	return src
}

func (s Subject) disconnect(t *testing.T) {
	t.Helper()
	if err := s.Connector.Disconnect(hosttest.Context(t), s.Connection); err != nil {
		t.Fatalf("Disconnect: %v", err)
	}
}

// find expects what Connect answered.
func (s Subject) find(t *testing.T, want connector.Source) {
	t.Helper()
	got, err := s.Connector.Find(hosttest.Context(t), s.Connection)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Find: %+v, %v; want %+v", got, err, want)
	}
}

func (s Subject) nothingLeft(t *testing.T, when string) {
	t.Helper()
	if left := s.Leftovers(); len(left) > 0 {
		t.Fatalf("left behind %s: %v", when, left)
	}
}

func notConnected(t *testing.T, s Subject) {
	if _, err := s.Connector.Find(hosttest.Context(t), s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("Find: %v, want ErrNotConnected", err)
	}
	s.disconnect(t)
}

func connectTwice(t *testing.T, s Subject) {
	first := s.connect(t)
	if first.Device == "" && first.Export == "" {
		t.Errorf("neither device nor export: %+v", first)
	}
	if first.Device != "" && first.SizeBytes < int64(s.Connection.SizeGiB)*hosttest.GiB {
		t.Errorf("size %d for %d GiB", first.SizeBytes, s.Connection.SizeGiB)
	}
	if len(first.Proof) == 0 {
		t.Error("no proof")
	}
	if second := s.connect(t); !reflect.DeepEqual(first, second) {
		t.Errorf("second Connect: %+v, first %+v", second, first)
	}
	s.find(t, first)
	s.disconnect(t)
}

func disconnectTwice(t *testing.T, s Subject) {
	s.connect(t)
	s.disconnect(t)
	s.disconnect(t)
	notConnected(t, s)
}

func again(t *testing.T, s Subject) {
	for range 3 {
		s.find(t, s.connect(t))
		s.disconnect(t)
		s.nothingLeft(t, "after Disconnect")
	}
}

func busy(t *testing.T, s Subject) {
	src := s.connect(t)
	release := s.Hold(t, src)
	if err := s.Connector.Disconnect(hosttest.Context(t), s.Connection); !errors.Is(err, connector.ErrBusy) {
		t.Errorf("Disconnect of a busy device: %v, want ErrBusy", err)
	}
	s.find(t, src)
	release()
	s.find(t, src)
	s.disconnect(t)
}

func holdExclusively(t *testing.T, src connector.Source) func() {
	fd, err := unix.Open(src.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	release := sync.OnceFunc(func() { unix.Close(fd) })
	t.Cleanup(release)
	return release
}

func together(t *testing.T, s Subject) {
	const callers = 8
	sources := make(chan connector.Source, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			src, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
			if err != nil {
				t.Errorf("Connect: %v", err)
			}
			sources <- src
		})
	}
	all.Wait()
	first := <-sources
	for range callers - 1 {
		if next := <-sources; !reflect.DeepEqual(first, next) {
			t.Errorf("got %+v and %+v", first, next)
		}
	}
	s.disconnect(t)
}
