package manila

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/openstack/fuxi/trace"
	"github.com/openstack/fuxi/volume"
)

// waiting paces the polls of one rule.
type waiting struct {
	ctx   context.Context
	stop  context.CancelFunc
	began time.Time
	pause time.Duration
	quiet time.Duration // the first pause at least
}

// Backends take from a tenth of a second to several seconds for a rule.
const (
	firstPoll = 100 * time.Millisecond
	slowPoll  = 2 * time.Second
)

// pace is how long one kind of change took the last time: the next one is not
// asked about long before. Most of the calls of a mount are such questions.
type pace struct{ last atomic.Int64 }

func (p *pace) note(took time.Duration) { p.last.Store(int64(took)) }

// quiet is how long nothing is asked: less than a change that is much faster
// than the one before would be late by.
func (p *pace) quiet() time.Duration { return min(time.Duration(p.last.Load())*2/3, slowPoll) }

func (p *Provider) wait(ctx context.Context) *waiting {
	ctx, stop := context.WithTimeout(ctx, p.cfg.RuleWait)
	return &waiting{ctx: ctx, stop: stop, began: time.Now(), pause: firstPoll}
}

// waitAsBefore paces the first poll by what the change took the last time.
func (p *Provider) waitAsBefore(ctx context.Context, last *pace) *waiting {
	w := p.wait(ctx)
	w.quiet = last.quiet()
	return w
}

// next pauses until the next poll; the error is the end of the time for it.
func (w *waiting) next() error {
	defer trace.Cross(w.ctx, trace.Wait, "an access rule to change")()
	timer := time.NewTimer(max(w.pause, w.quiet))
	defer timer.Stop()
	if w.quiet > w.pause {
		w.quiet = 0
	} else {
		w.pause = min(w.pause*3/2, slowPoll)
	}
	select {
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (w *waiting) took() time.Duration { return time.Since(w.began).Round(time.Second) }

// tries is how often a request is made at which the cloud fails.
const tries = 4

// insist repeats a request that may be repeated while its outcome is in doubt:
// lost, or answered with 500. Manila's transactions collide when two hosts have
// rules of one share changed at once, and it does not try again by itself.
func (p *Provider) insist(ctx context.Context, do func() error) error {
	wait := p.wait(ctx)
	defer wait.stop()
	for try := 1; ; try++ {
		err := do()
		if !volume.IsAmbiguous(err) || try == tries || p.session.Health().Open || wait.next() != nil {
			return err
		}
	}
}
