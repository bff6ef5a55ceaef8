package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// backing is what device_path names: an open file, or a block device.
type backing struct {
	path   string
	device string   // a block device of this host, then file is nil
	file   *os.File // a regular file
	dev    uint64
	inode  uint64
	size   int64
}

func (b *backing) close() {
	if b.file != nil {
		b.file.Close()
	}
}

// devicePath returns the checked device_path of the connection. It comes from
// the cloud as JSON: it may have any type and say anything.
func devicePath(conn connector.Connection) (string, error) {
	path, ok := conn.Data["device_path"].(string)
	if !ok || path == "" {
		return "", fmt.Errorf("the cloud's connection has no device_path but %v: %w", conn.Data["device_path"], connector.ErrUnsupported)
	}
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("device_path %q is not a plain absolute path: %w", path, connector.ErrUnsafe)
	}
	return path, nil
}

// open checks the connection and opens what it names.
func (c *Connector) open(conn connector.Connection) (*backing, error) {
	if conn.VolumeID == "" || conn.SizeGiB <= 0 {
		return nil, fmt.Errorf("the connection has no volume id or no size (%d GiB): %w", conn.SizeGiB, connector.ErrUnsafe)
	}
	if conn.Encrypted {
		return nil, fmt.Errorf("the volume is encrypted, its device holds ciphertext: %w: use a volume type without encryption", connector.ErrUnsafe)
	}
	path, err := devicePath(conn)
	if err != nil {
		return nil, err
	}
	if device, isDevice, err := c.blockDevice(path); isDevice || err != nil {
		return &backing{path: path, device: device}, err
	}
	return c.openFile(path, conn)
}

// blockDevice tells whether the path lies below /dev, and then which block device
// it names.
func (c *Connector) blockDevice(path string) (device string, is bool, err error) {
	if !strings.HasPrefix(path, "/dev/") {
		return "", false, nil
	}
	device, err = c.host.ResolveDevice(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: %w", err, connector.ErrUnsafe)
	}
	return device, true, err
}

// openFile opens a volume's file. Its last component must be a regular file: a
// symlink left in a volume directory must not lead to somebody else's file.
func (c *Connector) openFile(path string, conn connector.Connection) (*backing, error) {
	mode := unix.O_RDWR
	if conn.Access == connector.ReadOnly {
		mode = unix.O_RDONLY
	}
	fd, err := unix.Open(c.host.Path(path), mode|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symlink: %w", path, connector.ErrUnsafe)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("neither a regular file nor below /dev: %w", connector.ErrUnsafe)
	}
	if err == nil {
		err = conn.CheckSize(st.Size)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &backing{path: path, file: os.NewFile(uintptr(fd), path), dev: st.Dev, inode: st.Ino, size: st.Size}, nil
}

// proof is the record of what identified the device.
func (b *backing) proof() map[string]string {
	if b.device != "" {
		return map[string]string{"device_path": b.path}
	}
	return map[string]string{
		"backing_file":  b.path,
		"backing_dev":   fmt.Sprintf("%d:%d", unix.Major(b.dev), unix.Minor(b.dev)),
		"backing_inode": strconv.FormatUint(b.inode, 10),
	}
}
