package volume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/openstack/fuxi/trace"
)

// reserve claims the volume for this host: announce, ask, learn the id. When
// somebody else has it, it waits for wait_for_release.
func (s *Service) reserve(ctx context.Context, h *handle) error {
	lost := !h.rec.Reserving.IsZero()
	w := &releaseWait{s: s, h: h, until: time.Now().Add(s.cfg.WaitForRelease)}
	for try := 0; ; try++ {
		// One announcement lets one lost reservation be deleted: the next row
		// that looks the same is another host's.
		if announced := !h.rec.Reserving.IsZero(); !announced || try == 0 {
			if lost = lost && announced; !lost {
				h.rec.Reserving = time.Now().UTC()
			}
			if err := s.announce(ctx, h, StepReserving); err != nil {
				return err
			}
		}
		id, err := s.reclaim(ctx, h, lost)
		if err == nil && id == "" {
			id, err = s.of(h.key).Attacher.Reserve(ctx, h.rec.Volume.ID, false)
		}
		if err == nil {
			h.rec.Attachment, h.rec.Reserving = id, time.Time{}
			return s.announce(ctx, h, StepReserved)
		}
		switch {
		case IsAmbiguous(err):
			lost = true
		case errors.Is(err, ErrNotFound):
			return s.gone(ctx, h, lost, err)
		case !errors.Is(err, ErrInUse) && !errors.Is(err, ErrConflict):
			return s.notReserved(ctx, h, lost, wrap(err, "reserving %s", h.rec.Volume.Name))
		}
		if again, werr := w.wait(ctx, try, lost, err); !again {
			return s.notReserved(ctx, h, lost, werr)
		}
	}
}

// reclaim finds what an earlier Reserve made whose answer was lost, where the
// cloud can tell; "" when there is nothing of the kind.
func (s *Service) reclaim(ctx context.Context, h *handle, lost bool) (attachmentID string, err error) {
	r, ok := s.of(h.key).Attacher.(Reclaimer)
	if !ok || !lost {
		return "", nil
	}
	id, err := r.Reclaim(ctx, h.rec.Volume.ID)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return id, err
}

// notReserved takes the announcement back, unless a reservation of ours whose
// id never came may be out there: then the record keeps saying so.
func (s *Service) notReserved(ctx context.Context, h *handle, lost bool, err error) error {
	if lost {
		return err
	}
	h.rec.Reserving = time.Time{}
	if jerr := s.announce(ctx, h, StepIdle); jerr != nil {
		return errors.Join(err, jerr)
	}
	return err
}

// gone handles a 404 of the volume itself: the one proof that lets a bound
// name be looked up anew.
func (s *Service) gone(ctx context.Context, h *handle, lost bool, cause error) error {
	v := h.rec.Volume
	if _, err := s.of(v.Key).Provider.Get(ctx, v.ID); !errors.Is(err, ErrNotFound) {
		return s.notReserved(ctx, h, lost, wrap(cause, "reserving %s", v.Name))
	}
	s.registry.forget(v.Key)
	s.dropHandle(v.Key)
	if err := s.journal.drop(ctx, v.Key); err != nil {
		return err
	}
	s.events.add(v.Name, "volume %s was deleted in the cloud", v.ID)
	return &elsewhereError{why: fmt.Sprintf("volume %s was deleted in the cloud", v.ID)}
}

// releaseWait waits until a volume that somebody has becomes free.
type releaseWait struct {
	s     *Service
	h     *handle
	until time.Time
	// orphan is a reservation without owner that we keep seeing unchanged.
	orphan string
	since  time.Time
}

// wait looks at who has the volume and sleeps a little. It returns false with
// the final error when waiting is of no use any more.
func (w *releaseWait) wait(ctx context.Context, try int, lost bool, cause error) (bool, error) {
	v, err := w.s.of(w.h.key).Provider.Get(ctx, w.h.rec.Volume.ID)
	if err != nil {
		return false, wrap(err, "asking who has %s", w.h.rec.Volume.Name)
	}
	w.s.registry.put(v, time.Now())
	why, hopeless := w.holder(ctx, v, lost)
	if hopeless {
		return false, Errorf(ErrUnavailable, "%s cannot be attached: %s", v.Name, why)
	}
	own := lost && w.orphan != "" // our own reservation ages: that wait ends by itself
	if !own && time.Now().After(w.until) {
		if IsAmbiguous(cause) && len(v.Attachments) == 0 { // nobody has it: the cloud fails to hand it out
			return false, wrap(cause, "reserving %s (%s), which is %s, for %s", v.Name, v.ID, why, w.s.cfg.WaitForRelease)
		}
		return false, Errorf(ErrInUse, "%s (%s) is %s; waited %s for its release: stop the container that uses it there, or wait until that host lets go", v.Name, v.ID, why, w.s.cfg.WaitForRelease)
	}
	w.h.show(why)
	// Below a second: whoever waits here has a container that does not run.
	if err := pause(ctx, min(try, 7)); err != nil {
		return false, Errorf(ErrUnavailable, "%s (%s) is %s: %w", v.Name, v.ID, why, errors.Join(cause, err))
	}
	return true, nil
}

// holder says in words who has the volume; hopeless when no waiting helps.
func (w *releaseWait) holder(ctx context.Context, v Volume, lost bool) (why string, hopeless bool) {
	if len(v.Attachments) > 0 {
		a := v.Attachments[0]
		switch {
		case w.s.of(v.Key).here(a):
			return fmt.Sprintf("attached to this very server (%s) by somebody else than fuxi; if nothing here uses it, detach it: openstack server remove volume %s %s", a.Server, a.Server, v.ID), true
		case a.Holder == w.s.cfg.Host.Name:
			return fmt.Sprintf("attached to this host by attachment %s, which this state directory knows nothing of; if nothing here uses it, delete it: openstack --os-volume-api-version 3.27 volume attachment delete %s", a.ID, a.ID), true
		case a.Holder != "":
			return "attached to host " + a.Holder, false
		case a.Server != "":
			return "attached to server " + a.Server, false
		}
		return "attached by attachment " + a.ID, false
	}
	switch v.Status {
	case "available", "creating", "downloading":
		return "in status " + v.Status, false
	case "reserved", "attaching", "detaching":
		w.watchOrphan(ctx, v, lost)
		return "being attached or detached elsewhere (status " + v.Status + ")", false
	case "error", "error_restoring", "error_deleting", "error_extending":
		return fmt.Sprintf("its status is %s: see openstack volume show %s and ask the cloud's operator", v.Status, v.ID), true
	}
	return "in status " + v.Status, false
}

// watchOrphan deletes a reservation that this host asked for and whose id
// never arrived: only when the very same row has stayed `reserved` for
// reservation_age, because nothing in the row says whose it is.
func (w *releaseWait) watchOrphan(ctx context.Context, v Volume, lost bool) {
	if !lost {
		return
	}
	rows, err := w.s.of(v.Key).Attacher.Attachments(ctx, v.ID)
	if err != nil || len(rows) != 1 || rows[0].Status != "reserved" || rows[0].Server != "" {
		w.orphan = ""
		return
	}
	if rows[0].ID != w.orphan {
		w.orphan, w.since = rows[0].ID, time.Now()
	}
	if time.Since(w.since) < w.s.cfg.ReservationAge {
		return
	}
	if err := w.s.of(v.Key).Attacher.Release(ctx, w.orphan); err == nil {
		w.s.events.add(v.Name, "deleted reservation %s: this host had asked for one, its answer was lost, and it stayed unused for %s", w.orphan, w.s.cfg.ReservationAge)
		w.orphan, w.h.rec.Reserving = "", time.Time{}
	}
}

// pause sleeps before try+1: 50 ms growing by half to 2 s, with jitter so that
// two hosts that collided do not collide again. What a cloud takes seconds for
// is so noticed after at most half as long again.
func pause(ctx context.Context, try int) error {
	d := 50 * time.Millisecond
	for range min(try, 10) {
		d += d / 2
	}
	d = min(d, 2*time.Second)
	d = d/2 + rand.N(d)
	defer trace.Cross(ctx, trace.Wait, "a pause before asking again")()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
