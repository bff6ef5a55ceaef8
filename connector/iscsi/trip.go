package iscsi

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tripLimit bounds everything that goes on in the background for one volume.
const tripLimit = 2 * time.Minute

// errSlow says that no path arrived within the head start.
var errSlow = errors.New("no path yet")

// trip is one Connect's logins, which go on when its caller has what it needs.
type trip struct {
	c       *Connector
	v       volume
	ctx     context.Context // of the logins: does not end with the caller
	cancel  context.CancelFunc
	arrived chan arrival
	waiting int  // logins that were started and not heard of
	handed  bool // somebody else follows it to its end
}

type arrival struct {
	path path
	err  error
}

func (c *Connector) newTrip(ctx context.Context, v volume) *trip {
	far, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), tripLimit, fmt.Errorf("given up after %s", tripLimit))
	return &trip{c: c, v: v, ctx: far, cancel: cancel, arrived: make(chan arrival, len(v.portals))}
}

// start begins with these portals, each by itself.
func (t *trip) start(ranks ...int) {
	for _, rank := range ranks {
		t.waiting++
		go func() {
			p, err := t.c.arrive(t.ctx, t.v, rank)
			t.arrived <- arrival{p, err}
		}()
	}
}

// next waits for one arrival. errSlow when none came within the patience, where
// there is one; at the end of ctx the logins are told to end as well.
func (t *trip) next(ctx context.Context, impatient bool, patience time.Duration) (path, error) {
	var slow <-chan time.Time
	if impatient {
		slow = time.After(patience)
	}
	select {
	case a := <-t.arrived:
		t.waiting--
		return a.path, a.err
	case <-slow:
		return path{}, errSlow
	case <-ctx.Done():
		t.cancel()
		a := <-t.arrived
		t.waiting--
		if a.err == nil {
			return a.path, context.Cause(ctx)
		}
		return path{}, fmt.Errorf("%w: %w", context.Cause(ctx), a.err)
	}
}

// end stops what is still on its way and waits for it, unless it was handed on.
func (t *trip) end() {
	if t.handed {
		return
	}
	t.cancel()
	for ; t.waiting > 0; t.waiting-- {
		<-t.arrived
	}
}

// stragglers are the paths of a volume that are still on their way after its
// Connect returned.
type stragglers struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// straggling tells whether paths of the volume are on their way.
func (c *Connector) straggling(volumeID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late[volumeID] != nil
}

// follow takes the rest of a trip over: paths that arrive join the map, or are
// given back when there is none (join is false). Disconnect and Close end it.
func (c *Connector) follow(t *trip, join bool) {
	t.handed = true
	s := &stragglers{cancel: t.cancel, done: make(chan struct{})}
	c.mu.Lock()
	if c.closed {
		t.cancel()
	}
	c.late[t.v.VolumeID] = s
	c.mu.Unlock()
	go func() {
		defer func() {
			t.cancel()
			c.mu.Lock()
			if c.late[t.v.VolumeID] == s {
				delete(c.late, t.v.VolumeID)
			}
			c.mu.Unlock()
			close(s.done)
		}()
		for ; t.waiting > 0; t.waiting-- {
			a := <-t.arrived
			if err := t.settle(a, join); err != nil && join && t.ctx.Err() == nil {
				c.notice(t.ctx, "a path of %s is missing: %v", t.v.VolumeID, err)
			}
		}
	}()
}

// settle makes an arrived path part of the volume, or gives it back.
func (t *trip) settle(a arrival, join bool) error {
	if a.err != nil {
		return a.err
	}
	if join {
		return t.c.joinMap(t.ctx, t.v, a.path)
	}
	undo, cancel := detached(t.ctx)
	defer cancel()
	return t.c.giveBack(undo, t.v, a.path)
}

// halt ends what is on its way for the volume and waits for it. A login that was
// sent is seen to its end, at most some seconds, because iscsid cannot be told
// to forget it.
func (c *Connector) halt(ctx context.Context, v volume) error {
	c.mu.Lock()
	s := c.late[v.VolumeID]
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	s.cancel()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a login is still on its way: %w", context.Cause(ctx))
	}
}
