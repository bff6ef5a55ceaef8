package host

import (
	"context"
	"fmt"
	"time"

	"github.com/openstack/fuxi/trace"
)

// Pauses of the poll loop: devices usually appear within milliseconds, and a
// slow array must not be asked more than four times a second. What has not come
// within ten seconds is asked for once a second: each look costs processor time
// that containers want.
const (
	pollFirst  = 2 * time.Millisecond
	pollMost   = 250 * time.Millisecond
	pollLong   = 10 * time.Second
	pollRarely = time.Second
)

// Poll waits until ready answers true, asking at once and then with growing
// pauses (2 ms to 250 ms, a second after ten). It returns ready's error as it is, and at the end of
// ctx an error that says what was waited for and how long. Waiting is one
// crossing; an answer at once is none. This is the only loop that waits for a
// device.
func (h *Host) Poll(ctx context.Context, what string, ready func() (bool, error)) error {
	ok, err := ready()
	if ok || err != nil {
		return err
	}
	defer trace.Cross(ctx, trace.Wait, what)()
	begin := time.Now()
	most := pollMost
	for pause := pollFirst; ; pause = min(2*pause, most) {
		if time.Since(begin) > pollLong {
			most = pollRarely
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", time.Since(begin).Round(time.Millisecond), what, context.Cause(ctx))
		case <-time.After(pause):
		}
		if ok, err := ready(); ok || err != nil {
			return err
		}
	}
}
