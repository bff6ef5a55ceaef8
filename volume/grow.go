package volume

import (
	"context"
	"fmt"
	"time"
)

// Grow makes a volume larger, in use or not: in the cloud, then on this host
// its device, then the filesystem that is mounted here. SizeGiB is the new
// total. What has the size already is left as it is, so an order that came
// half way is finished by repeating it. A smaller size is ErrInvalid, a volume
// that another host has ErrInUse.
func (s *Service) Grow(ctx context.Context, req GrowRequest) (Grown, error) {
	if err := CheckName(req.Name); err != nil {
		return Grown{}, err
	}
	if req.SizeGiB < 1 || req.SizeGiB > maxSizeGiB {
		return Grown{}, Errorf(ErrInvalid, "size %d: the size must be from 1 to %d GiB", req.SizeGiB, maxSizeGiB)
	}
	if err := s.awaitReady(ctx); err != nil {
		return Grown{}, err
	}
	var grown Grown
	err := s.background(ctx, fmt.Sprintf("growing %s to %d GiB", req.Name, req.SizeGiB), func(ctx context.Context) (err error) {
		grown, err = s.grow(ctx, req)
		return err
	})
	if err != nil {
		return Grown{}, err
	}
	return grown, nil
}

func (s *Service) grow(ctx context.Context, req GrowRequest) (Grown, error) {
	if err := s.forgetUnmounted(ctx, req.Name); err != nil {
		return Grown{}, err
	}
	v, err := s.findOnce(ctx, req.Name)
	if err != nil {
		return Grown{}, err
	}
	extender, ok := s.of(v.Key).Provider.(Extender)
	if !ok {
		return Grown{}, Errorf(ErrInvalid, "volumes of %s cannot be grown", v.Provider)
	}
	h := s.handle(v)
	if err := h.growth.acquire(ctx, "grow"); err != nil {
		return Grown{}, err
	}
	defer h.growth.release()
	if err := h.inUseUnknown(); err != nil {
		return Grown{}, err
	}
	g := &growth{s: s, h: h, extender: extender, name: req.Name, want: req.SizeGiB, until: time.Now().Add(s.cfg.WaitForRelease)}
	if v, err = g.inTheCloud(ctx); err != nil {
		return Grown{}, err
	}
	reached, err := g.onThisHost(ctx, v)
	return Grown{Name: req.Name, ID: v.ID, WasGiB: g.was, SizeGiB: v.SizeGiB, Reached: reached}, err
}

// finishGrowth follows, after a start, what the cloud has done of an order that
// a crash interrupted. It never orders by itself: size costs money, and whoever
// wants it repeats the command.
func (s *Service) finishGrowth(h *handle) {
	extender, ok := s.of(h.key).Provider.(Extender)
	for ok && s.base.Err() == nil {
		ctx, cancel := context.WithTimeout(s.base, workLimit)
		err := s.resumeGrowth(ctx, h, extender)
		cancel()
		if !s.cloudIsAway(err) {
			return
		}
	}
}

func (s *Service) resumeGrowth(ctx context.Context, h *handle, extender Extender) error {
	if err := h.growth.acquire(ctx, "finish growing"); err != nil {
		return err
	}
	defer h.growth.release()
	g := &growth{s: s, h: h, extender: extender, ordered: s.started}
	if err := g.withLock(ctx, func() error { g.name, g.want = h.rec.Volume.Name, h.rec.Grow; return nil }); err != nil || g.want == 0 {
		return err
	}
	g.doubt = Errorf(ErrUnavailable, "fuxi ended before the cloud was heard to extend %s to %d GiB, and it has not: repeat fuxi grow %s %d", g.name, g.want, g.name, g.want)
	v, err := g.inTheCloud(ctx)
	if err == nil {
		_, err = g.onThisHost(ctx, v)
	}
	return err
}

// growth is one order on its way. Its goroutine owns the handle's growth lock;
// the volume's lock it takes only for looks and for work on this host.
type growth struct {
	s        *Service
	h        *handle
	extender Extender
	name     string
	want     int       // GiB
	was      int       // GiB, at the first look
	until    time.Time // so long a status that does not allow it is waited out
	ordered  time.Time // when the cloud was asked to extend; zero before
	doubt    error     // why it is not known that the request arrived
}

func (g *growth) withLock(ctx context.Context, fn func() error) error {
	if err := g.h.lock.acquire(ctx, "grow"); err != nil {
		return err
	}
	defer g.h.lock.release()
	if g.s.known(g.h.key) != g.h {
		return Errorf(ErrConflict, "%s was removed meanwhile", g.name)
	}
	return fn()
}

// intend journals the order before it is sent, if anything here has to follow
// it.
func (g *growth) intend(ctx context.Context) error {
	return g.withLock(ctx, func() error {
		if g.h.rec.Connection == nil || g.h.rec.BootID != g.s.cfg.BootID {
			return nil
		}
		g.h.rec.Grow = g.want
		return g.s.announce(ctx, g.h, g.h.rec.Step)
	})
}

// drop forgets the order, which the cloud does not carry out, and returns why.
// Whoever gave it may have left: an order that was sent leaves an event.
func (g *growth) drop(ctx context.Context, why error) error {
	err := g.withLock(ctx, func() error {
		if g.h.rec.Grow == 0 {
			return nil
		}
		g.h.rec.Grow = 0
		return g.s.announce(ctx, g.h, g.h.rec.Step)
	})
	if err != nil {
		g.s.events.add(g.name, "the record of growing to %d GiB stays: %v", g.want, err)
	}
	if !g.ordered.IsZero() {
		g.s.events.add(g.name, "not grown to %d GiB: %v", g.want, why)
	}
	return why
}
