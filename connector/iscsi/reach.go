package iscsi

import (
	"context"
	"errors"
	"time"

	"github.com/openstack/fuxi/connector"
)

// headStart is how long one portal may take before the next is tried beside it,
// when one path is wanted.
const headStart = 2 * time.Second

// reachOne tries the portals in order, the next one beside the first when that
// one takes long, and takes the first that leads to the volume.
func (c *Connector) reachOne(ctx context.Context, v volume) (connector.Source, error) {
	t := c.newTrip(ctx, v)
	defer t.end()
	var failed []error
	for next := 0; ; {
		if next < len(v.portals) {
			t.start(next)
			next++
		}
		p, err := t.next(ctx, next < len(v.portals), headStart)
		switch {
		case errors.Is(err, errSlow):
			continue
		case err != nil:
			failed = append(failed, err)
			if ctx.Err() == nil && (next < len(v.portals) || t.waiting > 0) {
				continue
			}
			return connector.Source{}, errors.Join(failed...)
		}
		here, err := c.only(v, p)
		if err != nil {
			return connector.Source{}, err
		}
		if t.waiting > 0 {
			c.follow(t, false)
		}
		return c.again(ctx, v, here)
	}
}

// only returns the path, or, where the host's multipathd took the disk although
// nobody asked it to, the paths of that map.
func (c *Connector) only(v volume, p path) ([]path, error) {
	if _, mapped, err := c.host.MultipathOver(p.disk.Name); err != nil {
		return nil, err
	} else if mapped {
		return c.paths(v)
	}
	return []path{p}, nil
}

// reachMany logs in everywhere at once and returns when the map is usable over
// the first path.
func (c *Connector) reachMany(ctx context.Context, v volume) (connector.Source, error) {
	t := c.newTrip(ctx, v)
	defer t.end()
	for rank := range v.portals {
		t.start(rank)
	}
	var failed []error
	for t.waiting > 0 {
		p, err := t.next(ctx, false, 0)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		err = c.formMap(ctx, v, p)
		if errors.Is(err, errNoMap) && c.options.Multipath != Require && ctx.Err() == nil {
			return c.without(ctx, v, t, p, err)
		}
		if err != nil {
			return connector.Source{}, errors.Join(append(failed, err)...)
		}
		return c.mapped(ctx, v, t)
	}
	return connector.Source{}, errors.Join(failed...)
}

// mapped proves the volume over its new map, and leaves the paths that are still
// on their way to the background.
func (c *Connector) mapped(ctx context.Context, v volume, t *trip) (connector.Source, error) {
	if t.waiting > 0 {
		c.follow(t, true)
	}
	here, err := c.paths(v)
	if err != nil {
		return connector.Source{}, err
	}
	return c.again(ctx, v, here)
}

// without goes on with one path because multipath made no map, so that the
// volume can be used at all.
func (c *Connector) without(ctx context.Context, v volume, t *trip, p path, why error) (connector.Source, error) {
	c.notice(ctx, "%s has one path only, through %s: %v", v.VolumeID, p.portal, why)
	t.cancel()
	for t.waiting > 0 {
		_, _ = t.next(context.WithoutCancel(ctx), false, 0)
	}
	here, err := c.paths(v)
	if err != nil {
		return connector.Source{}, err
	}
	for _, other := range here {
		if other.disk.Name == p.disk.Name {
			continue
		}
		if err := c.dismantle(ctx, v, []path{other}); err != nil {
			return connector.Source{}, err
		}
	}
	err = errors.Join(c.logoutIdle(ctx, v), c.forgetName(ctx, p.id.Serials))
	if err != nil {
		return connector.Source{}, err
	}
	return c.again(ctx, v, []path{p})
}
