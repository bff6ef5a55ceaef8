package volume

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// fullEvery: every so many refreshes the whole list is read; the others ask
// only for what changed.
const fullEvery = 15

// overlap is subtracted from the time of the last look: the cloud's stamps
// tick in seconds and its clock may differ from ours.
const overlap = 30 * time.Second

// refreshState belongs to the refresh loop; mu of the Service guards it.
type refreshState struct {
	running  *refreshRun
	full     time.Time // when the last full list began
	last     time.Time // when the last successful look began
	newest   time.Time // newest updated_at seen, the cloud's clock
	interval time.Duration
	looks    int // since the last full list
}

// refreshRun is one look at the cloud that several may wait for.
type refreshRun struct {
	done chan struct{}
	err  error
}

// refreshLoop keeps the registry near the truth until ctx ends. Failures, and
// a cloud that asks for mercy, double the interval up to eight times.
func (s *Service) refreshLoop(ctx context.Context, st *storage) {
	for {
		err := s.refreshNow(ctx, st)
		s.mu.Lock()
		r := &st.refresh
		switch {
		case err == nil:
			r.interval = s.cfg.Refresh
		default:
			r.interval = min(max(r.interval, s.cfg.Refresh)*2, 8*s.cfg.Refresh)
		}
		wait := r.interval
		if err != nil && r.last.IsZero() {
			wait = min(wait, 5*time.Second) // nothing is known yet: the cloud may come up any moment
		}
		s.mu.Unlock()
		wait = wait*9/10 + rand.N(wait/5+1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// refreshNow runs one look, or joins the one that runs: never two at once.
func (s *Service) refreshNow(ctx context.Context, st *storage) error {
	s.mu.Lock()
	run := st.refresh.running
	if run == nil {
		run = &refreshRun{done: make(chan struct{})}
		st.refresh.running = run
		s.work.Go(func() { s.look(st, run) })
	}
	s.mu.Unlock()
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return Errorf(ErrUnavailable, "the cloud has not answered yet")
	}
}

func (s *Service) look(st *storage, run *refreshRun) {
	ctx, cancel := context.WithTimeout(s.base, 5*time.Minute)
	defer cancel()
	began := time.Now()
	s.mu.Lock()
	full := st.refresh.full.IsZero() || st.refresh.looks >= fullEvery-1
	since := st.refresh.newest
	s.mu.Unlock()
	q := Query{ChangedSince: since.Add(-overlap)}
	if full || since.IsZero() {
		full, q = true, Query{}
	}
	newest := since
	err := st.Provider.List(ctx, q, func(page []Volume) error {
		for _, v := range page {
			newest = later(newest, later(v.CreatedAt, v.UpdatedAt))
			s.seen(v, began)
		}
		return nil
	})
	if err == nil && full {
		err = s.afterFull(ctx, st, began)
	}
	s.mu.Lock()
	r := &st.refresh
	if err == nil {
		r.last, r.newest, r.looks = began, newest, r.looks+1
		if full {
			r.full, r.looks = began, 0
		}
	}
	r.running = nil
	s.mu.Unlock()
	if err == nil {
		if serr := s.registry.save(s.cfg.StateDir, s.origin()); serr != nil {
			s.events.add("", "the list of known volumes cannot be saved: %v", serr)
		}
	}
	run.err = err
	close(run.done)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// seen takes one volume of a list. What is let go or going away leaves the
// registry, unless this host still has something of it.
func (s *Service) seen(v Volume, at time.Time) {
	if v.Usable() || s.known(v.Key) != nil {
		s.registry.put(v, at)
		return
	}
	s.registry.forget(v.Key)
}

// afterFull looks at the volumes that a full list did not show. A list can lie
// (a cell away, a policy changed): each is asked for by id before it is
// forgotten, and when many vanish at once all are kept and an event is raised.
func (s *Service) afterFull(ctx context.Context, st *storage, began time.Time) error {
	missing, known := s.registry.markFull(st.Cloud, st.Name, began)
	s.registry.doubt(missing)
	limit := max(10, known/10)
	if len(missing) > limit {
		s.events.add("", "%d of %d volumes are missing from the cloud's list at once: all are kept and marked stale, and a few are asked for by id each time", len(missing), known)
		missing = missing[:10]
	}
	for _, v := range missing {
		if strings.HasPrefix(v.ID, recoveredPrefix) {
			continue
		}
		fresh, err := st.Provider.Get(ctx, v.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			s.vanished(ctx, v)
		case err != nil:
			// It stays doubted and is asked for next time: one volume must not
			// keep all others from being read.
		case fresh.Marks.From != s.cfg.Cluster || !fresh.Usable():
			s.vanished(ctx, v)
		default:
			s.registry.put(fresh, time.Now())
		}
	}
	return nil
}

// vanished lets go of a volume that the cloud does not know any more, unless
// this host has it attached: that is kept and shown.
func (s *Service) vanished(ctx context.Context, v Volume) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // whoever holds it now learns of it himself
	defer cancel()
	if err := s.forgetGone(ctx, v); err != nil {
		s.events.add(v.Name, "%v", err)
		return
	}
	s.events.add(v.Name, "volume %s is gone from the cloud", v.ID)
}
