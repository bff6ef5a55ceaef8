package mount

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// makeStaging makes the directory only root may enter.
func makeStaging(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, 0o700)
}

// makeTarget makes the mount point and returns a descriptor of it. Its parents
// may be passed by everybody (containers with user namespaces). The empty
// directory itself has mode 0000 and, where the filesystem below knows that, is
// immutable: when the mount is missing nobody, not even root, can write to the
// root disk in its place.
func makeTarget(dir string) (int, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return -1, err
	}
	if err := os.Mkdir(dir, 0); err != nil && !errors.Is(err, os.ErrExist) {
		return -1, err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	if err := requireEmpty(dir); err != nil {
		unix.Close(fd)
		return -1, err
	}
	_ = setImmutable(fd, false)
	if err := unix.Fchmod(fd, 0); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("chmod %s: %w", dir, err)
	}
	_ = setImmutable(fd, true)
	return fd, nil
}

// requireEmpty refuses a mount point with files in it. Somebody wrote there
// while the volume was not mounted; mounting over would hide what may be the
// only copy.
func requireEmpty(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is not empty, it has %q, which was written while the volume was not mounted there: %w: move it away first", dir, names[0], connector.ErrUnsafe)
}

// removeEmpty removes a directory if it is there and empty. Only ever Remove: a
// RemoveAll behind a failed unmount would empty the volume.
func removeEmpty(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	_ = setImmutable(fd, false)
	unix.Close(fd)
	err = unix.Rmdir(dir)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rmdir %s: %w", dir, err)
	}
	return nil
}

// immutable is FS_IMMUTABLE_FL of the kernel's include/uapi/linux/fs.h.
const immutable = 0x10

// setImmutable sets or clears the immutable flag. Not every filesystem has it.
func setImmutable(fd int, on bool) error {
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	flags &^= immutable
	if on {
		flags |= immutable
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags)
}
