package volume

import (
	"context"
	"time"
)

// startLinger gives the volume back after d, unless it is used by then.
func (s *Service) startLinger(h *handle, d time.Duration) {
	h.timerMu.Lock()
	defer h.timerMu.Unlock()
	if h.linger != nil {
		h.linger.Stop()
	}
	h.linger = time.AfterFunc(d, func() {
		if s.base.Err() != nil {
			return
		}
		s.work.Go(func() { s.lingerEnded(h) })
	})
}

// lingerIfUnused sees to it that what a failed operation left attached is given
// back some day.
func (s *Service) lingerIfUnused(h *handle) {
	if len(h.rec.Users) == 0 && !h.recovered && (h.rec.attached() || h.rec.Target != "") {
		s.startLinger(h, max(s.cfg.Linger, time.Second))
	}
}

func (h *handle) cancelLinger() {
	h.timerMu.Lock()
	defer h.timerMu.Unlock()
	if h.linger != nil {
		h.linger.Stop()
	}
}

// lingerEnded detaches an unused volume. While the cloud is away a linger does
// not expire, because what is given back now could not be had again.
func (s *Service) lingerEnded(h *handle) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	if !s.cloudAnswers(ctx, s.of(h.key)) {
		s.startLinger(h, s.retryAfter(h))
		return
	}
	if err := h.lock.acquire(ctx, "detach"); err != nil {
		s.startLinger(h, s.retryAfter(h))
		return
	}
	defer h.lock.release()
	if len(h.rec.Users) > 0 || h.recovered || s.known(h.key) != h {
		return
	}
	if h.grows() {
		s.startLinger(h, s.retryAfter(h))
		return
	}
	if err := s.detach(ctx, h); err != nil {
		s.failed(h, err)
		s.startLinger(h, s.retryAfter(h))
		return
	}
	h.timerMu.Lock()
	h.backoff = 0
	h.timerMu.Unlock()
}

// retryAfter grows from the linger time, at least a second, to a minute.
func (s *Service) retryAfter(h *handle) time.Duration {
	h.timerMu.Lock()
	defer h.timerMu.Unlock()
	h.backoff = min(max(2*h.backoff, s.cfg.Linger, time.Second), time.Minute)
	return h.backoff
}

// freshAnswer is how old the cloud's last answer may be for believing that it
// still answers.
const freshAnswer = 5 * time.Second

// cloudAnswers tells whether giving a volume back has a chance. When the last
// answer is older than a few seconds the next refresh is pulled forward: its
// one small list is the question.
func (s *Service) cloudAnswers(ctx context.Context, st *storage) bool {
	health := st.Health
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !health.Reachable(ctx) {
		return false
	}
	if health.LastError() == "" && time.Since(health.LastAnswer()) < freshAnswer {
		return true
	}
	return s.refreshNow(ctx, st) == nil
}
