// Package mount makes, checks, mounts and grows filesystems on the devices that
// connectors provide, and shows them where a container sees them. It never
// decides whether a device may be formatted: it proves what is on it, and
// refuses what would endanger that.
package mount

import (
	"context"

	"github.com/openstack/fuxi/connector/host"
)

// Mounter works on one host. It keeps no state: everything it knows it reads
// from the kernel and the devices. The caller allows one operation on a volume
// at a time.
type Mounter struct {
	host *host.Host
	// Shares is the directory below which connectors mount whole exports: what is
	// mounted there tells Mounts a share from a device, and a share from a directory
	// in it. Set before first use.
	Shares string
	// Notice is told what succeeded but is worth knowing (fsck repaired
	// something, the filesystem could not be grown). Nil is nobody.
	Notice func(ctx context.Context, text string)
}

// New returns a Mounter for the host.
func New(h *host.Host) *Mounter { return &Mounter{host: h} }

func (m *Mounter) notice(ctx context.Context, text string) {
	if m.Notice != nil {
		m.Notice(ctx, text)
	}
}
