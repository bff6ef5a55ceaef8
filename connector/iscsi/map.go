package iscsi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

const (
	// mapLimit is how long multipathd may take to make a map. It waits for udev,
	// which runs its rules for each new disk, many at a time when many come.
	mapLimit = 30 * time.Second
	// nudgeFirst is when multipathd is told of a disk it seems not to have noticed;
	// told before udev is done it answers "fail" and forgets.
	nudgeFirst = 3 * time.Second
	// toolLimit bounds one command of multipath's.
	toolLimit = 20 * time.Second
)

// errNoMap says that multipath made no map over good paths.
var errNoMap = errors.New("multipath made no map")

// formMap has multipathd make a map over a path, even if it is the only one so
// far, and waits until it is usable.
func (c *Connector) formMap(ctx context.Context, v volume, p path) error {
	_, found, err := c.host.MultipathOver(p.disk.Name)
	if err != nil {
		return err
	}
	if !found {
		if err := c.removeGhosts(ctx, v, p.id); err != nil {
			return err
		}
		// With find_multipaths (yes, strict) a map is made for a disk with one path
		// only if its name is in this list.
		if serial := p.id.Serials[0]; !c.host.MultipathKnows(serial) {
			if err := c.tool(ctx, "multipath", "-a", serial); err != nil {
				return fmt.Errorf("%w: %w", errNoMap, err)
			}
		}
	}
	return c.awaitMap(ctx, p)
}

// awaitMap waits until a disk is part of a map that is ready. multipathd is told
// of it when that takes long.
func (c *Connector) awaitMap(ctx context.Context, p path) error {
	patience, cancel := context.WithTimeout(ctx, mapLimit)
	defer cancel()
	nudge, refused := time.Now().Add(nudgeFirst), 0
	err := c.host.Poll(patience, "a multipath map over "+p.disk.Device(), func() (bool, error) {
		if m, found, err := c.host.MultipathOver(p.disk.Name); err != nil || found && m.Ready {
			return true, err
		}
		if time.Now().Before(nudge) {
			return false, nil
		}
		nudge = time.Now().Add(nudgeFirst)
		res, err := c.run(patience, "multipathd", "add", "path", p.disk.Name)
		if err == nil && strings.Contains(string(res.Stdout), "blacklisted") {
			refused++
		}
		if refused > 1 { // once may be said before udev is done
			return false, fmt.Errorf("%w: its configuration excludes %s (blacklist in /etc/multipath.conf)", errNoMap, p.disk.Device())
		}
		return false, nil
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, errNoMap) {
		return fmt.Errorf("%w over %s (%s): %w: see `multipath -v3` and the log of multipathd", errNoMap, p.disk.Device(), p.id.WWID, err)
	}
	return err
}

// joinMap sees to it that a path which came late becomes part of the volume's
// map. One that leads elsewhere is given back.
func (c *Connector) joinMap(ctx context.Context, v volume, p path) error {
	here, err := c.paths(v)
	if err == nil {
		err = c.prove(v, here)
	}
	if err == nil {
		err = c.awaitMap(ctx, p)
	}
	if err == nil || ctx.Err() != nil {
		return err // whoever ended this sees to the disk
	}
	undo, cancel := detached(ctx)
	defer cancel()
	return errors.Join(err, c.giveBack(undo, v, p))
}

// removeGhosts takes away maps with this disk's name that are over none of its
// paths: what is left of an earlier export of the storage. One in use is refused.
func (c *Connector) removeGhosts(ctx context.Context, v volume, id host.SCSIIdentity) error {
	maps, err := c.host.MultipathMaps()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if !slices.Contains(id.Serials, m.Serial) {
			continue
		}
		here, err := c.paths(v)
		if err != nil {
			return err
		}
		if overlaps(m, here) {
			continue
		}
		if err := c.idle(ctx, m); err != nil {
			return fmt.Errorf("the multipath map %s (%s) has this volume's name, none of its paths, and is in use: %w: %w", m.Device(), m.Alias, connector.ErrUnsafe, err)
		}
		if err := c.removeMap(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// overlaps tells whether a map is over one of these paths.
func overlaps(m host.MultipathMap, paths []path) bool {
	return slices.ContainsFunc(paths, func(p path) bool { return slices.Contains(m.Paths, p.disk.Name) })
}

// removeMap removes a map that was proved idle, and waits until it is gone. udev
// still has a new map open for moments: that is tried again. What waits inside
// for a path to come back keeps it open for ever: when it does not go, multipath
// is told not to let it wait (an idle map has only probes and flushes of no data).
func (c *Connector) removeMap(ctx context.Context, m host.MultipathMap) error {
	patience, cancel := context.WithTimeout(ctx, 2*toolLimit)
	defer cancel()
	var failed []error
	next, pause := time.Now(), 250*time.Millisecond
	err := c.host.Poll(patience, "the map "+m.Device()+" to go", func() (bool, error) {
		now, err := c.mapNamed(m)
		if !now || err != nil {
			return true, err
		}
		if time.Now().Before(next) {
			return false, nil
		}
		if err := c.idle(patience, m); err != nil && !gone(err) {
			return false, err
		}
		if len(failed) == 4 {
			_ = c.tool(patience, "multipathd", "disablequeueing", "map", m.Alias)
		}
		if err := c.tool(patience, "multipath", "-f", m.Alias); err != nil {
			failed = append(failed, err)
		}
		next, pause = time.Now().Add(pause), min(2*pause, 5*time.Second)
		return false, nil
	})
	if err == nil || len(failed) == 0 {
		return err
	}
	undo, end := detached(ctx)
	defer end()
	if len(failed) > 4 {
		_ = c.tool(undo, "multipathd", "restorequeueing", "map", m.Alias)
	}
	return fmt.Errorf("%w: %w", err, failed[len(failed)-1])
}

// forgetName takes the volume's names out of multipath's list: they mean nothing
// any more, storage chooses a new one for each export.
func (c *Connector) forgetName(ctx context.Context, serials []string) error {
	for _, serial := range serials {
		if !c.host.MultipathKnows(serial) {
			continue
		}
		if err := c.tool(ctx, "multipath", "-w", serial); err != nil {
			return err
		}
	}
	return nil
}

// mapNamed tells whether this very map is still there.
func (c *Connector) mapNamed(m host.MultipathMap) (bool, error) {
	maps, err := c.host.MultipathMaps()
	return slices.ContainsFunc(maps, func(o host.MultipathMap) bool { return o.Name == m.Name && o.Serial == m.Serial }), err
}

// forgetPaths waits until multipathd has noticed that disks are gone. A late
// notice would make it drop a new disk of the same name. They were proved gone:
// a name that exists again is already another volume's, and is let be.
func (c *Connector) forgetPaths(ctx context.Context, disks []string) error {
	patience, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	told := time.Now().Add(5 * time.Second)
	return c.host.Poll(patience, "multipathd to forget "+strings.Join(disks, ", "), func() (bool, error) {
		res, err := c.run(patience, "multipathd", "show", "paths", "raw", "format", "%d")
		if err != nil || res.ExitCode != 0 {
			return true, nil // no daemon, nothing to forget
		}
		known := strings.Fields(string(res.Stdout))
		disks = slices.DeleteFunc(disks, func(d string) bool {
			_, err := c.host.BlockSize(d)
			return err == nil || !slices.Contains(known, d)
		})
		if len(disks) > 0 && time.Now().After(told) {
			_, _ = c.run(patience, "multipathd", "del", "path", disks[0])
		}
		return len(disks) == 0, nil
	})
}

// tool runs a command of multipath's that is to succeed.
func (c *Connector) tool(ctx context.Context, name string, args ...string) error {
	res, err := c.run(ctx, name, args...)
	if err != nil {
		return err
	}
	return res.Check(name + " " + strings.Join(args, " "))
}

func (c *Connector) run(ctx context.Context, name string, args ...string) (host.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, toolLimit, fmt.Errorf("no answer within %s", toolLimit))
	defer cancel()
	return c.host.Run(ctx, host.Command{Name: name, Args: args})
}
