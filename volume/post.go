package volume

import (
	"context"
	"errors"
	"time"
)

// post sends the request once. When its answer is lost, the cloud is asked
// what became of it: the nonce in the created mark tells our own volume.
func (s *Service) post(ctx context.Context, b *storage, req NewVolume) (Volume, error) {
	intent := createIntent{Origin: b.Origin, Name: req.Name, Nonce: req.Metadata[markCreated], At: time.Now().UTC()}
	if err := s.journal.putIntent(ctx, intent); err != nil {
		return Volume{}, err
	}
	v, err := b.Provider.Create(ctx, req)
	if err != nil && IsAmbiguous(err) {
		v, err = s.lostCreate(ctx, intent, err)
	}
	if err != nil {
		if IsAmbiguous(err) {
			s.mu.Lock()
			s.intents[req.Name] = intent // a later Create or start asks again
			s.mu.Unlock()
			return Volume{}, err
		}
		return Volume{}, errors.Join(b.explain(ctx, req, err), s.journal.dropIntent(ctx, req.Name))
	}
	if err := s.own(ctx, v, intent.Nonce); err != nil {
		return Volume{}, err
	}
	return v, s.journal.dropIntent(ctx, req.Name)
}

// own records that this host created v and binds the name to it, for now: the
// name is settled at the first mount.
func (s *Service) own(ctx context.Context, v Volume, nonce string) error {
	s.registry.put(v, time.Now())
	s.registry.bind(v.Name, v.Key)
	h := s.handle(v)
	if err := h.lock.acquire(ctx, "create"); err != nil {
		return err
	}
	defer h.lock.release()
	if s.known(h.key) != h {
		return Errorf(ErrNotFound, "volume %s (%s) was removed while its creation was being recorded", v.Name, v.ID)
	}
	h.rec.Volume, h.rec.CreatedHere = v, nonce
	h.rec.Volume.Metadata = nil
	return s.announce(ctx, h, h.rec.Step)
}

// lostGrace is how long after a broken connection a request may still be at
// work in the cloud. Before that, not being listed does not mean not made, and
// repeating the request would make a second volume.
const lostGrace = 5 * time.Second

// lostCreate looks for the volume of a request that got no answer.
func (s *Service) lostCreate(ctx context.Context, in createIntent, cause error) (Volume, error) {
	began := time.Now()
	for try := 0; ; try++ {
		all, err := s.listName(ctx, in.Name)
		for _, v := range all {
			if v.Marks.Created == in.Nonce {
				return v, nil
			}
		}
		if err == nil && time.Since(began) > lostGrace {
			return Volume{}, &Error{Kind: ErrUnavailable, Text: cause.Error() + "; the cloud shows no volume of this request, so it was not created: repeat the command", Err: nil}
		}
		if err != nil && try >= 7 || pause(ctx, try) != nil {
			return Volume{}, cause
		}
	}
}

// explain adds what only the cloud knows about a refused request.
func (st *storage) explain(ctx context.Context, req NewVolume, cause error) error {
	if !errors.Is(cause, ErrInvalid) && !errors.Is(cause, ErrNotFound) {
		return cause
	}
	if better := st.Provider.Check(ctx, req); errors.Is(better, ErrInvalid) {
		return better
	}
	return cause
}
