package volume

import (
	"context"
	"slices"
	"time"
)

// settleName makes sure that the name means this volume before anything is
// written to it, and returns fresh marks whenever a format may follow.
func (s *Service) settleName(ctx context.Context, h *handle) (Volume, error) {
	v := h.rec.Volume
	if h.rec.Settled && (v.Marks.Formatted != nil || !v.Blank()) {
		return v, nil
	}
	all, err := s.listName(ctx, v.Name)
	if err != nil {
		return v, wrap(err, "making sure that %s is the only volume of its name", v.Name)
	}
	if !slices.ContainsFunc(all, func(o Volume) bool { return o.Key == v.Key }) && v.Marks.Name != "" {
		// Adopted under another cloud name: the list by name does not show it.
		own, err := s.backend.Provider.Get(ctx, v.ID)
		if err != nil {
			return v, wrap(err, "reading %s", v.Name)
		}
		all = append(all, own)
	}
	judgement, other, why := settle(v.Key, h.rec.Settled, all)
	switch judgement {
	case refuse:
		return v, Errorf(ErrConflict, "%s", why)
	case vanished:
		s.registry.forget(v.Key)
		return v, &elsewhereError{why: why}
	case yieldTo:
		return v, s.yield(ctx, h, other, why)
	}
	s.registry.put(other, time.Now())
	s.registry.bind(v.Name, v.Key)
	h.rec.Volume, h.rec.Settled = other, true
	return other, nil
}

// yield binds the name to the twin that has the better right and, when this
// host made the loser and nobody ever had it, removes the loser: it is marked
// as let go while our reservation still keeps everybody off it, so that no
// host that reserves it afterwards can believe in it.
func (s *Service) yield(ctx context.Context, h *handle, other Volume, why string) error {
	v := h.rec.Volume
	loser := h.rec.CreatedHere != "" && !h.rec.Given && v.Marks.Formatted == nil && v.Blank()
	if loser {
		_, err := s.backend.Provider.SetMarks(ctx, v.ID, MarkChange{Set: map[string]string{markReleased: s.stamp()}})
		loser = err == nil
	}
	s.registry.put(other, time.Now())
	s.registry.bind(v.Name, other.Key)
	if !loser {
		return &elsewhereError{why: why}
	}
	if err := s.releaseAttachment(ctx, h); err != nil {
		return err
	}
	if err := s.backend.Provider.Delete(ctx, v.ID); err != nil {
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
