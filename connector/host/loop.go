package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

const loopMajor = 7 // the kernel's list of devices: block major 7 is loop

// Loop is one configured loop device, as the kernel tells it.
type Loop struct {
	Device            string // node on this host, "/dev/loop3"
	Dev, Inode        uint64 // identity of the backing file, as stat(2) shows it
	Offset, SizeLimit uint64 // bytes; 0, 0 is the whole file
	Label             string // lo_file_name: what its maker called it, at most 63 bytes
	ReadOnly          bool
	Autoclear         bool
}

// Loops lists the configured loop devices of this machine by asking each for
// its status, whoever made it.
func (h *Host) Loops() ([]Loop, error) {
	// Not with a pattern: a machine keeps every loop device it ever had, and
	// Glob reads the directory of each.
	devices, err := os.ReadDir(h.Path("sys/block"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var loops []Loop
	for _, d := range devices {
		if !strings.HasPrefix(d.Name(), "loop") {
			continue
		}
		if _, err := os.Stat(h.Path("sys/block", d.Name(), "loop/backing_file")); err != nil {
			continue // not configured
		}
		loop, err := h.LoopStatus("/dev/" + d.Name())
		switch {
		case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENOENT):
			continue // cleared meanwhile
		case err != nil:
			return nil, err
		}
		loops = append(loops, loop)
	}
	return loops, nil
}

// LoopStatus asks one loop device. ENXIO when it is not configured.
func (h *Host) LoopStatus(device string) (loop Loop, err error) {
	err = h.withDevice(device, unix.O_RDONLY, func(fd int) error {
		loop, err = loopStatus(fd, device)
		return err
	})
	return loop, err
}

func loopStatus(fd int, device string) (Loop, error) {
	info, err := unix.IoctlLoopGetStatus64(fd)
	if err != nil {
		return Loop{}, fmt.Errorf("LOOP_GET_STATUS64: %w", err)
	}
	return Loop{
		Device: device, Dev: info.Device, Inode: info.Inode,
		Offset: info.Offset, SizeLimit: info.Sizelimit,
		Label:     unix.ByteSliceToString(info.File_name[:]),
		ReadOnly:  info.Flags&unix.LO_FLAGS_READ_ONLY != 0,
		Autoclear: info.Flags&unix.LO_FLAGS_AUTOCLEAR != 0,
	}, nil
}

// LoopAttach puts the whole of file behind a free loop device and labels it.
// The device stays until LoopDetach, whatever happens to this process. Taking
// and configuring is one step inside this process; when another process is
// quicker the next free device is taken.
func (h *Host) LoopAttach(ctx context.Context, file *os.File, label string, readOnly bool) (Loop, error) {
	if len(label) >= unix.LO_NAME_SIZE {
		return Loop{}, fmt.Errorf("label %q does not fit a loop device: at most %d bytes: %w", label, unix.LO_NAME_SIZE-1, connector.ErrUnsupported)
	}
	select {
	case h.loops <- struct{}{}:
		defer func() { <-h.loops }()
	case <-ctx.Done():
		return Loop{}, context.Cause(ctx)
	}
	config := unix.LoopConfig{Fd: uint32(file.Fd())}
	copy(config.Info.File_name[:], label)
	if readOnly {
		config.Info.Flags = unix.LO_FLAGS_READ_ONLY
	}
	var loop Loop
	err := h.patiently(ctx, func() (err error) {
		loop, err = h.tryLoopAttach(ctx, &config)
		return err
	})
	return loop, err
}

// tryLoopAttach takes the first free device. EBUSY when another process was
// quicker.
func (h *Host) tryLoopAttach(ctx context.Context, config *unix.LoopConfig) (Loop, error) {
	device, err := h.freeLoop()
	if err != nil {
		return Loop{}, err
	}
	mode := unix.O_RDWR
	if config.Info.Flags&unix.LO_FLAGS_READ_ONLY != 0 {
		mode = unix.O_RDONLY
	}
	var loop Loop
	err = h.withDevice(device, mode, func(fd int) error {
		err := h.bounded(ctx, device, "loop_configure "+device, func() error {
			return unix.IoctlLoopConfigure(fd, config)
		}, nil)
		if err != nil {
			return fmt.Errorf("LOOP_CONFIGURE: %w", err)
		}
		// Write protection that somebody set by BLKROSET outlives the file that the
		// device showed then.
		if ro, err := unix.IoctlGetInt(fd, unix.BLKROGET); err == nil && ro != 0 && mode == unix.O_RDWR {
			if err := unix.IoctlSetPointerInt(fd, unix.BLKROSET, 0); err != nil {
				return errors.Join(fmt.Errorf("BLKROSET: %w", err), unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0))
			}
		}
		loop, err = loopStatus(fd, device)
		return err
	})
	return loop, err
}

// freeLoop asks the kernel for an unused loop device and makes sure that its
// node exists: in a container without devtmpfs nobody else makes it.
func (h *Host) freeLoop() (string, error) {
	control, err := os.OpenFile(h.Path("dev/loop-control"), os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("%w (modprobe loop)", err)
	}
	defer control.Close()
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return "", fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
	}
	device := fmt.Sprintf("/dev/loop%d", n)
	if _, err := os.Stat(h.Path(device)); err == nil {
		return device, nil
	}
	err = unix.Mknod(h.Path(device), unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(n))))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return "", fmt.Errorf("mknod %s: %w", device, err)
	}
	return device, nil
}

// LoopResize lets a loop device see that its file has grown.
func (h *Host) LoopResize(ctx context.Context, device string) error {
	return h.withDevice(device, unix.O_RDONLY, func(fd int) error {
		return h.bounded(ctx, device, "loop_set_capacity "+device, func() error {
			return unix.IoctlSetInt(fd, unix.LOOP_SET_CAPACITY, 0)
		}, nil)
	})
}

// LoopDetach flushes the device, proves it idle and takes it from its file,
// provided that it still is what want says; it waits until it is really gone.
// What is not there any more is success.
// connector.ErrBusy when anybody has it open, and then nothing was changed.
func (h *Host) LoopDetach(ctx context.Context, want Loop) error {
	now, err := h.LoopStatus(want.Device)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOENT) || err == nil && !now.same(want) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.Flush(want.Device); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	changed := false
	err = h.Exclusive(ctx, want.Device, func(fd int) error {
		now, err := loopStatus(fd, want.Device)
		if changed = errors.Is(err, unix.ENXIO) || err == nil && !now.same(want); changed || err != nil {
			return err
		}
		return h.bounded(ctx, want.Device, "loop_clr_fd "+want.Device, func() error {
			return unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0)
		}, nil)
	})
	if changed {
		return nil // somebody else took it away; the device may be another's by now
	}
	if err != nil {
		return err
	}
	return h.awaitCleared(ctx, want)
}

// awaitCleared waits until a device that was told to go is gone. LOOP_CLR_FD
// answers success while somebody else has the device open, and only marks it to
// go at the last close; who does not go within the patience is told to stay, so
// that it does not vanish later under whoever has it.
func (h *Host) awaitCleared(ctx context.Context, want Loop) error {
	patience, cancel := context.WithTimeout(ctx, 5*busyPatience)
	defer cancel()
	err := h.Poll(patience, want.Device+" to go", func() (bool, error) {
		now, err := h.LoopStatus(want.Device)
		if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOENT) {
			return true, nil
		}
		return err == nil && !now.same(want), err
	})
	if err == nil {
		return nil
	}
	_ = h.withDevice(want.Device, unix.O_RDONLY, func(fd int) error { return h.keepLoop(fd, want) })
	return fmt.Errorf("%s: %w: a process keeps it open without using it: %w", want.Device, connector.ErrBusy, err)
}

// keepLoop takes back the mark to go at the last close.
func (h *Host) keepLoop(fd int, want Loop) error {
	info, err := unix.IoctlLoopGetStatus64(fd)
	if err != nil {
		return err
	}
	if now, err := loopStatus(fd, want.Device); err != nil || !now.same(want) {
		return err
	}
	info.Flags &^= unix.LO_FLAGS_AUTOCLEAR
	return unix.IoctlLoopSetStatus64(fd, info)
}

// same tells whether two answers speak of the same use of a device.
func (l Loop) same(o Loop) bool {
	return l.Device == o.Device && l.Dev == o.Dev && l.Inode == o.Inode && l.Label == o.Label
}
