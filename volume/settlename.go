package volume

import (
	"context"
	"errors"
	"slices"
	"time"
)

// settleName makes sure that the name means this volume before anything is
// written to it, and returns fresh marks whenever a format may follow.
func (s *Service) settleName(ctx context.Context, h *handle) (Volume, error) {
	v := h.rec.Volume
	if !v.Usable() {
		return v, s.lookAgain(ctx, v, "it was let go")
	}
	if h.ordered || h.rec.Settled && v.hasData() {
		return v, nil
	}
	if err := s.claim(ctx, h, v); err != nil {
		return v, err
	}
	all, err := s.listTwins(ctx, v)
	if err != nil {
		return v, wrap(err, "making sure that %s is the only volume of its name", v.Name)
	}
	if !slices.ContainsFunc(all, func(o Volume) bool { return o.Key == v.Key }) {
		// Its name in the cloud is another (adopted, renamed), or the list lies.
		own, err := s.of(v.Key).Provider.Get(ctx, v.ID)
		if errors.Is(err, ErrNotFound) {
			return v, s.lookAgain(ctx, v, "it was deleted")
		}
		if err != nil {
			return v, wrap(err, "reading %s", v.Name)
		}
		if own.Name != v.Name && !s.registry.isBound(v.Key) {
			s.registry.put(own, time.Now())
			return v, &elsewhereError{why: "its name in the cloud is " + own.Name + " now"}
		}
		own.Name = v.Name // bound here: the name is sticky
		all = append(all, own)
	}
	judgement, other, why := settle(v.Key, h.rec.Settled, all)
	switch judgement {
	case refuse:
		return v, Errorf(ErrConflict, "%s", why)
	case vanished:
		return v, s.lookAgain(ctx, v, why)
	case waitFor:
		return v, &elsewhereError{why: why, again: true}
	case yieldTo:
		return v, s.yield(ctx, h, other, why)
	}
	s.registry.put(other, time.Now())
	s.registry.bind(v.Name, v.Key)
	h.rec.Volume = other
	if other, err = s.markUsed(ctx, h, other); err != nil {
		return v, err
	}
	h.rec.Settled = true
	return other, nil
}

// lookAgain proves by id that the volume is not this name's any more, and only
// then lets go of it.
func (s *Service) lookAgain(ctx context.Context, v Volume, why string) error {
	fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return wrap(err, "reading %s", v.Name)
	case err == nil && fresh.Usable() && fresh.Marks.From == s.cfg.Cluster:
		s.registry.put(fresh, time.Now())
		return Errorf(ErrUnavailable, "the cloud's list does not show volume %s (%s), though it exists: try again", v.Name, v.ID)
	}
	s.registry.forget(v.Key)
	return &elsewhereError{why: why}
}

// yield binds the name to the twin that has the better right and, when this
// host made the loser and nobody ever had it, removes the loser: it is marked
// as let go while our reservation still keeps everybody off it, so that no
// host that reserves it afterwards can believe in it.
func (s *Service) yield(ctx context.Context, h *handle, other Volume, why string) error {
	v := h.rec.Volume
	loser := h.rec.CreatedHere != "" && !h.rec.Given && v.Marks.Formatted == nil && v.Blank()
	if loser {
		_, err := s.of(v.Key).Provider.SetMarks(ctx, v.ID, MarkChange{Set: map[string]string{markReleased: s.stamp()}})
		loser = err == nil
	}
	if loser && v.shared() {
		var err error
		if loser, err = s.stillSurplus(ctx, v); err != nil {
			return wrap(err, "looking whether share %s (%s), which another has the better right to the name of, is used", v.Name, v.ID)
		}
	}
	s.registry.put(other, time.Now())
	s.registry.bind(v.Name, other.Key)
	if !loser {
		return &elsewhereError{why: why}
	}
	if err := s.releaseAttachment(ctx, h); err != nil {
		return err
	}
	if err := s.of(v.Key).Provider.Delete(ctx, v.ID); err != nil {
		s.events.add(v.Name, "the surplus volume %s, created here and never used, could not be deleted: %v", v.ID, err)
	}
	s.registry.forget(v.Key)
	s.dropHandle(v.Key)
	if err := s.journal.drop(ctx, v.Key); err != nil {
		return err
	}
	return &elsewhereError{why: why}
}

// stamp is the value of marks that say when and where: "TIME,HOST".
func (s *Service) stamp() string {
	return time.Now().UTC().Format(time.RFC3339) + "," + s.cfg.Host.Name
}
