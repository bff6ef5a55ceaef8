package mount

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Exit codes of e2fsck(8), which are bits.
const (
	fsckCorrected   = 1
	fsckReboot      = 2
	fsckUncorrected = 4
)

// check runs fsck before the first mount of an ext filesystem on this host and
// refuses what it could not repair. XFS and Btrfs repair themselves from their
// logs when mounted, and their checkers are not for every mount.
func (j *job) check(ctx context.Context) error {
	mounted, err := j.mountedHere(ctx)
	if err != nil || mounted || j.spec.Fresh || !strings.HasPrefix(j.spec.FSType, "ext") {
		return err
	}
	mode := "-p"
	if j.spec.ReadOnly {
		// With a journal to replay a check that may not write sees damage that
		// is none; the kernel replays it, if the device lets it.
		if j.sb.replay {
			return nil
		}
		mode = "-n"
	}
	return j.fsck(ctx, mode)
}

// fsck runs e2fsck. Exit codes of 4 and above mean damage that was not repaired,
// or that the check itself failed: connector.ErrUnsafe.
func (j *job) fsck(ctx context.Context, mode ...string) error {
	res, err := j.host.Run(ctx, host.Command{Name: "e2fsck", Args: append(mode, j.src.Device)})
	if err != nil {
		return err
	}
	if res.ExitCode >= fsckUncorrected {
		return fmt.Errorf("e2fsck %s found damage that it must not repair alone (exit code %d: %s): %w: "+
			"make a snapshot of the volume in the cloud, attach it by other means and repair it with e2fsck -f",
			strings.Join(mode, " "), res.ExitCode, res.LastWords(), connector.ErrUnsafe)
	}
	if res.ExitCode&(fsckCorrected|fsckReboot) != 0 {
		j.notice(ctx, fmt.Sprintf("e2fsck repaired %s: %s", j.src.Device, strings.TrimSpace(string(res.Stdout))))
	}
	return nil
}

// mountedHere tells whether the filesystem is mounted somewhere on this host
// already, in whatever namespace: then it must not be checked. A device that is
// busy for another reason (a dying mkfs, a volume group) is refused.
func (j *job) mountedHere(ctx context.Context) (bool, error) {
	mounts, err := j.host.Mounts()
	if err != nil {
		return false, err
	}
	for _, mnt := range mounts {
		if j.host.IsOn(mnt, j.number) {
			return true, nil
		}
	}
	busy := j.host.Exclusive(ctx, j.src.Device, nil)
	if !errors.Is(busy, connector.ErrBusy) {
		return false, busy
	}
	holders, err := j.Holders(ctx, j.src)
	if err != nil {
		return false, err
	}
	if len(holders) > 0 {
		return true, nil
	}
	return false, busy
}
