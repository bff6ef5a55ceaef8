package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// MountCall is one mount(2) of a block device.
type MountCall struct {
	Source, Target, FSType string
	Flags                  uintptr // MS_*
	Data                   string  // the filesystem's own options
}

// Mount makes one mount(2). When it hangs beyond ctx it is left behind, and
// unmounted should it succeed later. EBUSY is tried again for a second.
func (h *Host) Mount(ctx context.Context, c MountCall) error {
	what := fmt.Sprintf("mount -t %s %s %s", c.FSType, c.Source, c.Target)
	return h.patiently(ctx, func() error {
		return h.bounded(ctx, c.Target, what, func() error {
			return unix.Mount(h.Path(c.Source), c.Target, c.FSType, c.Flags, c.Data)
		}, func() { _ = unix.Unmount(c.Target, unix.UMOUNT_NOFOLLOW) })
	})
}

// Unmount makes one umount2(2) of the top layer at target: never lazy, never
// forced, no symlink followed. connector.ErrBusy when in use for a second.
// Nothing mounted there is success.
func (h *Host) Unmount(ctx context.Context, target string) error {
	layers, err := h.MountsAt(target)
	if err != nil || len(layers) == 0 {
		return err
	}
	err = h.patiently(ctx, func() error {
		return h.bounded(ctx, target, "umount2 "+target, func() error {
			return unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
		}, nil)
	})
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("umount %s: %w: a process has a file open or its working directory there", target, connector.ErrBusy)
	case err != nil:
		return fmt.Errorf("umount %s: %w", target, err)
	}
	return nil
}

// Attach shows the directory behind fd (an O_PATH descriptor will do) at the
// directory behind target, by open_tree and move_mount: neither path is walked
// again. On kernels older than 5.12 it may be a bind mount of the descriptor.
func (h *Host) Attach(ctx context.Context, fd, target int, name string, readOnly bool) error {
	tree, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.ENOSYS) {
		return h.bind(ctx, fd, target, name, readOnly)
	}
	if err != nil {
		return fmt.Errorf("open_tree for %s: %w", name, err)
	}
	defer unix.Close(tree)
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr)
		if errors.Is(err, unix.ENOSYS) {
			return h.bind(ctx, fd, target, name, readOnly)
		}
		if err != nil {
			return fmt.Errorf("mount_setattr for %s: %w", name, err)
		}
	}
	err = h.bounded(ctx, name, "move_mount "+name, func() error {
		return unix.MoveMount(tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	}, func() { _ = unix.Unmount(name, unix.UMOUNT_NOFOLLOW) })
	if err != nil {
		return fmt.Errorf("move_mount to %s: %w", name, err)
	}
	return nil
}

func (h *Host) bind(ctx context.Context, fd, target int, name string, readOnly bool) error {
	from, to := fmt.Sprintf("/proc/self/fd/%d", fd), fmt.Sprintf("/proc/self/fd/%d", target)
	err := h.bounded(ctx, name, "mount --bind "+name, func() error {
		return unix.Mount(from, to, "", unix.MS_BIND, "")
	}, nil)
	if err != nil || !readOnly {
		return err
	}
	return h.bounded(ctx, name, "mount -o remount,bind,ro "+name, func() error {
		return unix.Mount("", name, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
	}, nil)
}

// patiently repeats a call that answers EBUSY for up to a second: a descriptor
// copied into a child between fork and exec, or udev reading the device, makes
// things busy for milliseconds.
func (h *Host) patiently(ctx context.Context, act func() error) error {
	until := time.Now().Add(busyPatience)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := act()
		if !errors.Is(err, unix.EBUSY) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
