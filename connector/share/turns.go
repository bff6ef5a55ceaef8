package share

import (
	"context"
	"sync"
	"time"
)

// turns lets one operation at a time work on a volume. One that hangs keeps only
// its own volume's turn.
type turns struct {
	mu      sync.Mutex
	volumes map[string]*turn
}

type turn struct {
	token chan struct{}
	users int // that have it or wait for it
}

// take waits for the volume's turn, no longer than ctx.
func (t *turns) take(ctx context.Context, volume string) (release func(), err error) {
	t.mu.Lock()
	if t.volumes == nil {
		t.volumes = map[string]*turn{}
	}
	mine := t.volumes[volume]
	if mine == nil {
		mine = &turn{token: make(chan struct{}, 1)}
		t.volumes[volume] = mine
	}
	mine.users++
	t.mu.Unlock()
	select {
	case mine.token <- struct{}{}:
		return func() { <-mine.token; t.leave(volume, mine) }, nil
	case <-ctx.Done():
		t.leave(volume, mine)
		return nil, context.Cause(ctx)
	}
}

func (t *turns) leave(volume string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.volumes, volume)
	}
}

// silences remembers since when the servers of shares that are to be
// disconnected have not answered.
type silences struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// begin returns when the silence began: now, if none was known.
func (s *silences) begin(volume string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	if s.since[volume].IsZero() {
		s.since[volume] = time.Now()
	}
	return s.since[volume]
}

func (s *silences) end(volume string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, volume)
}
