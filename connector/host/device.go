package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/trace"
)

// busyPatience is how long an exclusive open is tried before "busy" is believed:
// udev and blkid open every new device for a moment.
const busyPatience = time.Second

// DeviceNumber returns the number of a block device node; anything else is an
// error.
func (h *Host) DeviceNumber(device string) (Number, error) {
	var st unix.Stat_t
	if err := unix.Stat(h.Path(device), &st); err != nil {
		return Number{}, fmt.Errorf("%s: %w", device, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return Number{}, fmt.Errorf("%s is not a block device", device)
	}
	return Number{unix.Major(st.Rdev), unix.Minor(st.Rdev)}, nil
}

// DeviceName returns the node of a block device number, "/dev/loop3", by sysfs.
func (h *Host) DeviceName(n Number) (string, error) {
	link, err := os.Readlink(h.Path("sys/dev/block", n.String()))
	if err != nil {
		return "", err
	}
	return "/dev/" + strings.ReplaceAll(filepath.Base(link), "!", "/"), nil
}

// ResolveDevice follows the symlinks of a path below /dev (/dev/vg/volume is one)
// to its node, which must be a block device below /dev as well.
func (h *Host) ResolveDevice(path string) (string, error) {
	real, err := filepath.EvalSymlinks(h.Path(path))
	if err != nil {
		return "", err
	}
	below, found := strings.CutPrefix(real, h.Path("dev")+"/")
	if !found {
		return "", fmt.Errorf("%s leads to %s, outside of /dev", path, real)
	}
	_, err = h.DeviceNumber("/dev/" + below)
	return "/dev/" + below, err
}

// DeviceSize returns the size of a block device in bytes, as sysfs has it: opening
// a device waits for whoever has it opened or closed at that moment, udev say.
func (h *Host) DeviceSize(device string) (size int64, err error) {
	n, err := h.DeviceNumber(device)
	if err != nil {
		return 0, err
	}
	if word, err := h.attribute("/sys/dev/block/" + n.String() + "/size"); err == nil {
		if sectors, err := strconv.ParseInt(word, 10, 64); err == nil {
			return sectors * 512, nil
		}
	}
	err = h.withDevice(device, unix.O_RDONLY, func(fd int) error {
		size, err = BlockSize64(fd)
		return err
	})
	return size, err
}

// DeviceReadOnly tells whether the kernel refuses writes to the device. sysfs
// knows that of whole disks; opening one would cost a question to its target.
func (h *Host) DeviceReadOnly(device string) (ro bool, err error) {
	switch h.readWord(filepath.Join("/sys/block", filepath.Base(device), "ro")) {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	err = h.withDevice(device, unix.O_RDONLY, func(fd int) error {
		flag, err := unix.IoctlGetInt(fd, unix.BLKROGET)
		ro = flag != 0
		return err
	})
	return ro, err
}

// BlockSize64 returns the size in bytes of the block device behind fd.
func BlockSize64(fd int) (int64, error) {
	var size uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return 0, fmt.Errorf("BLKGETSIZE64: %w", errno)
	}
	return int64(size), nil
}

// withDevice opens a block device for a moment, not exclusively.
func (h *Host) withDevice(device string, flags int, use func(fd int) error) error {
	fd, err := openDevice(h.Path(device), flags)
	if err != nil {
		return fmt.Errorf("open %s: %w", device, err)
	}
	defer unix.Close(fd)
	if err := use(fd); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}

// openDevice opens a node and makes sure that it is a block device.
func openDevice(path string, flags int) (int, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFBLK {
		err = unix.ENOTBLK
	} else if err == nil {
		return fd, nil
	}
	unix.Close(fd)
	return -1, unix.ENOTBLK
}

// Exclusive proves that nobody uses the device and calls use (which may be nil)
// while nobody can begin to. umount's success proves no such thing: another
// mount namespace may still hold the filesystem; an exclusive open fails exactly
// then, and also for swap, LVM, md and other loop devices on top.
//
// Busy is believed only after a second of trying, then the answer is
// connector.ErrBusy and names who was found.
//
// While use runs no process can be started by this one (syscall.ForkLock is
// held): a child between fork and exec holds copies of all descriptors, and
// would make the device look busy to the next tool. So use must be short, start
// no command and not call Exclusive.
func (h *Host) Exclusive(ctx context.Context, device string, use func(fd int) error) error {
	if err := h.answers(ctx, device); err != nil {
		return err
	}
	err := h.tryExclusive(device, use)
	if err != unix.EBUSY {
		return err
	}
	defer trace.Cross(ctx, trace.Wait, device+" to be let go")()
	until := time.Now().Add(busyPatience)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if err := h.tryExclusive(device, use); err != unix.EBUSY {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s: %w: %s", device, connector.ErrBusy, h.users(ctx, device))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is busy: %w", device, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// answers opens a device for a moment, and gives up with ctx. The kernel asks a
// disk before it opens it, and while it tries to recover one that does not
// answer, that takes minutes: not with ForkLock held, for all other commands of
// this process would wait as well. An error of the open itself is no answer of
// this function: the exclusive open will have it too.
func (h *Host) answers(ctx context.Context, device string) error {
	return h.boundedAs(ctx, trace.Wait, device+" open", "opening "+device, func() error {
		if fd, err := openDevice(h.Path(device), unix.O_RDONLY); err == nil {
			unix.Close(fd)
		}
		return nil
	}, nil)
}

// tryExclusive returns a bare EBUSY when somebody has the device.
func (h *Host) tryExclusive(device string, use func(fd int) error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := openDevice(h.Path(device), unix.O_RDONLY|unix.O_EXCL)
	if err == unix.EBUSY {
		return err
	}
	if err != nil {
		return fmt.Errorf("open %s exclusively: %w", device, err)
	}
	defer unix.Close(fd)
	if use == nil {
		return nil
	}
	if err := use(fd); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}

// Flush writes what the kernel still holds of the device to it, and waits.
func (h *Host) Flush(device string) error {
	return h.withDevice(device, unix.O_RDONLY, unix.Fsync)
}
