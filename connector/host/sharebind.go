package host

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// AttachShare shows the directory behind fd at the directory target, with nosuid
// and nodev. What is later cloned from that mount can be told from other mounts
// of the same directory by its peer group (Mount.Propagation): it is a new one.
// Linux 5.12 or later.
func (h *Host) AttachShare(ctx context.Context, fd int, target string, readOnly bool) error {
	tree, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("open_tree for %s: %w", target, err)
	}
	defer unix.Close(tree)
	// A clone belongs to the peers of what it was cloned from until it is private.
	for _, propagation := range []uint64{unix.MS_PRIVATE, unix.MS_SHARED} {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: propagation}
		if readOnly {
			attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
		}
		err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr)
		if errors.Is(err, unix.ENOSYS) {
			err = fmt.Errorf("this kernel is older than 5.12: %w", connector.ErrUnsupported)
		}
		if err != nil {
			return fmt.Errorf("mount_setattr for %s: %w", target, err)
		}
	}
	return h.bounded(ctx, target, "move_mount "+target, func() error {
		return unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}, func() { _ = unix.Unmount(target, unix.UMOUNT_NOFOLLOW) })
}

// IsCloneOf tells whether m is whole, or was cloned from it: both are of one
// peer group.
func (m Mount) IsCloneOf(whole Mount) bool {
	group := whole.peerGroup()
	return m.PartOf(whole) && group != "" && m.peerGroup() == group
}
