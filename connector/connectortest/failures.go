package connectortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/trace"
)

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
		s.nothingLeft(t, fmt.Sprintf("after the context ended at crossing %d (%v)", n, err))
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
