package pretend

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/openstack/fuxi/connector/host"
)

// dmMap is one multipath map of the pretend device mapper.
type dmMap struct {
	m      *Machine
	name   string // the WWID as multipath writes it: "3" and the NAA designator
	minor  int
	loop   host.Loop
	number host.Number
	paths  []*device
	parts  []*partition
	claim  int // descriptor that keeps it busy below its partitions
}

func (d *dmMap) node() string  { return "dm-" + strconv.Itoa(d.minor) }
func (d *dmMap) block() string { return "/devices/virtual/block/" + d.node() }

func (d *dmMap) links() map[string]string {
	return map[string]string{
		"/block/" + d.node():              d.block(),
		"/class/block/" + d.node():        d.block(),
		"/dev/block/" + d.number.String(): d.block(),
		d.block() + "/subsystem":          "/class/block",
	}
}

// newMap makes a map on the first of its paths; false when that is in use.
func (m *Machine) newMap(name string, first *device) bool {
	d := &dmMap{m: m, name: name, minor: m.freeMinor()}
	if !first.claimIt(d) {
		return false
	}
	d.loop = m.attach(first.disk.Image)
	d.number = m.numberOf(d.loop)
	m.maps = append(m.maps, d)
	m.sys.files(d.block(), map[string]string{"dev": d.number.String(), "ro": "0", "removable": "0", "dm/uuid": "mpath-" + name,
		"dm/name": name, "dm/suspended": "0"})
	m.sys.dir(d.block() + "/holders")
	m.sys.dir(d.block() + "/slaves")
	d.setSize()
	m.node(d.node(), d.number)
	m.symlink("../"+d.node(), "mapper/"+name)
	for _, id := range d.ids() {
		m.symlink("../../"+d.node(), id)
	}
	for link, to := range d.links() {
		m.sys.link(link, to)
	}
	d.show(first)
	return true
}

func (d *dmMap) ids() []string {
	return []string{"disk/by-id/dm-uuid-mpath-" + d.name, "disk/by-id/dm-name-" + d.name, "disk/by-id/wwn-0x" + d.name[1:]}
}

// add takes another path into the map; false when that is in use.
func (d *dmMap) add(p *device) bool {
	if slices.Contains(d.paths, p) {
		return true
	}
	if !p.claimIt(d) {
		return false
	}
	d.show(p)
	return true
}

// show makes holders and slaves of a path that was claimed.
func (d *dmMap) show(p *device) {
	d.paths = append(d.paths, p)
	d.m.sys.link(d.block()+"/slaves/"+p.name, p.block())
	d.m.sys.link(p.block()+"/holders/"+d.node(), d.block())
}

// drop takes a path out of the map.
func (d *dmMap) drop(p *device) {
	d.paths = slices.DeleteFunc(d.paths, func(o *device) bool { return o == p })
	d.m.sys.remove(d.block() + "/slaves/" + p.name)
	if !p.gone() {
		d.m.sys.remove(p.block() + "/holders/" + d.node())
	}
	p.unclaim()
}

func (d *dmMap) setSize() {
	size, err := d.m.real.DeviceSize(d.loop.Device)
	d.m.check(err)
	d.m.sys.file(d.block()+"/size", strconv.FormatInt(size/512, 10))
}

// resizeMap gives the map the size of its paths; false when these disagree.
func (m *Machine) resizeMap(d *dmMap) bool {
	sizes := map[int64]bool{}
	for _, p := range d.paths {
		size, err := m.real.DeviceSize(p.loop.Device)
		m.check(err)
		sizes[size] = true
	}
	if len(sizes) != 1 {
		return false
	}
	m.resize(d.loop)
	d.setSize()
	return true
}

// flushMap removes a map that nobody uses. The machine is unlocked while the
// disk is waited for. multipathd does the work: it goes on when the command that
// asked for it was killed.
func (m *Machine) flushMap(ctx context.Context, d *dmMap) error {
	done := make(chan error, 1)
	m.held.Go(func() {
		err := m.flushPartitions(context.WithoutCancel(ctx), d)
		if err == nil {
			err = m.real.LoopDetach(context.WithoutCancel(ctx), d.loop)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if err == nil {
			m.forgetMap(d)
			m.daemon.orphan(d)
		}
		done <- err
	})
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flush of %s: %w", d.node(), context.Cause(ctx))
	}
}

// dropMap removes a map, used or not.
func (m *Machine) dropMap(d *dmMap) {
	m.dropPartitions(d)
	m.clear(d.loop)
	m.forgetMap(d)
}

func (m *Machine) forgetMap(d *dmMap) {
	if !slices.Contains(m.maps, d) {
		return
	}
	m.maps = slices.DeleteFunc(m.maps, func(o *dmMap) bool { return o == d })
	for _, p := range slices.Clone(d.paths) {
		d.drop(p)
	}
	for link := range d.links() {
		m.sys.remove(link)
	}
	m.sys.remove(d.block())
	m.unlink(d.node())
	_ = os.Remove(m.Host.Path("dev/mapper", d.name))
	for _, id := range d.ids() {
		m.unlink(id)
	}
}

// mapNamed finds a map by any of its names.
func (m *Machine) mapNamed(name string) *dmMap {
	for _, d := range m.maps {
		if slices.Contains([]string{d.name, d.node(), "/dev/" + d.node(), "/dev/mapper/" + d.name}, name) {
			return d
		}
	}
	return nil
}

// PathsOfMaps lists "dm-0 sda" of each path that is part of a map.
func (m *Machine) PathsOfMaps() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, d := range m.maps {
		for _, p := range d.paths {
			list = append(list, d.node()+" "+p.name)
		}
	}
	return list
}
