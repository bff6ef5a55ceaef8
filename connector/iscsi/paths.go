package iscsi

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// path is one disk of the kernel that shows the volume's unit.
type path struct {
	portal  string // where its session was asked to log in
	rank    int    // place of the portal in the connection
	session host.ISCSISession
	disk    host.SCSIDisk
	id      host.SCSIIdentity
	size    int64 // bytes
}

// alive tells whether commands get through, as far as the kernel noticed.
func (p path) alive() bool { return p.session.Alive() && p.disk.State == "running" }

// at tells whether a session was asked for at this portal.
func (p portal) at(s host.ISCSISession) bool {
	if s.Target != p.iqn || s.Port != strconv.Itoa(p.port) {
		return false
	}
	ip, err := netip.ParseAddr(strings.Trim(s.Address, "[]"))
	return err == nil && ip.String() == p.address || strings.EqualFold(s.Address, p.address)
}

// unit tells which unit of a session's target is the volume's. A session with a
// portal that the cloud does not name (any more) counts when the target has the
// volume under one number everywhere.
func (v volume) unit(s host.ISCSISession) (lun uint64, rank int, ours bool) {
	numbers := map[uint64]bool{}
	for i, p := range v.portals {
		if p.at(s) {
			return p.lun, i, true
		}
		if p.iqn == s.Target {
			numbers[p.lun] = true
			lun = p.lun
		}
	}
	return lun, len(v.portals), len(numbers) == 1
}

// sessions lists the sessions with the volume's targets.
func (c *Connector) sessions(v volume) ([]host.ISCSISession, error) {
	var all []host.ISCSISession
	for _, target := range v.targets() {
		some, err := c.host.ISCSISessions(target)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// paths lists the disks that are the volume's by their place: target and unit.
// Who they are is not proved by that. In the order of the cloud's portals.
func (c *Connector) paths(v volume) ([]path, error) {
	sessions, err := c.sessions(v)
	if err != nil {
		return nil, err
	}
	var all []path
	for _, s := range sessions {
		lun, _, ours := v.unit(s)
		if !ours {
			continue
		}
		p, found, err := c.path(v, s, lun)
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b path) int { return cmp.Compare(a.rank, b.rank) })
	return all, nil
}

// path reads what is at the volume's place in one session. A disk that the
// kernel is just making, or just taking away, is not found.
func (c *Connector) path(v volume, s host.ISCSISession, lun uint64) (path, bool, error) {
	_, rank, _ := v.unit(s)
	p := path{session: s, rank: rank, portal: s.Address + ":" + s.Port}
	if rank < len(v.portals) {
		p.portal = v.portals[rank].String()
	}
	var found bool
	var err error
	if p.disk, found, err = c.host.SCSIDiskAt(s.SCSI(lun)); err != nil || !found {
		return p, false, err
	}
	if p.id, err = c.host.SCSIIdentity(p.disk.Address); err != nil {
		return p, false, err
	}
	// Only gone is not there: what could not be read would not be detached.
	if p.size, err = c.host.BlockSize(p.disk.Name); gone(err) {
		return p, false, nil
	}
	return p, err == nil, err
}

// prove checks that paths lead to one disk, that it is the one that was proved
// before, that it has the cloud's size on each, and that no other disk of this
// host is the same. connector.ErrNotConnected when there is no path.
func (c *Connector) prove(v volume, paths []path) error {
	if len(paths) == 0 {
		return fmt.Errorf("no disk of %s is here: %w", strings.Join(v.targets(), ", "), connector.ErrNotConnected)
	}
	for _, p := range paths {
		if err := v.proveOne(p); err != nil {
			return err
		}
		if p.id.WWID != paths[0].id.WWID {
			return fmt.Errorf("%s (at %s) is %s but %s (at %s) is %s: %w: one of them is another volume's", paths[0].disk.Device(),
				paths[0].portal, paths[0].id.WWID, p.disk.Device(), p.portal, p.id.WWID, connector.ErrUnsafe)
		}
	}
	disks, err := c.host.SCSIDisks()
	if err != nil {
		return err
	}
	for _, d := range disks {
		if slices.ContainsFunc(paths, func(p path) bool { return p.disk.Name == d.Name }) {
			continue
		}
		id, err := c.host.SCSIIdentity(d.Address)
		if err == nil && id.WWID == paths[0].id.WWID && !c.placed(v, d.Address) {
			return fmt.Errorf("%s (%s) has the same WWID %s and is no path of this volume: %w: find out which of them is stale",
				d.Device(), d.Address, id.WWID, connector.ErrUnsafe)
		}
	}
	return nil
}

// placed tells whether an address is the volume's place in one of its sessions: a
// path may come while others are looked at.
func (c *Connector) placed(v volume, a host.SCSIAddress) bool {
	sessions, _ := c.sessions(v)
	return slices.ContainsFunc(sessions, func(s host.ISCSISession) bool {
		lun, _, ours := v.unit(s)
		return ours && s.SCSI(lun) == a
	})
}

// placedDisk is placed for a disk by its name.
func (c *Connector) placedDisk(v volume, name string) bool {
	disks, _ := c.host.SCSIDisks()
	return slices.ContainsFunc(disks, func(d host.SCSIDisk) bool { return d.Name == name && c.placed(v, d.Address) })
}

// proveOne checks one path by itself.
func (v volume) proveOne(p path) error {
	switch want := v.Proven[proofWWID]; {
	case p.id.WWID == "":
		return fmt.Errorf("%s at %s does not say who it is (no VPD page 0x83): %w", p.disk.Device(), p.portal, connector.ErrUnsafe)
	case want != "" && want != p.id.WWID:
		return fmt.Errorf("%s at %s is %s, but this volume was %s: %w: the storage may show another volume under its number", p.disk.Device(), p.portal, p.id.WWID, want, connector.ErrUnsafe)
	}
	if err := v.CheckSize(p.size); err != nil {
		return fmt.Errorf("%s at %s %w", p.disk.Device(), p.portal, err)
	}
	return nil
}
