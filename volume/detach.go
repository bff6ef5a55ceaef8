package volume

import (
	"context"
	"errors"
	"time"

	"github.com/openstack/fuxi/connector"
)

// Unmount takes away one reference of a user. The last one unmounts the
// volume; the device lingers and is given back in the background. It never
// needs the cloud. An unknown volume or user is success: Docker sends Unmount
// for ids of before a reboot.
func (s *Service) Unmount(ctx context.Context, name, user string) error {
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	v, ok := s.registry.resolve(name)
	h := s.known(v.Key)
	if !ok || h == nil {
		return s.unmountForeign(ctx, name)
	}
	if !h.hasUser(user) {
		return nil
	}
	// A caller who hangs up half way must not leave a volume that nobody uses
	// mounted.
	return s.background(ctx, "unmounting "+name, func(ctx context.Context) error {
		if err := h.lock.acquire(ctx, "unmount"); err != nil {
			return err
		}
		defer h.lock.release()
		return s.unmountLocked(ctx, h, user)
	})
}

func (s *Service) unmountLocked(ctx context.Context, h *handle, user string) error {
	if h.rec.Users[user].Count == 0 {
		return nil // another Unmount was faster, and more may have happened since
	}
	h.rec.drop(user)
	if len(h.rec.Users) > 0 || h.recovered {
		s.announceIfPossible(ctx, h, h.rec.Step)
		return nil
	}
	err := s.unmountNow(ctx, h)
	s.startLinger(h, s.cfg.Linger) // which tries again what failed
	if errors.Is(err, ErrInUse) {
		return nil
	}
	return err
}

// unmountForeign takes down a mount whose record belongs to another machine or
// cloud: the mount is this kernel's, whatever the record says.
func (s *Service) unmountForeign(ctx context.Context, name string) error {
	s.mu.Lock()
	rec := s.foreign[name]
	s.mu.Unlock()
	if rec == nil {
		return nil
	}
	if err := s.fs.Unmount(ctx, s.targetOf(rec.Volume), s.stagingOf(rec.Volume.Key)); err != nil {
		return wrap(err, "unmounting %s", name)
	}
	return nil
}

// unmountNow announces and unmounts. A mount that somebody still uses stays,
// and is tried again later: ErrInUse. The caller owns the lock.
func (s *Service) unmountNow(ctx context.Context, h *handle) error {
	s.announceIfPossible(ctx, h, StepUnmounting)
	err := s.fs.Unmount(ctx, h.rec.Target, s.stagingOf(h.key))
	if err != nil {
		err = wrap(err, "unmounting %s from %s", h.rec.Volume.Name, h.rec.Target)
		s.failed(h, err)
		return err
	}
	// Not written: the kernel's mount table says it, and it is believed first.
	h.rec.Step, h.rec.Since = StepConnected, time.Now().UTC()
	h.clearError()
	h.show("")
	return nil
}

// detach gives everything back: mount, device, attachment, in this order and
// each only when the one before is proven gone. The caller owns the lock.
func (s *Service) detach(ctx context.Context, h *handle) error {
	// A crash between the mount and its showing leaves the first without the
	// second.
	for _, point := range []string{h.rec.Target, s.stagingOf(h.key)} {
		m, err := s.mountedAt(ctx, point)
		if err != nil {
			return err
		}
		if m != nil && h.rec.Source != nil && !shows(*m, *h.rec.Source) {
			return Errorf(ErrUnsafe, "%s shows %s, which is not the device of %s (%s): it is left alone; unmount it by hand", m.Target, first(m.Device, m.Export), h.rec.Volume.Name, place(*h.rec.Source))
		}
		if m != nil {
			if err := s.unmountNow(ctx, h); err != nil {
				return err
			}
		}
	}
	if !h.rec.attached() {
		return nil
	}
	if err := s.announce(ctx, h, StepDetaching); err != nil {
		return err
	}
	if err := s.disconnect(ctx, h); err != nil {
		return err
	}
	return s.releaseAttachment(ctx, h)
}

// busyTries of Disconnect take some three seconds beside their own waiting.
const busyTries = 8

func (s *Service) disconnect(ctx context.Context, h *handle) error {
	if h.rec.Connection == nil {
		return nil
	}
	c, err := s.connector(h.key, h.rec.Connection.Driver)
	if err != nil && h.rec.Source == nil {
		return nil // what this fuxi cannot connect it has not connected
	}
	if err != nil {
		return err
	}
	// A process in another mount namespace can hold a filesystem that is
	// unmounted here; the exclusive open inside Disconnect finds it out.
	// A starting container copies all mounts for a moment before it drops them:
	// busy is believed only when it lasts.
	err = c.Disconnect(ctx, h.rec.connection())
	for try := 0; try < busyTries && errors.Is(err, connector.ErrBusy) && pause(ctx, try) == nil; try++ {
		err = c.Disconnect(ctx, h.rec.connection())
	}
	if err != nil {
		if errors.Is(err, connector.ErrBusy) && h.rec.Source != nil {
			holders, _ := s.fs.Holders(ctx, *h.rec.Source)
			return wrap(err, "disconnecting %s, which is still held by %v", h.rec.Volume.Name, holders)
		}
		return wrap(err, "disconnecting %s", h.rec.Volume.Name)
	}
	return nil
}

func (s *Service) releaseAttachment(ctx context.Context, h *handle) error {
	if !h.rec.Reserving.IsZero() && h.rec.Attachment == "" {
		if err := s.releaseLost(ctx, h); err != nil {
			return err
		}
	}
	if err := s.unclaim(ctx, h); err != nil {
		return err
	}
	if h.rec.Attachment != "" {
		if err := s.of(h.key).Attacher.Release(ctx, h.rec.Attachment); err != nil {
			return wrap(err, "giving back %s", h.rec.Volume.Name)
		}
	}
	h.rec.forgetAttachment()
	h.clearError()
	s.registry.restate(h.key, "available")
	return s.announce(ctx, h, StepIdle)
}

// releaseLost finds and deletes a reservation whose id never arrived, under
// the same rule as a mount that waits for it.
func (s *Service) releaseLost(ctx context.Context, h *handle) error {
	id, err := s.reclaim(ctx, h, true)
	if err != nil {
		return wrap(err, "looking for a lost attachment of %s", h.rec.Volume.Name)
	}
	if id != "" {
		h.rec.Attachment = id // which the caller releases
		return nil
	}
	w := &releaseWait{s: s, h: h}
	for try := 0; ; try++ {
		v, err := s.of(h.key).Provider.Get(ctx, h.rec.Volume.ID)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return wrap(err, "looking for a lost reservation of %s", h.rec.Volume.Name)
		}
		s.registry.put(v, time.Now())
		w.watchOrphan(ctx, v, v.Status == "reserved")
		if v.Status != "reserved" || w.orphan == "" && try > 0 {
			return nil
		}
		if err := pause(ctx, try); err != nil {
			return Errorf(ErrUnavailable, "a lost reservation of %s is not %s old yet", h.rec.Volume.Name, s.cfg.ReservationAge)
		}
	}
}

// giveBack undoes a failed mount as far as it got and returns the cause, with
// what could not be undone. It works on even if the cause was a deadline.
func (s *Service) giveBack(ctx context.Context, h *handle, cause error) error {
	if !h.rec.attached() || errors.Is(s.base.Err(), context.Canceled) {
		return cause
	}
	if h.grows() {
		s.startLinger(h, s.retryAfter(h))
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if err := s.detach(ctx, h); err != nil {
		s.startLinger(h, s.retryAfter(h))
		var other *elsewhereError
		if errors.As(cause, &other) {
			return err
		}
		kind := KindOf(cause)
		if kind == nil {
			kind = ErrUnavailable
		}
		return &Error{Kind: kind, Text: cause.Error() + " (and giving it back failed, which is retried: " + err.Error() + ")", Err: cause}
	}
	return cause
}

// announceIfPossible is for letting go of a mount, which must work on a full
// disk too: a mount that is gone needs no record, since the next start asks
// the kernel first.
func (s *Service) announceIfPossible(ctx context.Context, h *handle, step Step) {
	if err := s.announce(ctx, h, step); err != nil {
		s.events.add(h.rec.Volume.Name, "unmounting without a record of it: %v", err)
	}
}
