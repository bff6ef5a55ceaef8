package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// users names who keeps a device busy, as far as can be seen.
func (h *Host) users(ctx context.Context, device string) string {
	var found []string
	n, err := h.DeviceNumber(device)
	if err != nil {
		return err.Error()
	}
	on := func(m Mount) bool { return h.IsOn(m, n) }
	if mounts, err := h.Mounts(); err == nil {
		for _, m := range mounts {
			if on(m) {
				found = append(found, "mounted at "+m.Point)
			}
		}
	}
	holders, _ := h.Elsewhere(ctx, on)
	for _, holder := range holders {
		found = append(found, "mounted in the namespace of "+holder.String())
	}
	for _, name := range h.Stacked(n) {
		found = append(found, "part of "+name)
	}
	if h.isSwap(n) {
		found = append(found, "in use as swap")
	}
	if len(found) == 0 {
		return "opened exclusively by a process, or still being unmounted"
	}
	return strings.Join(found[:min(len(found), 8)], ", ")
}

// Stacked returns the block devices built on this one (dm, md …), "dm-0".
func (h *Host) Stacked(n Number) []string {
	names, _ := filepath.Glob(h.Path("sys/dev/block", n.String(), "holders", "*"))
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}

// isSwap tells whether the device is swap space of this machine.
func (h *Host) isSwap(n Number) bool {
	table, _ := os.ReadFile(h.Path("proc/swaps"))
	for line := range strings.Lines(string(table)) {
		path, _, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(path, "/") {
			continue
		}
		if swap, err := h.DeviceNumber(unescape(path)); err == nil && swap == n {
			return true
		}
	}
	return false
}

// IsOn tells whether a mount shows the filesystem of this device. Btrfs mounts
// carry an anonymous number; their source names the device.
func (h *Host) IsOn(m Mount, n Number) bool {
	if m.Dev == n {
		return true
	}
	if m.Dev.Major != 0 || !strings.HasPrefix(m.Source, "/") {
		return false
	}
	source, err := h.DeviceNumber(m.Source)
	return err == nil && source == n
}
