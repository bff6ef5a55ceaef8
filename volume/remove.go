package volume

import (
	"context"
	"errors"
	"time"

	"github.com/openstack/fuxi/connector"
)

// Remove deletes the volume, or lets go of it, as its policy says. What is
// gone already is success; success is never told for what was not done.
func (s *Service) Remove(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	return s.background(ctx, "removing "+name, func(ctx context.Context) error {
		if err := s.forgetUnmounted(ctx, name); err != nil {
			return err
		}
		v, err := s.findOnce(ctx, name)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		h := s.handle(v)
		if err := h.lock.acquire(ctx, "remove"); err != nil {
			return err
		}
		defer h.lock.release()
		return s.removeLocked(ctx, h)
	})
}

// findOnce is find without waiting for a cloud that is away.
func (s *Service) findOnce(ctx context.Context, name string) (Volume, error) {
	if v, ok := s.registry.resolve(name); ok {
		return v, nil
	}
	if err := s.ask(ctx, name); err != nil {
		return Volume{}, wrap(err, "looking for volume %s", name)
	}
	if v, ok := s.registry.resolve(name); ok {
		return v, nil
	}
	return Volume{}, noSuchVolume(name)
}

func (s *Service) removeLocked(ctx context.Context, h *handle) error {
	if s.known(h.key) != h {
		return nil // another Remove was faster
	}
	if v, ok := s.registry.get(h.key); ok {
		h.rec.Volume = v
	}
	if err := h.inUseUnknown(); err != nil {
		return err
	}
	h.cancelLinger()
	if err := s.free(ctx, h); err != nil {
		s.startLinger(h, s.cfg.Linger)
		return err
	}
	gone, err := s.certain(ctx, h)
	if gone {
		return s.forgetRemoved(ctx, h)
	}
	if err != nil {
		return err
	}
	if s.policy(h.rec.Volume) == OnRemoveRetain {
		if err := s.usedElsewhere(ctx, h); err != nil {
			return err
		}
		return s.letGo(ctx, h)
	}
	return s.deleteVolume(ctx, h)
}

// certain makes sure, before something is destroyed, that the volume is still
// what this host believes: its marks were read within the last refresh interval
// or are read now, and no other volume with data bears the name on a host that
// has not bound it. gone means that there is nothing of ours to remove.
func (s *Service) certain(ctx context.Context, h *handle) (gone bool, err error) {
	v := h.rec.Volume
	if seen, stale := s.registry.age(h.key); stale || time.Since(seen) > min(s.cfg.Refresh, time.Minute) {
		v, err = s.of(h.key).Provider.Get(ctx, h.key.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			return true, nil
		case err != nil:
			return false, wrap(err, "making sure that %s may be removed", h.rec.Volume.Name)
		case v.Marks.From != s.cfg.Cluster || !v.Usable():
			s.events.add(h.rec.Volume.Name, "volume %s was let go in the cloud; nothing was deleted", v.ID)
			return true, nil
		}
		s.registry.put(v, time.Now())
		v.Name = h.rec.Volume.Name
		h.rec.Volume = v
	}
	if twins := withData(s.registry.twins(v)); !h.rec.Settled && len(twins) > 0 {
		return false, Errorf(ErrConflict, "nothing was removed: %s", twinsText(v, twins))
	}
	return false, nil
}

// policy: what fuxi created is deleted unless its mark says otherwise; what it
// did not create is kept.
func (s *Service) policy(v Volume) string {
	switch {
	case v.Marks.OnRemove != "":
		return v.Marks.OnRemove
	case v.Marks.Created != "" && v.Marks.Adopted == "":
		return OnRemoveDelete
	}
	return OnRemoveRetain
}

// free detaches the volume from this host. Users that no process backs any
// more are leaked (Docker was killed) and do not count; live ones do.
func (s *Service) free(ctx context.Context, h *handle) error {
	if h.grows() {
		return Errorf(ErrConflict, "%s is just being grown: repeat the command when fuxi status no longer shows it", h.rec.Volume.Name)
	}
	if len(h.rec.Users) > 0 {
		holders, err := s.holders(ctx, h)
		if err != nil {
			return wrap(err, "finding out who uses %s", h.rec.Volume.Name)
		}
		if len(holders) > 0 {
			return Errorf(ErrInUse, "%s is in use on this host by %v: stop it first", h.rec.Volume.Name, holders)
		}
		s.events.add(h.rec.Volume.Name, "%d users that no process backs any more were dropped", len(h.rec.Users))
		h.rec.Users = map[string]User{}
	}
	return s.detach(ctx, h)
}

func (s *Service) holders(ctx context.Context, h *handle) ([]string, error) {
	if h.rec.Source == nil {
		m, err := s.mountedAt(ctx, h.rec.Target)
		if err != nil || m == nil {
			return nil, err
		}
		h.rec.Source = &connector.Source{Device: m.Device, Export: m.Export}
	}
	return s.fs.Holders(ctx, *h.rec.Source)
}

// letGo replaces the marks by `released`: the name is free, the bytes stay,
// and the volume comes back only by its id. The marks that describe the disk
// itself (filesystem, subdirectory) stay for that day.
func (s *Service) letGo(ctx context.Context, h *handle) error {
	fresh, err := s.of(h.key).Provider.Get(ctx, h.key.ID)
	if errors.Is(err, ErrNotFound) {
		return s.forgetRemoved(ctx, h)
	}
	if err != nil {
		return wrap(err, "letting go of %s", h.rec.Volume.Name)
	}
	if len(fresh.Attachments) > 0 {
		return Errorf(ErrInUse, "%s (%s) is not removed: it is attached to %s", fresh.Name, fresh.ID, fresh.Attachments[0].holder())
	}
	change := MarkChange{
		Set: map[string]string{markReleased: s.stamp()},
		Unset: []string{markFrom, markSchema, markCreated, markAdopted, markFormatting, markOpts,
			markOnRemove, markName, markPristine},
		Known: fresh.Metadata,
	}
	if _, err := s.of(h.key).Provider.SetMarks(ctx, fresh.ID, change); err != nil {
		return wrap(err, "letting go of %s", h.rec.Volume.Name)
	}
	s.events.add(fresh.Name, "volume %s is kept in the cloud without a name here; docker volume create -o volume_id=%s brings it back", fresh.ID, fresh.ID)
	return s.forgetRemoved(ctx, h)
}

func (s *Service) forgetRemoved(ctx context.Context, h *handle) error {
	name := h.rec.Volume.Name
	s.registry.forget(h.key)
	s.registry.noteAbsent(name)
	s.dropHandle(h.key)
	if err := s.journal.drop(ctx, h.key); err != nil {
		s.events.add(name, "%v", err)
	}
	return nil
}
