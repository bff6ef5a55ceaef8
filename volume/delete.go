package volume

import (
	"context"
	"errors"
	"time"
)

// deleteWait is how long Remove waits for the cloud to say that a volume is
// gone, within the minute that Docker gives it.
const deleteWait = 45 * time.Second

// deleteVolume asks the cloud and waits for its 404. Still deleting is success
// as well: it is watched, and a failure becomes an event.
func (s *Service) deleteVolume(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if err := s.announce(ctx, h, StepDeleting); err != nil {
		return err
	}
	err := s.withdraw(ctx, h)
	if err == nil {
		if err = s.of(v.Key).Provider.Delete(ctx, v.ID); err != nil {
			err = errors.Join(err, s.putBack(ctx, h))
		}
	}
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
		fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
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
		fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
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
	fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
	if err != nil || len(fresh.Attachments) == 0 {
		return wrap(cause, "deleting %s", v.Name)
	}
	s.registry.put(fresh, time.Now())
	return Errorf(ErrInUse, "%s (%s) is not removed: it is attached to %s; stop the container that uses it there first", v.Name, v.ID, fresh.Attachments[0].holder())
}
