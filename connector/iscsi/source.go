package iscsi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Keys of a Proof. It says who the device is and what was asked for, not which
// paths are up just now: asked again it is the same.
const (
	proofWWID    = "wwid"    // the kernel's name, on every path
	proofTargets = "targets" // names of the targets
	proofPortals = "portals" // those of the connection, in its order
	proofUnits   = "luns"    // for each portal
	proofMap     = "map"     // multipath's name of the map, when there is one
	proofPath    = "path"    // portal of the only path, when there is no map
)

// source is what these paths make together: the map over them, or the disk of
// the one path, proved. connector.ErrNotConnected when there is none, or when a
// map was proved before and is gone.
func (c *Connector) source(v volume, paths []path) (connector.Source, error) {
	if err := c.prove(v, paths); err != nil {
		return connector.Source{}, err
	}
	m, mapped, err := c.mapOver(v, paths)
	if err != nil {
		return connector.Source{}, err
	}
	return c.resolve(v, paths, m, mapped)
}

// resolve is source for paths that were proved, and the map over them.
func (c *Connector) resolve(v volume, paths []path, m host.MultipathMap, mapped bool) (connector.Source, error) {
	if mapped {
		return c.mapSource(v, paths, m)
	}
	if v.Proven[proofMap] != "" {
		return connector.Source{}, fmt.Errorf("the multipath map %s is gone and its disks are left: %w", v.Proven[proofMap], connector.ErrNotConnected)
	}
	chosen := v.chosen(paths)
	device, err := c.host.BlockNode(chosen.disk.Name)
	if err != nil {
		return connector.Source{}, err
	}
	proof := v.proof(chosen)
	proof[proofPath] = chosen.portal
	return connector.Source{Device: device, SizeBytes: chosen.size, Proof: proof}, nil
}

// chosen is the path that stands for the volume without a map: the one that was
// given out before, else the first.
func (v volume) chosen(paths []path) path {
	i := slices.IndexFunc(paths, func(p path) bool { return p.portal == v.Proven[proofPath] })
	return paths[max(i, 0)]
}

// mapSource proves a map: made of paths of this volume alone, named after it,
// with its size, and ready.
func (c *Connector) mapSource(v volume, paths []path, m host.MultipathMap) (connector.Source, error) {
	if !slices.Contains(paths[0].id.Serials, m.Serial) {
		return connector.Source{}, fmt.Errorf("%s over %s says it is %s, the disks say %s: %w: stop using it and remove it with `multipath -f %s`",
			m.Device(), strings.Join(m.Paths, ", "), m.Serial, paths[0].id.WWID, connector.ErrUnsafe, m.Alias)
	}
	if !m.Ready {
		return connector.Source{}, fmt.Errorf("the multipath map %s %w: try again", m.Device(), errReloading)
	}
	size, err := c.host.BlockSize(m.Name)
	if err != nil {
		return connector.Source{}, err
	}
	if err := v.CheckSize(size); err != nil {
		return connector.Source{}, fmt.Errorf("%s %w", m.Device(), err)
	}
	device, err := c.host.BlockNode(m.Name)
	if err != nil {
		return connector.Source{}, err
	}
	proof := v.proof(paths[0])
	proof[proofMap] = m.Alias
	return connector.Source{Device: device, SizeBytes: size, Proof: proof}, nil
}

// mapOver returns the map over these paths. Two maps, or one that has a disk of
// somebody else, are refused: data would go to another volume. A disk at the
// volume's place that came since they were listed is no stranger: its own arrival
// proves it.
func (c *Connector) mapOver(v volume, paths []path) (m host.MultipathMap, found bool, err error) {
	for _, p := range paths {
		if slices.Contains(m.Paths, p.disk.Name) {
			continue // the map that was found says so
		}
		one, has, err := c.host.MultipathOver(p.disk.Name)
		if err != nil {
			return m, false, err
		}
		if !has {
			continue
		}
		if found && one.Name != m.Name {
			return m, true, fmt.Errorf("%s and %s are both over disks of this volume: %w: remove one with `multipath -f`", m.Device(), one.Device(), connector.ErrUnsafe)
		}
		m, found = one, true
	}
	for _, disk := range m.Paths {
		if !slices.ContainsFunc(paths, func(p path) bool { return p.disk.Name == disk }) && !c.placedDisk(v, disk) {
			return m, true, fmt.Errorf("the multipath map %s (%s) is also over %s, which is no disk of this volume: %w: remove it with `multipath -f %s` when nobody uses it",
				m.Device(), m.Serial, disk, connector.ErrUnsafe, m.Alias)
		}
	}
	return m, found, nil
}

// proof is the record of what identified the volume.
func (v volume) proof(p path) map[string]string {
	var portals, units []string
	for _, p := range v.portals {
		portals = append(portals, p.String())
		units = append(units, strconv.FormatUint(p.lun, 10))
	}
	return map[string]string{
		proofWWID:    p.id.WWID,
		proofTargets: strings.Join(v.targets(), " "),
		proofPortals: strings.Join(portals, " "),
		proofUnits:   strings.Join(units, " "),
	}
}
