package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/share"
)

// ShareDriver is the Connection.Driver of shares that are directories of this
// very host: what a simulated cloud hands out.
const ShareDriver = "local-share"

// NewShare returns a connector for such shares. Several daemons of a machine may
// have the same directory: each knows its own mounts of it.
func NewShare(h *host.Host, o share.Options) *share.Connector {
	return share.New(h, directory{h}, o)
}

type directory struct{ host *host.Host }

// Check implements share.Protocol.
func (directory) Check(export string) (string, error) {
	if !filepath.IsAbs(export) || filepath.Clean(export) != export || export == "/" || strings.ContainsRune(export, 0) {
		return "", fmt.Errorf("it is not a plain absolute path of a directory: %w", connector.ErrUnsafe)
	}
	return export, nil
}

// Answers implements share.Protocol: there is no server.
func (directory) Answers(context.Context, connector.Connection, string) error { return nil }

// Mount implements share.Protocol.
func (d directory) Mount(ctx context.Context, conn connector.Connection, export, dir string) error {
	fd, err := d.open(export)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return d.host.AttachShare(ctx, fd, dir, conn.Access == connector.ReadOnly)
}

// open opens a directory. A symlink left in its place must not lead elsewhere.
func (d directory) open(export string) (int, error) {
	fd, err := unix.Open(d.host.Path(export), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open the directory", Path: export, Err: err}
	}
	return fd, nil
}

// Shows implements share.Protocol. Another mount of the directory is another
// daemon's, unless it was cloned from ours or is a copy of it in another
// namespace.
func (directory) Shows(m host.Mount, _ string, whole host.Mount) bool {
	return whole.Point != "" && (m.IsCloneOf(whole) || m.PartOf(whole) && m.Point == whole.Point)
}

// Prove implements share.Protocol.
func (d directory) Prove(_ connector.Connection, m host.Mount, export string) (map[string]string, error) {
	fd, err := d.open(export)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", share.ErrOutdated, err)
	}
	defer unix.Close(fd)
	var want, have unix.Stat_t
	if err := unix.Fstat(fd, &want); err != nil {
		return nil, err
	}
	if err := unix.Stat(m.Point, &have); err != nil {
		return nil, err
	}
	if want.Dev != have.Dev || want.Ino != have.Ino {
		return nil, fmt.Errorf("%s (inode %d) was mounted when it was another directory (inode %d): %w", export, want.Ino, have.Ino, share.ErrOutdated)
	}
	return map[string]string{"export": export, "inode": fmt.Sprint(have.Ino)}, nil
}

// Remains implements share.Protocol: the directory stays where it is.
func (directory) Remains(context.Context, map[string]string) string { return "" }

// WritesLate implements share.Protocol.
func (directory) WritesLate() bool { return false }
