package iscsi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// flushLimit is how long writing out an idle device may take.
const flushLimit = 30 * time.Second

// layers is what there is to take away: maps, and below them disks.
type layers struct {
	maps  []host.MultipathMap
	paths []path
}

// dismantle takes away these paths and the maps over them. First everything is
// proved idle, and only then anything changes: ErrBusy leaves all as it was.
// Then what the kernel holds is written out; if that fails over a living path,
// everything stays as well. Dead paths have nothing to give any more.
//
// multipathd may hear only now, from a slow udev, of a disk that came before, and
// make a map again, or drop one: then it begins anew.
func (c *Connector) dismantle(ctx context.Context, v volume, paths []path) error {
	mapped := false
	for try := 1; ; try++ {
		l, err := c.layers(v, paths)
		if err != nil {
			return err
		}
		mapped = mapped || len(l.maps) > 0
		if err = c.dismantleOnce(ctx, v, l, mapped); err == nil {
			break
		}
		now, failed := c.layers(v, paths)
		if failed != nil || try == 3 || slices.Equal(now.tops(), l.tops()) {
			return errors.Join(err, failed)
		}
	}
	var names, serials []string
	for _, p := range paths {
		names, serials = append(names, p.disk.Name), append(serials, p.id.Serials...)
	}
	if mapped {
		if err := c.forgetPaths(ctx, names); err != nil {
			return err
		}
	}
	return c.forgetName(ctx, serials) // a map that came and went meanwhile wrote it down again
}

func (c *Connector) dismantleOnce(ctx context.Context, v volume, l layers, mapped bool) error {
	for _, m := range l.maps {
		if err := c.idle(ctx, m); err != nil && !gone(err) {
			return l.busy(v, err)
		}
	}
	for _, device := range l.bare() {
		if err := c.host.Exclusive(ctx, device, nil); err != nil && !gone(err) {
			return l.busy(v, err)
		}
	}
	if err := c.flush(ctx, l); err != nil {
		return err
	}
	for _, m := range l.maps {
		if err := c.removeMap(ctx, m); err != nil {
			return err
		}
	}
	for _, m := range l.maps {
		if err := c.forgetName(ctx, []string{m.Serial}); err != nil {
			return err
		}
	}
	for _, p := range l.paths {
		// As long as a disk is there to tell its name, so that a call after one that
		// was cut off does it too.
		if err := c.forgetName(ctx, p.id.Serials); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, kernelLimit)
		// Below a map everything is written out by now, whichever path it took.
		err := c.host.RemoveSCSIDisk(limited, p.disk, mapped || !p.alive())
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// layers finds the maps over these paths, and those that are left without any
// path but have the volume's name.
func (c *Connector) layers(v volume, paths []path) (layers, error) {
	l := layers{paths: paths}
	maps, err := c.host.MultipathMaps()
	if err != nil {
		return l, err
	}
	serials := []string{}
	if proven := v.Proven[proofWWID]; proven != "" {
		serials = append(serials, host.SerialOf(proven))
	}
	for _, p := range paths {
		serials = append(serials, p.id.Serials...)
	}
	for _, m := range maps {
		if !overlaps(m, paths) && (len(m.Paths) > 0 || !slices.Contains(serials, m.Serial)) {
			continue
		}
		for _, disk := range m.Paths {
			if !slices.ContainsFunc(paths, func(p path) bool { return p.disk.Name == disk }) {
				return l, fmt.Errorf("the multipath map %s (%s) is also over %s, which is no disk of this volume: %w: remove it with `multipath -f %s` when nobody uses it",
					m.Device(), m.Serial, disk, connector.ErrUnsafe, m.Alias)
			}
		}
		l.maps = append(l.maps, m)
	}
	return l, nil
}

// tops are the maps and the disks that are in none.
func (l layers) tops() []string {
	var tops []string
	for _, m := range l.maps {
		tops = append(tops, m.Device())
	}
	return append(tops, l.bare()...)
}

// bare are the disks that are in no map.
func (l layers) bare() []string {
	var disks []string
	for _, p := range l.paths {
		if !slices.ContainsFunc(l.maps, func(m host.MultipathMap) bool { return slices.Contains(m.Paths, p.disk.Name) }) {
			disks = append(disks, p.disk.Device())
		}
	}
	return disks
}

// busy adds to "in use" whose it is: a disk in our place with another name than
// was proved may be another volume's.
func (l layers) busy(v volume, err error) error {
	want := v.Proven[proofWWID]
	for _, p := range l.paths {
		if want != "" && p.id.WWID != want && errors.Is(err, connector.ErrBusy) {
			return fmt.Errorf("%s is %s, but this volume was %s, and it is in use: %w: %w", p.disk.Device(), p.id.WWID, want, connector.ErrUnsafe, err)
		}
	}
	return err
}

// flush writes out the idle devices as long as a path of them lives.
func (c *Connector) flush(ctx context.Context, l layers) error {
	ctx, cancel := context.WithTimeoutCause(ctx, flushLimit, fmt.Errorf("not done within %s", flushLimit))
	defer cancel()
	var devices []string
	for _, m := range l.maps {
		// What the kernel holds of a partition is not among what it holds of the map.
		parts, err := c.partitions(m)
		if err != nil {
			return err
		}
		if l.living(m.Device()) {
			devices = append(append(devices, parts...), m.Device())
		}
	}
	devices = append(devices, slices.DeleteFunc(l.bare(), func(d string) bool { return !l.living(d) })...)
	for _, device := range devices {
		if err := c.host.Settle(ctx, device); err != nil && !gone(err) {
			return fmt.Errorf("flush %s, which was therefore left as it is: %w", device, err)
		}
	}
	return nil
}

// living tells whether a device has a path that works.
func (l layers) living(device string) bool {
	for _, p := range l.paths {
		if !p.alive() {
			continue
		}
		if p.disk.Device() == device {
			return true
		}
		for _, m := range l.maps {
			if m.Device() == device && slices.Contains(m.Paths, p.disk.Name) {
				return true
			}
		}
	}
	return false
}

// gone tells whether an error says that the device went meanwhile, or that it
// is offline, when it can be opened by nobody.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV)
}
