package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LockFile takes the lock that is called name on this machine and returns how
// to give it back. It keeps the goroutines of this process and the other
// daemons of this machine apart alike, and ends with the process that has it.
func (h *Host) LockFile(ctx context.Context, name string) (release func(), err error) {
	// Not in /run/lock, where everybody may write: whoever held a file of that
	// name there would keep all of a target's volumes where they are.
	path := h.Path("/run/fuxi", name+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	var file *os.File
	err = h.Poll(ctx, "the lock "+path, func() (bool, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return false, err
		}
		if ok, err := tryLock(f, path); !ok || err != nil {
			f.Close()
			return false, err
		}
		file = f
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return func() {
		// First the name, then the lock: whoever waits for this file sees that it
		// has no name any more, and locks the next one.
		_ = os.Remove(path)
		file.Close()
	}, nil
}

// tryLock locks the file if nobody else has, and if it still is the one that
// the path means.
func tryLock(f *os.File, path string) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK || err == unix.EINTR {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(mine, named), nil
}
