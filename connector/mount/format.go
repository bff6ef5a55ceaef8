package mount

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Format makes a filesystem with spec's uuid and proves afterwards that it is
// there. The device must be idle (connector.ErrBusy); without spec.Erase it must
// also read as zero at all sampled places (connector.ErrUnsafe): the caller's
// decision may be seconds old. With Erase the signatures are wiped first. When
// ctx ends mkfs is killed, and what it left is told apart from a filesystem by
// Probe.
func (m *Mounter) Format(ctx context.Context, src connector.Source, spec connector.FormatSpec) error {
	cmd, err := mkfs(src.Device, spec)
	if err != nil {
		return err
	}
	if err := m.host.Exclusive(ctx, src.Device, nil); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if spec.Erase {
		err = m.erase(ctx, src.Device)
	} else {
		err = m.requireZero(ctx, src.Device)
	}
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	res, err := m.host.Run(ctx, cmd)
	if err == nil {
		err = res.Check(cmd.Name + " " + src.Device)
	}
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return m.verifyMade(ctx, src.Device, spec)
}

// mkfs returns the command. It never forces unless the device was erased: the
// tools' own look at the device is one more guard. Nothing is discarded and
// inode tables are made later by the kernel: mkfs of a large thin volume took
// minutes otherwise, longer than Docker waits.
func mkfs(device string, spec connector.FormatSpec) (host.Command, error) {
	var args []string
	switch spec.FSType {
	case "ext4":
		args = mkfsExt4(spec)
	case "xfs":
		args = append([]string{"-q", "-K", "-m", "uuid=" + spec.UUID}, spec.Options...)
	case "btrfs":
		args = append([]string{"-q", "-K", "-U", spec.UUID}, spec.Options...)
	default:
		return host.Command{}, fmt.Errorf("format: filesystem %q: %w: use ext4, xfs or btrfs", spec.FSType, connector.ErrUnsupported)
	}
	if spec.Erase {
		force := map[string]string{"ext4": "-F", "xfs": "-f", "btrfs": "-f"}
		args = append([]string{force[spec.FSType]}, args...)
	}
	return host.Command{Name: "mkfs." + spec.FSType, Args: append(args, device)}, nil
}

// mkfsExt4 merges the caller's extended options with our own: of several -E
// only the last counts.
func mkfsExt4(spec connector.FormatSpec) []string {
	extended := "nodiscard,lazy_itable_init=1,lazy_journal_init=1"
	options := slices.Clone(spec.Options)
	for i := 0; i+1 < len(options); i++ {
		if options[i] == "-E" {
			extended += "," + options[i+1]
			options = slices.Delete(options, i, i+2)
			i--
		}
	}
	return append([]string{"-q", "-U", spec.UUID, "-E", extended, "-m", "0"}, options...)
}

// erase wipes every place where a signature may lie.
func (m *Mounter) erase(ctx context.Context, device string) error {
	size, err := m.host.DeviceSize(device)
	if err != nil {
		return err
	}
	parts := append([]host.Range{{Off: 0, Len: headLen}, {Off: size - tailLen, Len: tailLen}}, seconds(size)...)
	return m.host.Zero(ctx, device, parts)
}

// requireZero reads the sampled places once more, just before mkfs.
func (m *Mounter) requireZero(ctx context.Context, device string) error {
	at, err := host.ReadDisk(ctx, m.host, device, firstNonzero)
	if err != nil {
		return fmt.Errorf("cannot tell whether the device is blank: %w", err)
	}
	if at >= 0 {
		return fmt.Errorf("%s is not blank, there is data at offset %d: %w", device, at, connector.ErrUnsafe)
	}
	return nil
}

// verifyMade reads the new superblock with our own decoder.
func (m *Mounter) verifyMade(ctx context.Context, device string, spec connector.FormatSpec) error {
	r, err := m.read(ctx, device)
	if err != nil {
		return fmt.Errorf("format: reading back: %w", err)
	}
	made := r.sb
	if !r.known || made.unfinished || made.kind != spec.FSType || !strings.EqualFold(made.uuid, spec.UUID) {
		return fmt.Errorf("format: mkfs.%s on %s succeeded but the device shows %q with uuid %q instead of %q",
			spec.FSType, device, made.kind, made.uuid, spec.UUID)
	}
	return nil
}
