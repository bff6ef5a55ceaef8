package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockTimeout = 5 * time.Second
	dialTimeout = 2 * time.Second
	maxPath     = 107 // of sockaddr_un, less its final zero
)

// Listen returns the socket that Docker calls. If systemd passed sockets to
// this process, it is the one bound to path, and its file stays when it is
// closed. Otherwise a socket is made at path: 0600, or 0660 and owned by group
// gid if gid is above zero. A socket file that nobody answers on is replaced;
// one that somebody answers on, or anything but a socket, is an error and left
// alone. Closing the listener removes the file unless another has replaced it.
func Listen(path string, gid int) (net.Listener, error) {
	if !filepath.IsAbs(path) || len(path) > maxPath {
		return nil, fmt.Errorf("socket %q: the path must be absolute and at most %d bytes long", path, maxPath)
	}
	if l, err := activated(path); l != nil || err != nil {
		return l, err
	}
	dirMode := os.FileMode(0o700) // as dockerd makes it
	if gid > 0 {
		dirMode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	return bind(path, gid)
}

// lockDir keeps two starters from both finding a stale socket, where the slower
// would remove what the faster just made. The lock is on the directory itself:
// it leaves no file behind, and dockerd would take a second socket in there
// for another plugin.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), f.Close())
		}
	}
}

func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket %s: %w", path, err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is there and is not a socket (%s); move it away or configure another path", path, info.Mode())
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		defer conn.Close()
		return fmt.Errorf("another fuxi answers on %s%s; stop it first", path, holder(conn))
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		// A full backlog, say: somebody is there, if slow.
		return fmt.Errorf("socket %s is there and may be in use: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the stale socket: %w", err)
	}
	return nil
}

// holder names the process behind a connection as far as the kernel tells.
func holder(conn net.Conn) string {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ""
	}
	text := ""
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		switch {
		case err != nil || cred.Pid == 0: // 0: in another pid namespace
		case cred.Pid == 1:
			text = " (systemd holds the socket for its unit)"
		default:
			text = fmt.Sprintf(" (pid %d)", cred.Pid)
		}
	})
	return text
}

func bind(path string, gid int) (net.Listener, error) {
	// The mode of the unbound descriptor becomes the file's, so that there is
	// no moment in which others may connect.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	l, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	s := &socket{UnixListener: l.(*net.UnixListener), path: path}
	s.SetUnlinkOnClose(false)
	if s.file, err = os.Lstat(path); err == nil && gid > 0 {
		if err = os.Lchown(path, -1, gid); err == nil {
			err = os.Chmod(path, 0o660)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket %s: %w", path, err), os.Remove(path), l.Close())
	}
	return s, nil
}

// socket is a listener that removes its own file and no other.
type socket struct {
	*net.UnixListener
	path string
	file os.FileInfo
	once sync.Once
	err  error
}

// Close removes the file first: a socket file on which nobody answers costs
// every `docker volume ls` 15 s.
func (s *socket) Close() error {
	s.once.Do(func() {
		if unlock, err := lockDir(filepath.Dir(s.path)); err == nil {
			defer unlock()
		}
		var err error
		if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(now, s.file) {
			err = os.Remove(s.path)
		}
		s.err = errors.Join(err, s.UnixListener.Close())
	})
	return s.err
}
