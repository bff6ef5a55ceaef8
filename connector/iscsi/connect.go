package iscsi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// connect does the work of Connect under the targets' lock.
func (c *Connector) connect(ctx context.Context, v volume) (connector.Source, error) {
	before, err := c.paths(v)
	if err != nil {
		return connector.Source{}, err
	}
	src, err := c.reach(ctx, v, before)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return src, nil
	}
	undo, cancel := detached(ctx)
	defer cancel()
	return connector.Source{}, errors.Join(err, c.undo(undo, v, before))
}

// undo takes away what a failed Connect brought. What was there before may be in
// use, and stays.
func (c *Connector) undo(ctx context.Context, v volume, before []path) error {
	v.Proven = nil // whoever it is that came: we brought it
	if len(before) == 0 {
		_, err := c.disconnect(ctx, v)
		if !errors.Is(err, connector.ErrUnsafe) {
			return err // else a map has our disks among others': only ours are taken out
		}
	}
	if err := c.halt(ctx, v); err != nil {
		return err
	}
	now, err := c.paths(v)
	failed := []error{err}
	for _, p := range now {
		if !slices.ContainsFunc(before, func(b path) bool { return b.session.ID == p.session.ID }) {
			failed = append(failed, c.giveBack(ctx, v, p))
		}
	}
	return errors.Join(failed...)
}

// reach goes from what is there to a proved source.
func (c *Connector) reach(ctx context.Context, v volume, before []path) (connector.Source, error) {
	several, err := UseMultipath(c.host, c.options.Multipath)
	if err != nil {
		return connector.Source{}, err
	}
	here, err := c.renewAll(ctx, v, before)
	if err != nil {
		return connector.Source{}, err
	}
	if len(here) > 0 {
		_, mapped, err := c.mapOver(v, here)
		if err == nil && !mapped && several && v.Proven[proofPath] == "" {
			here, several, err = c.usedAlone(ctx, v, here)
		}
		if err != nil {
			return connector.Source{}, err
		}
		if mapped || !several || v.Proven[proofPath] != "" {
			return c.again(ctx, v, here)
		}
	}
	// Else the paths of an earlier Connect would come when nobody ends them any more.
	if err := c.halt(ctx, v); err != nil {
		return connector.Source{}, err
	}
	if several {
		return c.reachMany(ctx, v)
	}
	return c.reachOne(ctx, v)
}

// usedAlone looks for a path that somebody uses as it is, without a map: then no
// map can be made, and that path is the volume.
func (c *Connector) usedAlone(ctx context.Context, v volume, here []path) (used []path, several bool, err error) {
	for _, p := range here {
		if err := c.host.Exclusive(ctx, p.disk.Device(), nil); !errors.Is(err, connector.ErrBusy) {
			continue
		}
		_, mapped, err := c.host.MultipathOver(p.disk.Name)
		if err != nil {
			return nil, true, err
		}
		if !mapped {
			c.notice(ctx, "%s is in use over one path only, through %s: several paths become possible when it is unmounted everywhere on this host", v.VolumeID, p.portal)
			return []path{p}, false, nil
		}
	}
	return here, true, nil
}

// renewAll asks every disk that is there who it is now. If one has become another
// volume's, all are taken away, map and all, or refused when somebody uses them.
// One path that cannot answer does not matter while another does; with all of
// them dead there is nothing to prove, and what nobody uses is taken away.
func (c *Connector) renewAll(ctx context.Context, v volume, before []path) (here []path, err error) {
	var failed []error
	alive := len(before) == 0
	for _, p := range before {
		now, there, stale, err := c.ask(ctx, v, p)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if stale {
			if err := c.dismantle(ctx, v, before); err != nil {
				return nil, staleError(p, now, err)
			}
			return nil, nil
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.portal, err))
		}
		if there {
			here = append(here, now)
			alive = alive || err == nil && now.alive()
		}
	}
	if len(here) == 0 || alive {
		return here, nil
	}
	failed = append(failed, fmt.Errorf("all paths are down (%s: session %s, disk %s): check the network to the storage; iscsid goes on trying",
		here[0].portal, here[0].session.State, here[0].disk.State))
	if err := c.dismantle(ctx, v, here); err != nil {
		return nil, errors.Join(append(failed, err)...)
	}
	return nil, c.logoutIdle(ctx, v) // nobody used it: begin anew, perhaps at another portal
}

// again proves a volume whose disks are there. Paths that its map lacks are
// fetched in the background.
func (c *Connector) again(ctx context.Context, v volume, here []path) (connector.Source, error) {
	v.Proven = maps.Clone(v.Proven)
	delete(v.Proven, proofMap) // a map of before says nothing about the way taken now
	// Before the write protection of what may be somebody else's disk changes.
	if err := c.prove(v, here); err != nil {
		return connector.Source{}, err
	}
	m, mapped, err := c.mapOver(v, here)
	if err != nil {
		return connector.Source{}, err
	}
	if remade, err := c.access(ctx, v, here, m, mapped); err != nil {
		return connector.Source{}, err
	} else if remade {
		if m, mapped, err = c.mapOver(v, here); err != nil {
			return connector.Source{}, err
		}
	}
	src, err := c.resolve(v, here, m, mapped)
	if err == nil && mapped {
		c.fetchMissing(ctx, v)
	}
	return src, err
}

// fetchMissing begins to bring the paths that a volume's map lacks, unless they
// are on their way.
func (c *Connector) fetchMissing(ctx context.Context, v volume) {
	if c.straggling(v.VolumeID) {
		return
	}
	sessions, err := c.sessions(v)
	if err != nil {
		return // the map works as it is; the next Connect looks again
	}
	var missing []int
	for rank, p := range v.portals {
		if !slices.ContainsFunc(sessions, p.at) {
			missing = append(missing, rank)
		}
	}
	if len(missing) > 0 {
		t := c.newTrip(ctx, v)
		t.start(missing...)
		c.follow(t, true)
	}
}

// access makes the kernel refuse writes to every layer of a volume that the
// cloud gave us for reading, and accept them otherwise. It tells whether the map
// had to be made anew for that.
func (c *Connector) access(ctx context.Context, v volume, paths []path, m host.MultipathMap, mapped bool) (remade bool, err error) {
	readOnly := v.Access == connector.ReadOnly
	for _, p := range paths {
		if !p.alive() {
			continue // cannot be opened
		}
		if _, err := c.setAccess(ctx, p.disk.Name, readOnly); err != nil {
			if _, still, _ := c.path(v, p.session, p.disk.Address.LUN); still {
				return false, err // else it was given back meanwhile
			}
		}
	}
	if !mapped {
		return false, nil
	}
	changed, err := c.setAccess(ctx, m.Name, readOnly)
	if err != nil || readOnly || !changed {
		return false, err
	}
	// A map that was made over disks for reading stays so until it is made anew.
	if still, err := c.host.DeviceReadOnly(m.Device()); err != nil || !still {
		return false, err
	}
	if err := c.idle(ctx, m); err != nil {
		return false, err
	}
	if err := c.removeMap(ctx, m); err != nil {
		return false, err
	}
	return true, c.formMap(ctx, v, paths[0])
}

// setAccess tells whether anything was to be changed.
func (c *Connector) setAccess(ctx context.Context, name string, readOnly bool) (changed bool, err error) {
	// sysfs knows it by the disk's name; the node may be an earlier disk's.
	if is, err := c.host.DeviceReadOnly("/dev/" + name); err == nil && is == readOnly {
		return false, nil
	}
	device, err := c.host.BlockNode(name)
	if err != nil {
		return false, err
	}
	return true, c.host.SetReadOnly(ctx, device, readOnly)
}
