package mount

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// newDir is the name a data directory has while it is made. It is always empty
// and removed when found.
const newDir = ".fuxi-new"

// cleanSubdir refuses everything that is not a plain relative path.
func cleanSubdir(subdir string) (string, error) {
	if subdir == "" || subdir == "/" || subdir == "." {
		return "", nil
	}
	if !filepath.IsLocal(subdir) || strings.ContainsRune(subdir, 0) {
		return "", fmt.Errorf("mount: subdirectory %q leaves the volume: %w", subdir, connector.ErrUnsafe)
	}
	return path.Clean(subdir), nil
}

// openData returns a descriptor of the directory to show, making it if it is
// missing. Each step stays below the filesystem's root and crosses no symlink
// and no mount: what a container wrote into its volume must not lead the next
// mount to /etc.
func (j *job) openData() (int, error) {
	root, err := unix.Open(j.spec.Staging, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", j.spec.Staging, err)
	}
	if j.spec.Subdir == "" {
		if j.spec.Fresh {
			if err := setOwner(root, j.spec.Owner); err != nil {
				unix.Close(root)
				return -1, err
			}
		}
		return root, nil
	}
	defer unix.Close(root)
	fd, err := openBeneath(root, j.spec.Subdir)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	if j.spec.ReadOnly {
		return -1, fmt.Errorf("the volume has no directory %q, and a read-only mount cannot make it", j.spec.Subdir)
	}
	if err := j.makeData(root); err != nil {
		return -1, fmt.Errorf("make directory %q: %w", j.spec.Subdir, err)
	}
	return openBeneath(root, j.spec.Subdir)
}

// openBeneath opens a directory below root. A symlink, a mount or a file in the
// way is connector.ErrUnsafe.
func openBeneath(root int, subdir string) (int, error) {
	fd, err := unix.Openat2(root, subdir, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOTDIR):
		return -1, fmt.Errorf("%q in the volume is not a plain directory (%w): %w: look at it with a mount of the whole volume", subdir, err, connector.ErrUnsafe)
	case err != nil:
		return -1, fmt.Errorf("open %q in the volume: %w", subdir, err)
	}
	return fd, nil
}

// makeData makes the subdirectory, and its parents as root's. The last one
// appears in one step with its final owner and mode, so that a crash leaves
// either none or a finished one.
func (j *job) makeData(root int) error {
	parent, name := path.Split(j.spec.Subdir)
	dir := root
	for step := range strings.SplitSeq(path.Clean(parent), "/") {
		if step == "." {
			break
		}
		if err := unix.Mkdirat(dir, step, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		next, err := openBeneath(dir, step)
		if err != nil {
			return err
		}
		defer unix.Close(next)
		dir = next
	}
	return makeDirAt(dir, name, j.spec.Owner)
}

func makeDirAt(dir int, name string, owner connector.Owner) error {
	if err := unix.Unlinkat(dir, newDir, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s in the volume: %w", newDir, err)
	}
	if err := unix.Mkdirat(dir, newDir, 0o755); err != nil {
		return err
	}
	made, err := openBeneath(dir, newDir)
	if err != nil {
		return err
	}
	defer unix.Close(made)
	if err := setOwner(made, owner); err != nil {
		return err
	}
	if err := unix.Fsync(made); err != nil {
		return err
	}
	if err := unix.Renameat2(dir, newDir, dir, name, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	return unix.Fsync(dir)
}

// setOwner changes what owner names, through the descriptor.
func setOwner(fd int, owner connector.Owner) error {
	uid, gid := -1, -1
	if owner.UID != nil {
		uid = *owner.UID
	}
	if owner.GID != nil {
		gid = *owner.GID
	}
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchown(fd, uid, gid); err != nil {
			return fmt.Errorf("chown: %w", err)
		}
	}
	if owner.Mode != nil {
		if err := unix.Fchmod(fd, *owner.Mode); err != nil {
			return fmt.Errorf("chmod: %w", err)
		}
	}
	return nil
}
