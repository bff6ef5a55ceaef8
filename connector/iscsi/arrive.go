package iscsi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

const (
	// unitLimit is how long a target may take to show a unit: arrays map one some
	// seconds after they said so.
	unitLimit = 15 * time.Second
	// rescanFirst is when a scan that found nothing is repeated, then after twice
	// as long.
	rescanFirst = time.Second
	// kernelLimit bounds one order to the kernel that asks the device.
	kernelLimit = 15 * time.Second
	// recoverLimit is how long a session that is down may take to come back.
	recoverLimit = 5 * time.Second
)

// arrive makes the path through one portal: a session, the unit in it, and the
// proof of who that is. When it fails, what it made is gone again.
func (c *Connector) arrive(ctx context.Context, v volume, rank int) (path, error) {
	p := v.portals[rank]
	release, err := c.lockPortal(ctx, p)
	if err != nil {
		return path{}, err
	}
	defer release()
	s, err := c.session(ctx, v, p)
	if err == nil {
		var found path
		if found, err = c.bring(ctx, v, s, p.lun); err == nil {
			return found, nil
		}
	}
	undo, cancel := detached(ctx)
	defer cancel()
	return path{}, errors.Join(fmt.Errorf("%s: %w", p, err), c.leavePortal(undo, v, p))
}

// session returns a living session with the portal, logging in when there is
// none. One that is down is given a moment; then it is replaced, unless it has
// disks: ending it would take them away from whoever uses them.
func (c *Connector) session(ctx context.Context, v volume, p portal) (host.ISCSISession, error) {
	s, found, err := c.awaitSession(ctx, p)
	if found || err != nil {
		return s, err
	}
	if s.Target != "" {
		if err := c.endSessions(ctx, v, p); err != nil {
			return s, err
		}
	}
	if err := c.prepare(ctx, v, p); err != nil {
		return s, err
	}
	if err := c.login(ctx, v, p); err != nil {
		return s, err
	}
	if s, found, err = c.awaitSession(ctx, p); err == nil && !found {
		err = fmt.Errorf("logged in, but the kernel shows no working session")
	}
	return s, err
}

// awaitSession looks for a living session with a portal, and waits a little when
// there is one that is down: iscsid brings it back by itself. Without any, s is
// the zero value.
func (c *Connector) awaitSession(ctx context.Context, p portal) (s host.ISCSISession, alive bool, err error) {
	patience, cancel := context.WithTimeout(ctx, recoverLimit)
	defer cancel()
	err = c.host.Poll(patience, "a session with "+p.String(), func() (bool, error) {
		all, err := c.at(p)
		for _, one := range all {
			if s = one; one.Alive() {
				alive = true
			}
			if alive {
				break
			}
		}
		return alive || len(all) == 0, err
	})
	if err != nil && ctx.Err() == nil && patience.Err() != nil {
		err = nil // it did not come back
	}
	return s, alive, err
}

// at lists the sessions with one portal.
func (c *Connector) at(p portal) ([]host.ISCSISession, error) {
	all, err := c.host.ISCSISessions(p.iqn)
	var here []host.ISCSISession
	for _, s := range all {
		if p.at(s) {
			here = append(here, s)
		}
	}
	return here, err
}

// bring makes the kernel show the unit in a session and proves it.
func (c *Connector) bring(ctx context.Context, v volume, s host.ISCSISession, lun uint64) (path, error) {
	p, there, err := c.path(v, s, lun)
	if err != nil {
		return p, err
	}
	if there {
		if p, there, err = c.renew(ctx, v, p); err != nil {
			return p, err
		}
	}
	if !there {
		if p, err = c.scan(ctx, v, s, lun); err != nil {
			return p, err
		}
	}
	if err := v.proveOne(p); err != nil || v.Access != connector.ReadOnly {
		return p, err
	}
	// Before anything is built on it: a map over a writable path is writable.
	return p, c.host.SetReadOnly(ctx, p.disk.Device(), true)
}

// scan has the kernel look for the unit, again and again while it is not there.
func (c *Connector) scan(ctx context.Context, v volume, s host.ISCSISession, lun uint64) (p path, err error) {
	patience, cancel := context.WithTimeoutCause(ctx, unitLimit,
		fmt.Errorf("the target shows no unit %d to this host: is it mapped to this initiator?", lun))
	defer cancel()
	next, wait := time.Now(), rescanFirst
	err = c.host.Poll(patience, "the disk at "+s.SCSI(lun).String(), func() (there bool, err error) {
		if !time.Now().Before(next) {
			if err := c.host.ScanSCSI(patience, s.SCSI(lun)); err != nil {
				return false, err
			}
			next, wait = time.Now().Add(wait), 2*wait
		}
		p, there, err = c.path(v, s, lun)
		return there, err
	})
	if err != nil {
		return p, err
	}
	_, err = c.host.BlockNode(p.disk.Name)
	return p, err
}

// renew asks a disk that was there before who it is, and takes a stale one away
// (there is false), or refuses when somebody uses it. One on a dead path cannot
// be asked and is left as it is.
func (c *Connector) renew(ctx context.Context, v volume, p path) (now path, there bool, err error) {
	now, there, stale, err := c.ask(ctx, v, p)
	if err != nil || !stale {
		return now, there, err
	}
	if err := c.dismantle(ctx, v, []path{p}); err != nil {
		return p, true, staleError(p, now, err)
	}
	return path{}, false, nil
}

// ask has the kernel ask a disk again. It remembers the first answer: behind a
// number that the storage has given to another volume since, the old name, size
// and cached blocks stay, and a map goes by the old name. Such a disk is stale.
func (c *Connector) ask(ctx context.Context, v volume, p path) (now path, there, stale bool, err error) {
	if !p.session.Alive() {
		return p, true, false, nil
	}
	if p.disk.State != "running" {
		return p, true, p.disk.State == "offline" || p.disk.State == "transport-offline", nil
	}
	limited, cancel := context.WithTimeout(ctx, kernelLimit)
	defer cancel()
	if err := c.host.RescanSCSI(limited, p.disk.Address); err != nil {
		return p, true, false, err
	}
	now, there, err = c.path(v, p.session, p.disk.Address.LUN)
	if err != nil || !there {
		return now, there, false, err
	}
	proven := v.Proven[proofWWID]
	m, mapped, err := c.host.MultipathOver(now.disk.Name)
	if err != nil {
		return now, true, false, err
	}
	stale = now.id.WWID != p.id.WWID || proven != "" && proven != now.id.WWID || mapped && !slices.Contains(now.id.Serials, m.Serial)
	return now, true, stale, nil
}

func staleError(was, now path, err error) error {
	return fmt.Errorf("%s at %s is stale (it was %s and is %s now) and cannot be taken away: %w: %w",
		was.disk.Device(), was.portal, was.id.WWID, now.id.WWID, connector.ErrUnsafe, err)
}
