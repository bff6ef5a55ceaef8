package pretend

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// partition is one map that kpartx made over a multipath map.
type partition struct {
	of     *dmMap
	number int // of the partition, from 1
	minor  int
	loop   host.Loop
	device host.Number
}

func (p *partition) node() string  { return "dm-" + strconv.Itoa(p.minor) }
func (p *partition) block() string { return "/devices/virtual/block/" + p.node() }

// Partition does what udev does for a multipath map ("dm-0") whose disk has a
// partition table with so many partitions: kpartx makes a map of each, and they
// keep the map itself busy. It returns their nodes.
func (m *Machine) Partition(device string, count int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.mapNamed(device)
	claim, err := unix.Open(d.loop.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	m.check(err)
	d.claim = claim
	var nodes []string
	for i := range count {
		p := &partition{of: d, number: i + 1, minor: m.freeMinor(), loop: m.attach(d.paths[0].disk.Image)}
		p.device = m.numberOf(p.loop)
		d.parts = append(d.parts, p)
		m.sys.files(p.block(), map[string]string{"dev": p.device.String(), "ro": "0", "removable": "0", "size": "2048", "dm/suspended": "0",
			"dm/uuid": fmt.Sprintf("part%d-mpath-%s", p.number, d.name), "dm/name": fmt.Sprintf("%s-part%d", d.name, p.number)})
		m.sys.dir(p.block() + "/holders")
		for link, to := range p.links() {
			m.sys.link(link, to)
		}
		m.node(p.node(), p.device)
		nodes = append(nodes, "/dev/"+p.node())
	}
	return nodes
}

func (p *partition) links() map[string]string {
	return map[string]string{
		"/block/" + p.node():                  p.block(),
		"/class/block/" + p.node():            p.block(),
		"/dev/block/" + p.device.String():     p.block(),
		p.block() + "/subsystem":              "/class/block",
		p.block() + "/slaves/" + p.of.node():  p.of.block(),
		p.of.block() + "/holders/" + p.node(): p.block(),
	}
}

// freeMinor returns the first number that no map has.
func (m *Machine) freeMinor() int {
	used := map[int]bool{}
	for _, d := range m.maps {
		used[d.minor] = true
		for _, p := range d.parts {
			used[p.minor] = true
		}
	}
	minor := 0
	for used[minor] {
		minor++
	}
	return minor
}

// flushPartitions removes those that nobody uses, the machine unlocked while
// they are tried; one in use keeps itself and the map.
func (m *Machine) flushPartitions(ctx context.Context, d *dmMap) error {
	m.mu.Lock()
	parts := append([]*partition{}, d.parts...)
	m.mu.Unlock()
	for _, p := range parts {
		if err := m.real.LoopDetach(ctx, p.loop); err != nil {
			return err
		}
		m.mu.Lock()
		m.forgetPartition(p)
		m.mu.Unlock()
	}
	return nil
}

// forgetPartition takes it out of sight; with the last one goes what kept the
// map busy.
func (m *Machine) forgetPartition(p *partition) {
	d := p.of
	for i, o := range d.parts {
		if o == p {
			d.parts = append(d.parts[:i:i], d.parts[i+1:]...)
			break
		}
	}
	for link := range p.links() {
		m.sys.remove(link)
	}
	m.sys.remove(p.block())
	m.unlink(p.node())
	if len(d.parts) == 0 {
		unix.Close(d.claim)
	}
}

// dropPartitions removes them, used or not.
func (m *Machine) dropPartitions(d *dmMap) {
	for len(d.parts) > 0 {
		m.clear(d.parts[0].loop)
		m.forgetPartition(d.parts[0])
	}
}
