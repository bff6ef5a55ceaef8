// Package connectortest is the conformance suite of connectors: what the rest of
// fuxi relies on, tried on the real thing.
package connectortest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/trace"
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

func wrongSize(t *testing.T, s Subject) {
	for _, by := range []int{+1, -s.Connection.SizeGiB} {
		conn := s.Connection
		conn.SizeGiB += by
		if _, err := s.Connector.Connect(hosttest.Context(t), conn); err == nil {
			t.Errorf("Connect with %d GiB instead of %d succeeded", conn.SizeGiB, s.Connection.SizeGiB)
		} else if !errors.Is(err, connector.ErrUnsafe) {
			t.Errorf("Connect with a wrong size: %v, want ErrUnsafe", err)
		}
		s.nothingLeft(t, "after a wrong size")
	}
}

func encrypted(t *testing.T, s Subject) {
	s.Connection.Encrypted = true
	_, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
	if !errors.Is(err, connector.ErrUnsafe) && !errors.Is(err, connector.ErrUnsupported) {
		t.Errorf("Connect of an encrypted volume: %v", err)
	}
}

// oddData replaces each field of Data by values of every other JSON type.
func oddData(t *testing.T, s Subject) {
	odd := []any{nil, true, 3.5, "", "x\x00y", "../../etc", []any{"a", 1.0}, map[string]any{"a": nil}}
	for key := range s.Connection.Data {
		for _, value := range odd {
			conn := s.Connection
			conn.Data = map[string]any{}
			for k, v := range s.Connection.Data {
				conn.Data[k] = v
			}
			conn.Data[key] = value
			if _, err := s.Connector.Connect(hosttest.Context(t), conn); err == nil {
				if err := s.Connector.Disconnect(hosttest.Context(t), conn); err != nil {
					t.Errorf("%s=%v: Disconnect: %v", key, value, err)
				}
			}
			_, _ = s.Connector.Find(hosttest.Context(t), conn)
			s.nothingLeft(t, "after odd data")
		}
	}
	s.Connection.Data = nil
	if _, err := s.Connector.Connect(hosttest.Context(t), s.Connection); err == nil {
		t.Error("Connect without Data succeeded")
	}
}

func endedContext(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Connector.Connect(ctx, s.Connection); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect: %v, want context.Canceled", err)
	}
	s.nothingLeft(t, "after an ended context")
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

// failAtEachStep ends the context just before the n-th crossing, for every n
// until Connect gets through, and expects nothing to be left each time.
func failAtEachStep(t *testing.T, s Subject) {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		steps := &hosttest.Crossings{Before: func(i int, _ trace.Kind, _ string) {
			if i == n {
				cancel()
			}
		}}
		_, err := s.Connector.Connect(trace.WithRecorder(ctx, steps), s.Connection)
		reached := len(steps.List()) >= n
		cancel()
		if err == nil {
			s.disconnect(t)
		}
		s.nothingLeft(t, "after a failure")
		if !reached {
			return
		}
	}
}

// disconnectStopped ends the context at each crossing of Disconnect; the next
// call finishes the job.
func disconnectStopped(t *testing.T, s Subject) {
	for n := 1; ; n++ {
		s.connect(t)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		steps := &hosttest.Crossings{Before: func(i int, _ trace.Kind, _ string) {
			if i == n {
				cancel()
			}
		}}
		_ = s.Connector.Disconnect(trace.WithRecorder(ctx, steps), s.Connection)
		reached := len(steps.List()) >= n
		cancel()
		s.disconnect(t)
		s.nothingLeft(t, "after Disconnect")
		if !reached {
			return
		}
	}
}
