package mount

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// mostHolders is how many holders a message has room for.
const mostHolders = 5

// Unmount takes every layer at target and staging away, never lazily, and then
// the empty directories. connector.ErrBusy when in use. Not mounted is success.
// Success does not mean that the device is idle: another mount namespace may
// still have it (Holders), and only an exclusive open proves that none has.
func (m *Mounter) Unmount(ctx context.Context, target, staging string) error {
	for _, point := range []string{target, staging} {
		if err := m.take(ctx, point); err != nil {
			return err
		}
	}
	return nil
}

// take unmounts all layers at point and removes the directory.
func (m *Mounter) take(ctx context.Context, point string) error {
	if point == "" {
		return nil
	}
	layers, err := m.host.MountsAt(point)
	if err != nil {
		return err
	}
	if err := m.clear(ctx, point); err != nil {
		return err
	}
	// Removing a directory detaches what other namespaces have mounted on it,
	// behind their backs: as long as one has, it stays.
	holders, err := m.host.Elsewhere(ctx, func(o host.Mount) bool {
		for _, mine := range layers {
			// The whole of a share is seen elsewhere at its own place.
			if o.Dev == mine.Dev && (o.Root == mine.Root || mine.Dev.Major != 0) {
				return true
			}
		}
		return o.Point == filepath.Clean(point)
	})
	if err != nil || len(holders) > 0 {
		return err
	}
	return removeEmpty(point)
}

// clear unmounts all layers at point, top first.
func (m *Mounter) clear(ctx context.Context, point string) error {
	if point == "" {
		return nil
	}
	for {
		layers, err := m.host.MountsAt(point)
		if err != nil || len(layers) == 0 {
			return err
		}
		if err := m.host.Unmount(ctx, filepath.Clean(point)); err != nil {
			return err
		}
	}
}

// Mounts lists the mounts at or below dir in this process's namespace, lowest
// layer first.
func (m *Mounter) Mounts(_ context.Context, dir string) ([]connector.Mounted, error) {
	all, err := m.host.Mounts()
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	var found []connector.Mounted
	for _, mnt := range all {
		if mnt.Point != dir && !strings.HasPrefix(mnt.Point, strings.TrimSuffix(dir, "/")+"/") {
			continue
		}
		one := connector.Mounted{Target: mnt.Point, FSType: mnt.FSType, RO: mnt.ReadOnly()}
		if one.Export, one.Subdir = m.ofShare(mnt, all); one.Export == "" {
			one.Device = m.deviceOf(mnt)
		}
		found = append(found, one)
	}
	return found, nil
}

// deviceOf names the block device of a mount, by number where it has one.
func (m *Mounter) deviceOf(mnt host.Mount) string {
	if name, err := m.host.DeviceName(mnt.Dev); err == nil && mnt.Dev.Major != 0 {
		return name
	}
	return mnt.Source
}

// Holders lists processes of other mount namespaces that still have the device
// mounted, one for each namespace, five at most: "dockerd[812]".
func (m *Mounter) Holders(ctx context.Context, src connector.Source) ([]string, error) {
	if src.Directory != "" {
		return m.shareHolders(ctx, src)
	}
	number, err := m.host.DeviceNumber(src.Device)
	if err != nil {
		return nil, err
	}
	// Btrfs shows an anonymous number: where our own table has it we know it.
	anonymous := map[host.Number]bool{number: true}
	mounts, err := m.host.Mounts()
	if err != nil {
		return nil, err
	}
	for _, mnt := range mounts {
		if m.host.IsOn(mnt, number) {
			anonymous[mnt.Dev] = true
		}
	}
	holders, err := m.host.Elsewhere(ctx, func(o host.Mount) bool { return anonymous[o.Dev] || m.host.IsOn(o, number) })
	if err != nil {
		return nil, fmt.Errorf("holders of %s: %w", src.Device, err)
	}
	return named(holders), nil
}

func named(holders []host.Holder) []string {
	var names []string
	for _, h := range holders[:min(len(holders), mostHolders)] {
		names = append(names, h.String())
	}
	return names
}
