package host

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Settle writes what the kernel and the device still hold of a block device to
// its medium and waits, no longer than ctx: on a dead device that hangs, and is
// left behind.
func (h *Host) Settle(ctx context.Context, device string) error {
	return h.bounded(ctx, device+" flush", "fsync "+device, func() error { return h.Flush(device) }, nil)
}

// SetReadOnly lets the kernel refuse, or no longer refuse, writes to a block
// device. A device that its own target protects stays read-only.
func (h *Host) SetReadOnly(ctx context.Context, device string, readOnly bool) error {
	is, err := h.DeviceReadOnly(device)
	if err != nil || is == readOnly {
		return err
	}
	value := 0
	if readOnly {
		value = 1
	}
	return h.bounded(ctx, device, "blkroset "+device, func() error {
		return h.withDevice(device, unix.O_RDONLY, func(fd int) error {
			return unix.IoctlSetPointerInt(fd, unix.BLKROSET, value)
		})
	}, nil)
}

// BlockSize returns the size of a block device ("sda", "dm-0") in bytes, as the
// kernel knows it; the device is not asked.
func (h *Host) BlockSize(name string) (int64, error) {
	word, err := h.attribute("/sys/block/" + name + "/size")
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", name, err)
	}
	var sectors int64
	if _, err := fmt.Sscanf(word, "%d", &sectors); err != nil {
		return 0, fmt.Errorf("size of %s: sysfs says %q", name, word)
	}
	return sectors * 512, nil
}

// BlockNode makes sure that /dev/NAME exists and means that device. devtmpfs
// sees to it at once, udev is not needed; a container with a static /dev has
// neither, and may keep the node of an earlier device with another number.
func (h *Host) BlockNode(name string) (string, error) {
	device := "/dev/" + name
	want, err := parseNumber(h.readWord("/sys/block/" + name + "/dev"))
	if err != nil {
		return "", fmt.Errorf("number of %s: %w", name, err)
	}
	if have, err := h.DeviceNumber(device); err == nil && have == want {
		return device, nil
	}
	_ = os.Remove(h.Path(device))
	err = unix.Mknod(h.Path(device), unix.S_IFBLK|0o600, int(unix.Mkdev(want.Major, want.Minor)))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return "", fmt.Errorf("mknod %s: %w", device, err)
	}
	if have, err := h.DeviceNumber(device); err != nil || have != want {
		return "", fmt.Errorf("%s is not block device %s as sysfs says: %v, %w", device, want, have, err)
	}
	return device, nil
}
