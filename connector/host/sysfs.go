package host

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// page is what sysfs says at once at most, bytes.
const page = 4096

// readSmall reads a file of sysfs, or another small one, by three bare system
// calls. The os package would enter every such file into its poller, because
// sysfs can be polled, and make eleven calls of it: a mount reads dozens.
func (h *Host) readSmall(path string) ([]byte, error) {
	return h.readBare(path, page, func(read, room int) bool { return read < room })
}

// readWhole reads a file of /proc, which ends only where a read says so, room
// bytes at a time.
func (h *Host) readWhole(path string, room int) ([]byte, error) {
	return h.readBare(path, room, func(read, _ int) bool { return read == 0 })
}

// readBare reads until a read of so many bytes into so much room was the last.
func (h *Host) readBare(path string, room int, last func(read, room int) bool) ([]byte, error) {
	fd, err := h.openBare(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, room)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, room)
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		end := last(n, cap(buf)-len(buf))
		if buf = buf[:len(buf)+n]; end {
			return buf, nil
		}
	}
}

// namesIn lists what a directory of sysfs holds, sorted.
func (h *Host) namesIn(dir string) ([]string, error) {
	fd, err := h.openBare(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var names []string
	for buf := make([]byte, page); ; {
		n, err := unix.ReadDirent(fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: dir, Err: err}
		case n == 0:
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// openBare opens a path of the machine without the poller.
func (h *Host) openBare(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(h.Path(path), flags|unix.O_CLOEXEC, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
		return fd, nil
	}
}

// unlessGone says what was read in vain, or nothing when it only went meanwhile.
func unlessGone(err error, what string) error {
	if err == nil || goneNow(err) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
