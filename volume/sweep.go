package volume

import (
	"context"
	"maps"
	"time"
)

// A user is leaked when Docker died without an Unmount and will never send
// one. The kernel tells: no process outside our own mount namespace has the
// device mounted. It must say so for leakedAfter before users are dropped.
const (
	sweepEvery  = time.Minute
	leakedAfter = 10 * time.Minute
)

// sweepLoop looks for leaked users until ctx ends. A leaked reference costs a
// late detach, never data: what follows is an ordinary unmount, which the
// kernel refuses while anybody uses the volume.
func (s *Service) sweepLoop(ctx context.Context) {
	idle := map[Key]time.Time{}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweep(ctx, idle, time.Now())
		}
	}
}

// sweep is one look; idle remembers since when a used volume has no holder.
func (s *Service) sweep(ctx context.Context, idle map[Key]time.Time, now time.Time) {
	maps.DeleteFunc(idle, func(k Key, _ time.Time) bool { return s.known(k) == nil })
	for _, h := range s.allHandles() {
		shown := h.view.Load()
		if len(shown.users) == 0 || h.recovered || now.Sub(shown.since) < leakedAfter {
			delete(idle, h.key)
			continue
		}
		s.sweepOne(ctx, h, idle, now)
	}
}

func (s *Service) sweepOne(ctx context.Context, h *handle, idle map[Key]time.Time, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if h.lock.acquire(ctx, "look for leaked users") != nil {
		return
	}
	defer h.lock.release()
	holders, err := s.holders(ctx, h)
	if err != nil || len(holders) > 0 || now.Sub(h.mountedAt) < leakedAfter {
		delete(idle, h.key)
		return
	}
	since, ok := idle[h.key]
	if !ok {
		idle[h.key] = now
		return
	}
	if now.Sub(since) < leakedAfter {
		return
	}
	delete(idle, h.key)
	s.events.add(h.rec.Volume.Name, "%d users are leaked (no process has had the volume mounted for %s): it is given back", len(h.rec.Users), leakedAfter)
	h.rec.Users = map[string]User{}
	if err := s.unmountNow(ctx, h); err != nil {
		s.failed(h, err)
	}
	s.startLinger(h, s.cfg.Linger)
}
