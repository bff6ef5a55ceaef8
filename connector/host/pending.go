package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/openstack/fuxi/trace"
)

// callGrace is how long a system call may go on after its context ended before
// it is left behind: nearly all end within that, and then nothing is uncertain.
const callGrace = 250 * time.Millisecond

// pending knows the system calls that are under way, by what they act on. A
// mount of a dead disk or server hangs in the kernel and no signal ends it: it
// is left behind, and nobody else touches its target until it returned.
type pending struct {
	mu    sync.Mutex
	calls map[string]*call
}

type call struct {
	what  string
	since time.Time
	ended chan struct{}
}

// claim enters the call for its target, or returns the one that is under way.
func (p *pending) claim(target, what string) (mine, other *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.calls[target]; other != nil {
		return nil, other
	}
	if p.calls == nil {
		p.calls = make(map[string]*call)
	}
	mine = &call{what: what, since: time.Now(), ended: make(chan struct{})}
	p.calls[target] = mine
	return mine, nil
}

func (p *pending) release(target string, c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, target)
	close(c.ended)
}

// bounded makes one system call that may hang, as one crossing named what. At
// the end of ctx (and a short grace) it returns and leaves the call behind; when
// that one ends after all, late undoes what it did. A second call for the same
// target waits for the first.
func (h *Host) bounded(ctx context.Context, target, what string, act func() error, late func()) error {
	return h.boundedAs(ctx, trace.Host, target, what, act, late)
}

// boundedAs is bounded for a crossing of another kind.
func (h *Host) boundedAs(ctx context.Context, kind trace.Kind, target, what string, act func() error, late func()) error {
	mine, other := h.pending.claim(target, what)
	for other != nil {
		select {
		case <-other.ended:
		case <-ctx.Done():
			return fmt.Errorf("%s: an earlier %q hangs in the kernel for %s: %w", what, other.what,
				time.Since(other.since).Round(time.Millisecond), context.Cause(ctx))
		}
		mine, other = h.pending.claim(target, what)
	}
	if ctx.Err() != nil {
		h.pending.release(target, mine)
		return fmt.Errorf("%s: not started: %w", what, context.Cause(ctx))
	}
	done := trace.Cross(ctx, kind, what)
	return abandonable(ctx, what, func() error {
		err := act()
		done()
		return err
	}, func(err error, abandoned bool) {
		if abandoned && err == nil && late != nil {
			late()
		}
		h.pending.release(target, mine)
	})
}

// abandonable runs act beside the caller and leaves it behind when it goes on
// for a grace beyond the end of ctx. after is called when act ended, whenever
// that is. An act that had not begun when it was left behind never begins: the
// descriptors it meant may be somebody else's by then.
func abandonable(ctx context.Context, what string, act func() error, after func(err error, abandoned bool)) error {
	answer, left := make(chan error), make(chan struct{})
	go func() {
		select {
		case <-left:
			after(context.Canceled, true)
			return
		default:
		}
		err := act()
		select {
		case answer <- err:
			after(err, false)
		case <-left:
			after(err, true)
		}
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-answer:
		return err
	case <-time.After(callGrace):
		close(left)
		return fmt.Errorf("%s: hangs in the kernel and is left behind: %w", what, context.Cause(ctx))
	}
}
