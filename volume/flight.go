package volume

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/openstack/fuxi/trace"
)

// flight is one bringing-up of a name, and all who wait for it.
type flight struct {
	name    string
	waiters []*waiter
	boarded bool // no more waiters: they are being counted
	done    chan struct{}
	target  string
	err     error
}

type waiter struct {
	user     string
	readOnly bool
	gone     bool
}

// join boards the flight of a name, starting one when there is none.
func (s *Service) join(name string, w *waiter) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.flights[name]
	if !ok {
		f = &flight{name: name, done: make(chan struct{})}
		s.flights[name] = f
		s.work.Go(func() { s.fly(f) })
	}
	f.waiters = append(f.waiters, w)
	return f
}

// leave takes a waiter out; false when it is too late for that.
func (s *Service) leave(f *flight, w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.boarded {
		return false
	}
	w.gone = true
	return true
}

// board closes the flight to newcomers and returns those still waiting.
func (s *Service) board(f *flight) []*waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.boarded = true
	if s.flights[f.name] == f {
		delete(s.flights, f.name)
	}
	var left []*waiter
	for _, w := range f.waiters {
		if !w.gone {
			left = append(left, w)
		}
	}
	return left
}

func (s *Service) fly(f *flight) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	steps := trace.NewSteps()
	ctx = trace.WithRecorder(ctx, steps)
	f.target, f.err = s.bringUp(ctx, f)
	s.board(f)
	close(f.done)
	s.log.Debug("mount steps", "volume", f.name, "error", f.err, "steps", steps.Summary())
}

// bringUp finds out which volume the name means and mounts that one. Settling
// the name may change the answer on the way, and a cloud that is away is
// waited for while anybody waits for the mount.
func (s *Service) bringUp(ctx context.Context, f *flight) (string, error) {
	until := time.Now().Add(patience)
	for try := 0; ; try++ {
		if err := s.forgetUnmounted(ctx, f.name); err != nil {
			return "", err
		}
		v, err := s.find(ctx, f.name)
		if err != nil {
			return "", err
		}
		target, err := s.mountLocked(ctx, s.handle(v), f)
		var other *elsewhereError
		switch {
		case errors.As(err, &other):
			if try >= 20 {
				return "", Errorf(ErrConflict, "the name %s could not be settled: %s", f.name, other.why)
			}
			if !other.again {
				s.events.add(f.name, "not volume %s: %s", v.ID, other.why)
			}
		case err == nil || !s.cloudIsAway(err) || time.Now().After(until) || !s.anybodyWaits(f):
			return target, err
		}
		if err := pause(ctx, try); err != nil {
			return "", Errorf(ErrUnavailable, "mounting %s: %w", f.name, err)
		}
	}
}

func (s *Service) anybodyWaits(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(f.waiters, func(w *waiter) bool { return !w.gone })
}

// elsewhereError says that the name turned out to mean another volume.
type elsewhereError struct {
	why   string
	again bool // it may mean this one after all: only another look can tell
}

func (e *elsewhereError) Error() string { return e.why }
