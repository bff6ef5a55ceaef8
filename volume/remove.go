package volume

import (
	"context"
	"errors"
	"time"
)

// deleteWait is how long Remove waits for the cloud to say that a volume is
// gone, within the minute that Docker gives it.
const deleteWait = 45 * time.Second

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
	if h.recovered {
		return Errorf(ErrInUse, "%s is mounted at %s by an earlier fuxi whose records are lost: unmount it by hand, then remove it", h.rec.Volume.Name, h.rec.Target)
	}
	h.cancelLinger()
	if err := s.free(ctx, h); err != nil {
		s.startLinger(h, s.cfg.Linger)
		return err
	}
	if s.policy(h.rec.Volume) == OnRemoveRetain {
		return s.letGo(ctx, h)
	}
	return s.deleteVolume(ctx, h)
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
		return nil, nil
	}
	return s.fs.Holders(ctx, *h.rec.Source)
}

// deleteVolume asks the cloud and waits for its 404. Still deleting is success
// as well: it is watched, and a failure becomes an event.
func (s *Service) deleteVolume(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if err := s.announce(ctx, h, StepDeleting); err != nil {
		return err
	}
	err := s.backend.Provider.Delete(ctx, v.ID)
	if err != nil {
		if jerr := s.announce(ctx, h, StepIdle); jerr != nil {
			return errors.Join(err, jerr)
		}
		return s.notDeleted(ctx, v, err)
	}
	status, err := s.untilDeleted(ctx, v)
	if err != nil {
		return err
	}
	if status != "" {
		s.events.add(v.Name, "volume %s is still %s; the cloud finishes it", v.ID, status)
	}
	return s.forgetRemoved(ctx, h)
}

// untilDeleted returns "" when the volume is gone, else its last status.
func (s *Service) untilDeleted(ctx context.Context, v Volume) (string, error) {
	until := time.Now().Add(deleteWait)
	status := "deleting"
	for try := 0; ; try++ {
		fresh, err := s.backend.Provider.Get(ctx, v.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			return "", nil
		case err == nil && fresh.Status == "error_deleting":
			return "", Errorf(ErrUnavailable, "the cloud failed to delete volume %s (%s), its status is error_deleting: see openstack volume message list, then repeat the command", v.Name, v.ID)
		case err == nil:
			status = fresh.Status
		}
		if time.Now().After(until) || pause(ctx, try) != nil {
			s.work.Go(func() { s.watchDeleting(v) })
			return status, nil
		}
	}
}

// watchDeleting reports what becomes of a volume whose deletion outlasted the
// command.
func (s *Service) watchDeleting(v Volume) {
	ctx, cancel := context.WithTimeout(s.base, workLimit)
	defer cancel()
	for try := 0; pause(ctx, try) == nil; try++ {
		fresh, err := s.backend.Provider.Get(ctx, v.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			s.events.add(v.Name, "volume %s is deleted now", v.ID)
			return
		case err == nil && fresh.Status == "error_deleting":
			s.registry.put(fresh, time.Now())
			s.events.add(v.Name, "the cloud failed to delete volume %s (error_deleting)", v.ID)
			return
		}
	}
}

// notDeleted explains a refusal with the holder's name.
func (s *Service) notDeleted(ctx context.Context, v Volume, cause error) error {
	if !errors.Is(cause, ErrInUse) && !errors.Is(cause, ErrConflict) {
		return wrap(cause, "deleting %s", v.Name)
	}
	fresh, err := s.backend.Provider.Get(ctx, v.ID)
	if err != nil || len(fresh.Attachments) == 0 {
		return wrap(cause, "deleting %s", v.Name)
	}
	s.registry.put(fresh, time.Now())
	return Errorf(ErrInUse, "%s (%s) is not removed: it is attached to %s; stop the container that uses it there first", v.Name, v.ID, fresh.Attachments[0].holder())
}

// letGo replaces the marks by `released`: the name is free, the bytes stay,
// and the volume comes back only by its id. The marks that describe the disk
// itself (filesystem, subdirectory) stay for that day.
func (s *Service) letGo(ctx context.Context, h *handle) error {
	fresh, err := s.backend.Provider.Get(ctx, h.key.ID)
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
	if _, err := s.backend.Provider.SetMarks(ctx, fresh.ID, change); err != nil {
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
