package mount

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// undoTime is what undoing a failed mount may take, whatever the caller's
// deadline: it runs when that is usually over.
const undoTime = 30 * time.Second

// job is one Mount on its way; each step may add what undoes it.
type job struct {
	*Mounter
	src    connector.Source
	spec   connector.MountSpec
	number host.Number
	sb     superblock // zero when the filesystem is none we can read
	ro     bool       // the device itself is read-only
	base   string     // root of the whole filesystem in the mount table
	whole  host.Mount // of a share: where all of it is mounted
	undo   []func(context.Context) error
}

// Mount shows spec.Subdir of the filesystem on src at spec.Target, checked,
// grown, and proved to be there. Mounted already as asked is success. Whatever
// fails, nothing stays mounted that was not before, and the device is idle
// again; a mount error says nothing about formatting.
//
// The whole filesystem appears only at spec.Staging, a private directory, for
// as long as it takes to open the subdirectory by descriptor: a subdirectory
// that is a symlink is refused, never followed.
func (m *Mounter) Mount(ctx context.Context, src connector.Source, spec connector.MountSpec) error {
	var err error
	j := &job{Mounter: m, src: src, spec: spec, base: "/"}
	if j.spec.Subdir, err = cleanSubdir(spec.Subdir); err != nil {
		return err
	}
	if src.Directory != "" {
		return j.mountShare(ctx)
	}
	if j.number, err = m.host.DeviceNumber(src.Device); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if done, err := j.settled(ctx); done || err != nil {
		return err
	}
	return j.run(ctx, src.Device, j.inspect, j.check, j.stage, j.grow, j.show, j.unstage, j.prove)
}

// run takes the steps, or undoes those that were taken.
func (j *job) run(ctx context.Context, what string, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return j.back(ctx, fmt.Errorf("mount %s at %s: %w", what, j.spec.Target, err))
		}
	}
	return nil
}

// back undoes what was done, last first, and joins what that could not undo.
func (j *job) back(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for i := len(j.undo) - 1; i >= 0; i-- {
		if failed := j.undo[i](ctx); failed != nil {
			err = fmt.Errorf("%w; undoing: %w", err, failed)
		}
	}
	return err
}

// settled looks at Target first. Exactly the wanted mount, alone, is success.
// Anything else there is a stale layer, a dead disk's or an earlier user's, and
// goes away before: a mount on top would hide it and keep its device busy. What
// a crash left at Staging goes too.
func (j *job) settled(ctx context.Context) (bool, error) {
	table, err := j.host.Mounts()
	if err != nil {
		return false, err
	}
	layers, staged := host.Layers(table, j.spec.Target), host.Layers(table, j.spec.Staging)
	if len(layers) == 0 && len(staged) == 0 {
		return false, nil
	}
	if len(layers) == 1 && len(staged) == 0 && j.isWanted(layers[0]) {
		return true, j.host.MountReaches(layers[0])
	}
	if err := j.clear(ctx, j.spec.Target); err != nil {
		return false, fmt.Errorf("mount: a stale layer is in the way: %w", err)
	}
	return false, j.clear(ctx, j.spec.Staging)
}

// isWanted tells whether a mount shows this source's subdirectory the way it
// was asked for. base is what the whole filesystem shows as its root: "/", but
// the path of a Btrfs's default subvolume.
func (j *job) isWanted(m host.Mount) bool {
	if m.ReadOnly() != j.spec.ReadOnly {
		return false
	}
	if j.src.Directory != "" {
		dir, is := m.Within(j.whole)
		return is && dir == path.Join("/", j.spec.Subdir)
	}
	return m.Root == path.Join("/", j.base, j.spec.Subdir) && j.host.IsOn(m, j.number)
}

// inspect reads the filesystem's own figures and agrees on its type.
func (j *job) inspect(ctx context.Context) (err error) {
	if j.ro, err = j.host.DeviceReadOnly(j.src.Device); err != nil {
		return err
	}
	if j.ro && !j.spec.ReadOnly {
		return fmt.Errorf("the device is read-only: ask for a read-only mount")
	}
	r, err := j.readHead(ctx, j.src.Device)
	if err != nil {
		return err
	}
	if !r.known {
		if j.spec.FSType == "" {
			return fmt.Errorf("no filesystem is recognised on it: %w", connector.ErrUnsafe)
		}
		return nil
	}
	j.sb = r.sb
	wanted := j.spec.FSType
	if wanted == "" || wanted == "ext4" && (r.sb.kind == "ext2" || r.sb.kind == "ext3") {
		j.spec.FSType, wanted = r.sb.kind, r.sb.kind
	}
	if r.sb.kind != wanted {
		return fmt.Errorf("the device has a filesystem of type %s where %s was expected: %w", r.sb.kind, wanted, connector.ErrUnsafe)
	}
	if r.sb.unfinished {
		return fmt.Errorf("mkfs.%s never finished on this device: %w", r.sb.kind, connector.ErrUnsafe)
	}
	return nil
}

// stage mounts the whole filesystem at Staging.
func (j *job) stage(ctx context.Context) error {
	if err := makeStaging(j.spec.Staging); err != nil {
		return err
	}
	j.undo = append(j.undo, func(ctx context.Context) error { return j.unstage(ctx) })
	flags, data := host.SplitOptions(j.spec.Options)
	call := host.MountCall{Source: j.src.Device, Target: j.spec.Staging, FSType: j.spec.FSType,
		Flags: flags | unix.MS_NOSUID | unix.MS_NODEV, Data: j.withOwnOptions(data)}
	readWrite := call
	if j.spec.ReadOnly {
		call.Flags |= unix.MS_RDONLY
	}
	err := j.host.Mount(ctx, call)
	if errors.Is(err, unix.EBUSY) && j.spec.ReadOnly && !j.ro {
		// Mounted read-write elsewhere: then only what is shown is read-only.
		err = j.host.Mount(ctx, readWrite)
	}
	if err != nil {
		return explain(err, j.src.Device, j.spec.FSType)
	}
	staged, err := j.host.MountsAt(j.spec.Staging)
	if err == nil && len(staged) != 1 {
		err = fmt.Errorf("the mount table does not show it at %s: %+v", j.spec.Staging, staged)
	}
	if err != nil {
		return err
	}
	j.base = staged[0].Root
	return nil
}

// explain adds what an error of mount(2) means for data.
func explain(err error, device, fsType string) error {
	switch {
	case errors.Is(err, unix.EUCLEAN), errors.Is(err, unix.EBADMSG):
		return fmt.Errorf("%w: the filesystem is damaged: %w: check it with the tools of %s on %s", err, connector.ErrUnsafe, fsType, device)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %w", err, connector.ErrBusy)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: wrong filesystem type, a damaged superblock or an option that %s does not know (the kernel log says which)", err, fsType)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: this kernel has no %s: %w", err, fsType, connector.ErrUnsupported)
	}
	return err
}

// show opens the data directory and shows it at Target.
func (j *job) show(ctx context.Context) error {
	dir, err := j.openData()
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return j.attach(ctx, dir)
}

// attach shows an open directory at Target.
func (j *job) attach(ctx context.Context, dir int) error {
	j.undo = append(j.undo, func(ctx context.Context) error { return j.take(ctx, j.spec.Target) })
	target, err := makeTarget(j.spec.Target)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return j.host.Attach(ctx, dir, target, filepath.Clean(j.spec.Target), j.spec.ReadOnly)
}

// unstage takes the whole filesystem out of sight; the part shown at Target
// keeps it mounted.
func (j *job) unstage(ctx context.Context) error {
	if err := j.clear(ctx, j.spec.Staging); err != nil {
		return err
	}
	return removeEmpty(j.spec.Staging)
}

// prove reads the kernel's table: the path that will be answered is the device.
func (j *job) prove(context.Context) error {
	layers, err := j.host.MountsAt(j.spec.Target)
	if err != nil {
		return err
	}
	if len(layers) != 1 || !j.isWanted(layers[0]) {
		return fmt.Errorf("the mount table does not show it there: %+v", layers)
	}
	return j.host.MountReaches(layers[0])
}
