package volume

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// startLingerFactor: after a start an unused attachment stays for so many
// linger times, so that Docker can start its containers on it.
const startLingerFactor = 12

// Run does the background work until ctx ends: it finishes what a crash left
// half done, refreshes the registry and looks for leaked users.
func (s *Service) Run(ctx context.Context) {
	s.reconcile()
	done := make(chan struct{})
	s.work.Go(func() { s.sweepLoop(ctx); close(done) })
	var loops sync.WaitGroup
	for _, st := range s.storages {
		loops.Go(func() { s.refreshLoop(ctx, st) })
	}
	loops.Wait()
	<-done
}

// reconcile starts the finishing of everything half done. Each volume waits
// for the cloud by itself; nothing here blocks a call of Docker's.
func (s *Service) reconcile() {
	for _, h := range s.allHandles() {
		shown := h.view.Load()
		if shown.growing > 0 {
			s.work.Go(func() { s.finishGrowth(h) })
		}
		switch {
		case h.recovered || len(shown.users) > 0:
		case shown.step == StepMounted, shown.step == StepConnected:
			s.startLinger(h, startLingerFactor*s.cfg.Linger)
		case shown.attached:
			s.startLinger(h, 0) // half an attach or half a detach: nobody ever used it
		case shown.step == StepDeleting:
			s.work.Go(func() { s.finishDelete(h) })
		}
	}
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.intents))
	s.mu.Unlock()
	for _, name := range names {
		s.work.Go(func() { s.finishCreate(name) })
	}
}

// finishDelete learns what became of a deletion that a crash interrupted. It
// never deletes by itself: the user repeats the command.
func (s *Service) finishDelete(h *handle) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	if h.lock.acquire(ctx, "finish a removal") != nil {
		return
	}
	defer h.lock.release()
	if s.known(h.key) != h || h.rec.Step != StepDeleting {
		return
	}
	for try := 0; ; try++ {
		v, err := s.of(h.key).Provider.Get(ctx, h.key.ID)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && v.Status == "deleting":
			_ = s.forgetRemoved(ctx, h)
			return
		case err == nil:
			err = s.putBack(ctx, h)
			if err != nil {
				s.failed(h, err)
				break
			}
			if v.shared() {
				v.Marks.Released = false // as it was read before it was put back
			}
			s.registry.put(v, time.Now())
			if err := s.announce(ctx, h, StepIdle); err != nil {
				s.failed(h, err)
			}
			return
		}
		if pause(ctx, try) != nil {
			return
		}
	}
}

// finishCreate settles an interrupted create request in the background. It
// waits for the name like a Create of Docker's, which does the same.
func (s *Service) finishCreate(name string) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	// What is left is shown by Status.
	_ = s.withName(ctx, name, "finish a create", func() error { return s.settleIntent(ctx, name) })
}

// settleIntent learns what became of a create request of this name, if one was
// interrupted: its volume is recognised by the nonce and becomes known. The
// caller owns the name's lock.
func (s *Service) settleIntent(ctx context.Context, name string) error {
	s.mu.Lock()
	in, interrupted := s.intents[name]
	s.mu.Unlock()
	for try := 0; interrupted; try++ {
		asked := time.Now()
		all, err := s.listName(ctx, name)
		if err == nil {
			s.learn(name, all, asked)
			i := slices.IndexFunc(all, func(v Volume) bool {
				return v.Marks.Created == in.Nonce && v.Usable() && !s.registry.forgottenSince(v.Key, asked)
			})
			if i >= 0 {
				err = s.own(ctx, all[i], in.Nonce)
			}
			if err == nil && (i >= 0 || time.Since(later(in.At, s.started)) > lostGrace) {
				if err = s.journal.dropIntent(ctx, name); err == nil {
					s.mu.Lock()
					delete(s.intents, name)
					s.mu.Unlock()
					return nil
				}
			}
		}
		if perr := pause(ctx, try); perr != nil {
			return Errorf(ErrUnavailable, "an earlier request to create %s was interrupted, and it is not known yet what became of it: %w", name, errors.Join(err, perr))
		}
	}
	return nil
}
