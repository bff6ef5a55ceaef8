package volume

import (
	"context"
	"errors"

	"github.com/openstack/fuxi/connector"
)

// onThisHost has device and filesystem follow the size that the cloud's volume
// has, as far as they are here.
func (g *growth) onThisHost(ctx context.Context, v Volume) (reached Reach, err error) {
	err = g.withLock(ctx, func() error {
		g.h.rec.Volume.SizeGiB = v.SizeGiB
		reached, err = g.follow(ctx, v.SizeGiB)
		if err != nil {
			g.s.failed(g.h, err)
			g.s.events.add(g.name, "not grown to %d GiB: %v", v.SizeGiB, err)
		}
		return err
	})
	return reached, err
}

// follow owns the volume's lock.
func (g *growth) follow(ctx context.Context, size int) (Reach, error) {
	h, s := g.h, g.s
	if h.rec.Connection == nil || h.rec.BootID != s.cfg.BootID {
		return ReachCloud, nil
	}
	if h.rec.Volume.shared() { // its server has made it larger, for all who have it mounted
		h.rec.Connection.SizeGiB = size
		return ReachFilesystem, g.followed(ctx)
	}
	c, err := s.connector(h.key, h.rec.Connection.Driver)
	if err != nil {
		return "", err
	}
	resizer, ok := c.(connector.Resizer)
	if !ok {
		h.rec.Grow = 0
		return ReachHidden, s.announce(ctx, h, h.rec.Step)
	}
	src, err := g.device(ctx, resizer, size)
	if errors.Is(err, connector.ErrNotConnected) {
		return ReachCloud, g.followed(ctx)
	}
	if err != nil {
		return "", wrap(err, "the cloud's volume has %d GiB; having the device of %s follow", size, g.name)
	}
	reached, err := g.filesystem(ctx, src)
	if err != nil {
		return "", wrap(err, "the cloud's volume and its device %s have %d GiB; having the filesystem of %s follow", src.Device, size, g.name)
	}
	return reached, g.followed(ctx)
}

// device journals the new size before the device gets it: what a crash leaves
// is a device smaller than the record says, which every later look at it
// corrects (findSource), and never one that only the cloud could explain.
func (g *growth) device(ctx context.Context, resizer connector.Resizer, size int) (connector.Source, error) {
	h := g.h
	h.rec.Connection.SizeGiB, h.rec.Grow = size, size
	if err := g.s.announce(ctx, h, h.rec.Step); err != nil {
		return connector.Source{}, err
	}
	src, err := resizer.Resize(ctx, h.rec.connection())
	if err == nil {
		h.rec.Source = &src
	}
	return src, err
}

// filesystem grows what is mounted here, believing the mount table alone.
func (g *growth) filesystem(ctx context.Context, src connector.Source) (Reach, error) {
	m, err := g.s.mountedAt(ctx, g.h.rec.Target)
	if err != nil {
		return "", err
	}
	if m == nil {
		return ReachDevice, nil
	}
	if m.Device != src.Device {
		return "", Errorf(ErrUnsafe, "%s shows %s, which is not the device of %s: it is left alone", m.Target, m.Device, g.name)
	}
	return ReachFilesystem, g.s.fs.Grow(ctx, src, m.Target)
}

// followed records that nothing is left to do.
func (g *growth) followed(ctx context.Context) error {
	g.h.rec.Grow = 0
	g.h.clearError()
	return g.s.announce(ctx, g.h, g.h.rec.Step)
}
