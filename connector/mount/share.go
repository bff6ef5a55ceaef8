package mount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// serverTime is what a server may take to open, and at first to make, the
// directory that a container sees.
const serverTime = 20 * time.Second

// mountShare shows spec.Subdir of a share at spec.Target. The connector has
// mounted and proved the whole of it at src.Directory.
func (j *job) mountShare(ctx context.Context) error {
	layers, err := j.host.MountsAt(j.src.Directory)
	if err != nil {
		return err
	}
	if len(layers) != 1 {
		return fmt.Errorf("mount: %s is not mounted at %s alone, there are %d mounts: %w", j.src.Export, j.src.Directory, len(layers), connector.ErrNotConnected)
	}
	j.whole = layers[0]
	if j.whole.ReadOnly() && !j.spec.ReadOnly {
		return fmt.Errorf("mount: this host may only read share %s: ask for a read-only mount", j.src.Export)
	}
	if done, err := j.settled(ctx); done || err != nil {
		return err
	}
	return j.run(ctx, j.src.Export, j.showShare, j.prove)
}

// showShare lets the server open the directory, no longer than serverTime, and
// shows it at Target. A thread that waits for a dead server is left behind, one
// for each share, and ends with the daemon.
func (j *job) showShare(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, serverTime)
	defer cancel()
	var dir int
	err := j.host.Touch(limited, j.src.Directory, "open the directory of "+j.src.Export, func() (err error) {
		dir, err = j.openShare()
		return err
	}, func() { unix.Close(dir) })
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return j.attach(ctx, dir)
}

// openShare is openData for a filesystem that other hosts write to as well.
func (j *job) openShare() (int, error) {
	root, err := unix.Open(j.src.Directory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", j.src.Directory, err)
	}
	if err := j.isWhole(root); err != nil {
		unix.Close(root)
		return -1, err
	}
	if j.spec.Subdir == "" {
		if j.spec.Fresh && !isNobody(j.spec.Owner) {
			err = explainSquash(setOwner(root, j.spec.Owner))
		}
		if err != nil {
			unix.Close(root)
			return -1, err
		}
		return root, nil
	}
	defer unix.Close(root)
	return j.openSubdir(root)
}

// isWhole proves that an open directory is the mount that the table showed: it
// may have gone meanwhile, and what is below it is this host's own disk.
func (j *job) isWhole(root int) error {
	var st unix.Statx_t
	err := unix.Statx(root, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st)
	switch {
	case err != nil:
		return fmt.Errorf("statx %s: %w", j.src.Directory, err)
	case st.Mask&unix.STATX_MNT_ID == 0: // before Linux 5.8
		var fs unix.Stat_t
		if err := unix.Fstat(root, &fs); err != nil || (host.Number{Major: unix.Major(fs.Dev), Minor: unix.Minor(fs.Dev)}) != j.whole.Dev {
			return fmt.Errorf("%s is not the mounted share any more (%v): %w", j.src.Directory, err, connector.ErrNotConnected)
		}
	case int(st.Mnt_id) != j.whole.ID:
		return fmt.Errorf("%s is not the mounted share any more: %w", j.src.Directory, connector.ErrNotConnected)
	}
	return nil
}

// openSubdir opens the subdirectory and makes what is missing of it.
func (j *job) openSubdir(root int) (int, error) {
	dir := root
	steps := strings.Split(j.spec.Subdir, "/")
	for i, step := range steps {
		owner := connector.Owner{} // parents are root's
		if i == len(steps)-1 {
			owner = j.spec.Owner
		}
		next, err := j.openStep(dir, step, owner)
		if err != nil {
			return -1, fmt.Errorf("directory %q of the share: %w", path.Join(steps[:i+1]...), err)
		}
		if i == len(steps)-1 {
			return next, nil
		}
		defer unix.Close(next)
		dir = next
	}
	return -1, fmt.Errorf("no subdirectory: %w", connector.ErrUnsafe)
}

// openStep opens one directory of dir and makes it if it is missing. One that
// was made and did not get its owner before a crash is given it now: it has no
// mode yet.
func (j *job) openStep(dir int, name string, owner connector.Owner) (fd int, err error) {
	fd, err = openBeneath(dir, name)
	if errors.Is(err, unix.ENOENT) && j.spec.ReadOnly {
		return -1, fmt.Errorf("it is missing, and a read-only mount cannot make it")
	}
	made := false
	if errors.Is(err, unix.ENOENT) {
		if made, err = makeStep(dir, name, owner); err == nil {
			fd, err = openBeneath(dir, name)
		}
	}
	if err == nil && !isNobody(owner) && !j.spec.ReadOnly {
		if err = finishStep(fd, owner); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil && made {
		_ = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) // or nobody could ever use it
	}
	if err != nil {
		return -1, explainSquash(err)
	}
	return fd, nil
}

// noMode is the mode of a directory that has not got its owner yet. Where shares
// are, a directory cannot be renamed into place without replacing what another
// host may have put there just before.
const noMode = 0

func makeStep(dir int, name string, owner connector.Owner) (made bool, err error) {
	mode := uint32(noMode)
	if isNobody(owner) {
		mode = 0o755
	}
	err = unix.Mkdirat(dir, name, mode)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EEXIST): // another host was quicker
		return false, nil
	case errors.Is(err, unix.EROFS):
		return false, fmt.Errorf("cannot be made: %w: the server lets this host only read there; an export that leads to others but is no share itself looks like that, too", err)
	}
	return false, fmt.Errorf("cannot be made: %w", err)
}

// finishStep gives a directory without a mode its owner, and then the mode.
func finishStep(fd int, owner connector.Owner) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&0o7777 != noMode {
		return nil
	}
	mode := uint32(0o755)
	if owner.Mode != nil {
		mode = *owner.Mode
	}
	if err := setOwner(fd, connector.Owner{UID: owner.UID, GID: owner.GID}); err != nil {
		return err
	}
	return setOwner(fd, connector.Owner{Mode: &mode})
}

// isNobody tells whether there is nothing to set.
func isNobody(o connector.Owner) bool { return o.UID == nil && o.GID == nil && o.Mode == nil }

// explainSquash adds why root may be refused on a share.
func explainSquash(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: the server does not let root do that (root_squash): export the share with no_root_squash, or do it on a host that may and ask for no uid, gid and mode", err)
	}
	return err
}

// ofShare tells of which share a mount shows a part, if of any: its
// Source.Export, and the directory in it.
func (m *Mounter) ofShare(mnt host.Mount, table []host.Mount) (export, dir string) {
	export, dir = mnt.Export(), mnt.Root
	for _, whole := range table {
		if m.Shares == "" || filepath.Dir(whole.Point) != filepath.Clean(m.Shares) {
			continue
		}
		if within, is := mnt.Within(whole); is {
			return cmp.Or(whole.Export(), whole.Point), within
		}
	}
	return export, dir
}

// shareHolders is Holders for a share.
func (m *Mounter) shareHolders(ctx context.Context, src connector.Source) ([]string, error) {
	layers, err := m.host.MountsAt(src.Directory)
	if err != nil {
		return nil, err
	}
	holders, err := m.host.Elsewhere(ctx, func(o host.Mount) bool {
		if len(layers) == 0 {
			return o.Export() != "" && host.IsBelow(o.Export(), src.Export)
		}
		// The whole is also in namespaces that only follow ours.
		return o.PartOf(layers[0]) && o.Point != layers[0].Point
	})
	if err != nil {
		return nil, fmt.Errorf("holders of %s: %w", src.Export, err)
	}
	return named(holders), nil
}
