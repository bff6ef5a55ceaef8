package volume

import (
	"context"
	"errors"
	"slices"
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
	s.refreshLoop(ctx)
	<-done
}

// reconcile starts the finishing of everything half done. Each volume waits
// for the cloud by itself; nothing here blocks a call of Docker's.
func (s *Service) reconcile() {
	for _, h := range s.allHandles() {
		shown := h.view.Load()
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
	intents := make([]createIntent, 0, len(s.intents))
	for _, in := range s.intents {
		intents = append(intents, in)
	}
	s.mu.Unlock()
	for _, in := range intents {
		s.work.Go(func() { s.finishCreate(in) })
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
		v, err := s.backend.Provider.Get(ctx, h.key.ID)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && v.Status == "deleting":
			_ = s.forgetRemoved(ctx, h)
			return
		case err == nil:
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

// finishCreate learns what became of a create request that a crash
// interrupted: its volume is recognised by the nonce and becomes known. It
// waits for the name like a Create of Docker's, which does the same.
func (s *Service) finishCreate(in createIntent) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	lock := s.nameLock(in.Name)
	if lock.acquire(ctx, "finish a create") != nil {
		return
	}
	defer lock.release()
	for try := 0; ; try++ {
		all, err := s.listName(ctx, in.Name)
		if err == nil {
			s.learn(in.Name, all)
			i := slices.IndexFunc(all, func(v Volume) bool { return v.Marks.Created == in.Nonce })
			if i >= 0 {
				err = s.own(ctx, all[i], in.Nonce)
			}
			if err == nil {
				err = s.journal.dropIntent(ctx, in.Name)
			}
			if err == nil {
				s.mu.Lock()
				delete(s.intents, in.Name)
				s.mu.Unlock()
				return
			}
		}
		if pause(ctx, try) != nil {
			return
		}
	}
}
