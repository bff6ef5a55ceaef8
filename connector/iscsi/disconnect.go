package iscsi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// disconnect does the work of Disconnect under the targets' lock.
func (c *Connector) disconnect(ctx context.Context, v volume) (connector.Source, error) {
	if err := c.halt(ctx, v); err != nil {
		return connector.Source{}, err
	}
	sessions, err := c.sessions(v)
	if err == nil {
		err = c.ripen(ctx, v, sessions)
	}
	if err != nil {
		return connector.Source{}, err
	}
	paths, err := c.paths(v)
	if err != nil {
		return connector.Source{}, err
	}
	if err := c.dismantle(ctx, v, paths); err != nil {
		return connector.Source{}, err
	}
	if err := c.logoutIdle(ctx, v); err != nil {
		return connector.Source{}, err
	}
	for _, p := range v.portals {
		if err := c.forgetUnused(ctx, p); err != nil {
			return connector.Source{}, err
		}
	}
	if proven := v.Proven[proofWWID]; proven != "" { // its disks may have gone without us
		return connector.Source{}, c.forgetName(ctx, []string{host.SerialOf(proven)})
	}
	return connector.Source{}, nil
}

// ripen waits for disks of the volume that the kernel is just making: between
// the scan that found a unit and its block device lies a moment in which there
// is nothing to take away yet, and something soon. One that gets no block device
// is deleted as it is.
func (c *Connector) ripen(ctx context.Context, v volume, sessions []host.ISCSISession) error {
	for _, s := range sessions {
		lun, _, ours := v.unit(s)
		a := s.SCSI(lun)
		if !ours {
			continue
		}
		patience, cancel := context.WithTimeout(ctx, recoverLimit)
		err := c.host.Poll(patience, "the block device of "+a.String(), func() (bool, error) {
			_, found, err := c.path(v, s, lun)
			return found || !c.host.SCSIUnitAt(a), err
		})
		cancel()
		if err != nil && ctx.Err() == nil {
			err = c.host.RemoveSCSIUnit(ctx, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logoutIdle ends the sessions with the volume's targets that have no disk left,
// ours or another volume's, and deletes their records.
func (c *Connector) logoutIdle(ctx context.Context, v volume) error {
	sessions, err := c.sessions(v)
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range sessions {
		failed = append(failed, c.logoutUnused(ctx, v, s))
	}
	return errors.Join(failed...)
}

func (c *Connector) logoutUnused(ctx context.Context, v volume, s host.ISCSISession) error {
	p := v.portalOf(s)
	release, err := c.lockPortal(ctx, p)
	if err != nil {
		return err
	}
	defer release()
	units, err := c.host.ISCSIUnits(s)
	if err != nil || len(units) > 0 {
		return err
	}
	if err := c.logout(ctx, s); err != nil {
		return err
	}
	if err := c.awaitLogout(ctx, s); err != nil {
		return err
	}
	if left, err := c.at(p); err != nil || len(left) > 0 {
		return err
	}
	return c.forget(ctx, p)
}

// awaitLogout waits until the kernel has no trace of a session: one that goes
// late would take the disks of the next one for its own.
func (c *Connector) awaitLogout(ctx context.Context, s host.ISCSISession) error {
	patience, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	return c.host.Poll(patience, fmt.Sprintf("session %d to go", s.ID), func() (bool, error) {
		all, err := c.host.ISCSISessions(s.Target)
		return !slices.ContainsFunc(all, func(o host.ISCSISession) bool { return o.ID == s.ID }), err
	})
}

// portalOf is the portal a session was asked for at, whether the cloud names it
// or not.
func (v volume) portalOf(s host.ISCSISession) portal {
	for _, p := range v.portals {
		if p.at(s) {
			return p
		}
	}
	p := portal{iqn: s.Target, address: strings.Trim(s.Address, "[]"), port: defaultPort}
	_, _ = fmt.Sscanf(s.Port, "%d", &p.port)
	return p
}

// forgetUnused deletes the record of a portal that nobody has a session with: a
// login that failed or was cut off by a crash left it.
func (c *Connector) forgetUnused(ctx context.Context, p portal) error {
	release, err := c.lockPortal(ctx, p)
	if err != nil {
		return err
	}
	defer release()
	sessions, err := c.at(p)
	if err != nil || len(sessions) > 0 {
		return err
	}
	return c.forget(ctx, p)
}

// endSessions ends those with a portal that have no disk; one that has is an
// error. The portal's lock is held.
func (c *Connector) endSessions(ctx context.Context, _ volume, p portal) error {
	sessions, err := c.at(p)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		units, err := c.host.ISCSIUnits(s)
		if err != nil {
			return err
		}
		if len(units) > 0 {
			return fmt.Errorf("session %d is down (%s) and has disks (%s): iscsid goes on trying", s.ID, s.State, units[0])
		}
		if err := errors.Join(c.logout(ctx, s), c.awaitLogout(ctx, s)); err != nil {
			return err
		}
	}
	return nil
}

// leavePortal takes back what a failed arrive made: the disk, if nobody uses it,
// and the session and its record, if it has no other. The portal's lock is held.
func (c *Connector) leavePortal(ctx context.Context, v volume, p portal) error {
	sessions, err := c.at(p)
	if err == nil {
		err = c.ripen(ctx, v, sessions)
	}
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if mine, found, err := c.path(v, s, p.lun); err != nil {
			return err
		} else if found {
			if err := c.drop(ctx, v, mine); err != nil {
				return err
			}
		}
	}
	for _, s := range sessions {
		units, err := c.host.ISCSIUnits(s)
		if err != nil || len(units) > 0 {
			return err
		}
		if err := errors.Join(c.logout(ctx, s), c.awaitLogout(ctx, s)); err != nil {
			return err
		}
	}
	return c.forget(ctx, p)
}

// giveBack takes away a path that is not needed.
func (c *Connector) giveBack(ctx context.Context, v volume, p path) error {
	if err := c.drop(ctx, v, p); err != nil {
		return err
	}
	return c.logoutUnused(ctx, v, p.session)
}

// drop takes away one path. Out of a map that has others it is taken first, and
// the map goes on.
func (c *Connector) drop(ctx context.Context, v volume, p path) error {
	m, mapped, err := c.host.MultipathOver(p.disk.Name)
	if err != nil {
		return err
	}
	if !mapped || len(m.Paths) == 1 {
		return c.dismantle(ctx, v, []path{p})
	}
	patience, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	if err := c.tool(patience, "multipathd", "del", "path", p.disk.Name); err != nil {
		return err
	}
	err = c.host.Poll(patience, p.disk.Device()+" to leave "+m.Device(), func() (bool, error) {
		_, mapped, err := c.host.MultipathOver(p.disk.Name)
		return !mapped, err
	})
	if err != nil {
		return err
	}
	if err := c.host.RemoveSCSIDisk(patience, p.disk, true); err != nil {
		return err
	}
	if left, err := c.paths(v); err != nil || len(left) > 0 {
		return err
	}
	return c.forgetName(ctx, p.id.Serials)
}
