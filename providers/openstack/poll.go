package openstack

import (
	"context"
	"math/rand/v2"
	"time"
)

// Schedule spaces the questions of a Poll: the pause starts at First and grows
// by Factor up to Max, each time spread by a quarter so that hosts that began
// together do not ask together.
type Schedule struct {
	First, Max time.Duration
	Factor     float64
}

// States is the schedule for waiting on a cloud state: 50 ms growing to 2 s.
func States() Schedule {
	return Schedule{First: 50 * time.Millisecond, Max: 2 * time.Second, Factor: 1.6}
}

// Poll asks at once and then by the schedule until ask says done or returns an
// error, which is returned as it is. When ctx ends first, its cause is.
func Poll(ctx context.Context, s Schedule, ask func(context.Context) (done bool, err error)) error {
	for pause := s.First; ; pause = min(time.Duration(float64(pause)*s.Factor), s.Max) {
		done, err := ask(ctx)
		if done || err != nil {
			return err
		}
		if !sleep(ctx, jitter(pause)) {
			return context.Cause(ctx)
		}
	}
}

// sleep waits and returns true, or false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jitter spreads d evenly over three to five quarters of it.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}
