// Package rbd connects volumes that are images of a Ceph cluster
// (driver_volume_type "rbd"), by the kernel's own RBD client or, where the
// operator chose it, by rbd-nbd.
//
// What is mapped is read from the kernel every time, never remembered. Mapping
// and unmapping are single writes to the kernel; a command is run only to find
// out why something failed, and for what is asked of the cluster itself (who
// uses an image, shutting somebody out).
package rbd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Driver is the driver_volume_type this connector serves.
const Driver = "rbd"

// Mappers, what makes a block device of an image.
const (
	KRBD = "krbd" // the kernel
	// NBD is rbd-nbd: a process for each image, which knows every image feature. It
	// goes on when fuxi ends, if the service manager lets it (KillMode=process). A
	// key that the cloud sent stays in its environment.
	NBD = "nbd"
)

// cleanupLimit is what undoing may take, whatever the caller's deadline: it runs
// when that is usually over.
const cleanupLimit = time.Minute

// Options of a Connector.
type Options struct {
	Mapper string // KRBD or NBD; "" is KRBD
	// OSDRequestTimeout is how many seconds the kernel waits for the cluster to
	// answer one request before it fails it; 0 waits for ever. For ever means that
	// a process which reads or writes while the cluster is away sleeps without end
	// (state D) and goes on as if nothing had been when it is back. With a limit it
	// gets an error instead (ETIMEDOUT, some seconds after the limit): the filesystem turns read-only or stops, and data
	// that a program had written without asking for an error (fsync, close) is lost.
	OSDRequestTimeout int
	// Shared maps images without exclusive mapping, so that the cloud can extend and
	// snapshot them while they are in use: its library needs the image's lock for
	// that, and a kernel that maps exclusively does not lend it (the cloud's work
	// fails with a read-only error then, and leaves the volume in an error state).
	// Another writer is not refused by the storage: whoever maps has to ask Holders.
	Shared  bool
	ConfDir string // with CLUSTER.conf and the keyrings; "" is /etc/ceph
	// MSMode is how to speak to the cluster: "" is the old protocol (v1), or
	// prefer-crc where all monitors are told at port 3300; else legacy, crc,
	// secure, prefer-crc or prefer-secure (Linux 5.11 and later).
	MSMode string
	// Notice is told what went otherwise than wished without failing. It may be nil.
	Notice func(ctx context.Context, text string)
}

// Connector implements connector.Connector, Resizer, Witness and Fencer for RBD.
type Connector struct {
	host    *host.Host
	options Options
}

// New returns a connector.
func New(h *host.Host, options Options) *Connector {
	if options.Mapper == "" {
		options.Mapper = KRBD
	}
	if options.ConfDir == "" {
		options.ConfDir = "/etc/ceph"
	}
	return &Connector{host: h, options: options}
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Resizer   = (*Connector)(nil)
	_ connector.Witness   = (*Connector)(nil)
	_ connector.Fencer    = (*Connector)(nil)
)

// Connect maps the image and proves the device: it is the image's only mapping
// on this host, of the cluster, the name and the size that the cloud says, and
// under an attachment that had one before the very same image. For writing it is,
// unless Shared, mapped exclusively: while it is, the storage refuses every other exclusive
// mapping, and a second one is refused here with the name of who has it. An image
// without the feature that this needs (multi-attach volumes) is mapped all the
// same, told in a notice and in Proof.
func (c *Connector) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := c.parse(conn)
	var src connector.Source
	if err == nil {
		src, err = c.locked(ctx, v, c.connect)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// Find resolves the connection to its device as the kernel shows it; the
// cluster is not asked.
func (c *Connector) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := c.parse(conn)
	var src connector.Source
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		src, err = c.find(v)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// Disconnect proves the device idle, flushes it and unmaps the image, never by
// force. A mapping that somebody else made is left alone. A connection that
// Connect would not have understood is not connected.
func (c *Connector) Disconnect(ctx context.Context, conn connector.Connection) error {
	v, err := parsePlace(conn)
	if err != nil && conn.Proven == nil {
		return nil
	}
	if err == nil {
		_, err = c.locked(ctx, v, c.disconnect)
	}
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", conn.VolumeID, err)
	}
	return nil
}

// Resize lets the kernel see the size that the image has now.
func (c *Connector) Resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := c.parse(conn)
	var src connector.Source
	if err == nil {
		src, err = c.locked(ctx, v, c.resize)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("resize %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// locked acts on an image while no other call of this host does, and no earlier
// one of this process still hangs in the kernel.
func (c *Connector) locked(ctx context.Context, v volume, act func(context.Context, volume) (connector.Source, error)) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	name := fmt.Sprintf("fuxi-rbd-%x", sha256.Sum256([]byte(v.image.String())))[:25]
	release, err := c.host.LockFile(ctx, name)
	if err != nil {
		return connector.Source{}, fmt.Errorf("%s is being worked on: %w", v.image, err)
	}
	defer release()
	if err := c.host.AwaitRBD(ctx, v.image); err != nil {
		return connector.Source{}, err
	}
	return act(ctx, v)
}

func (c *Connector) notice(ctx context.Context, format string, args ...any) {
	if c.options.Notice != nil {
		c.options.Notice(ctx, fmt.Sprintf(format, args...))
	}
}

// detached returns a context for undoing: it carries what ctx carries, but lives
// on when ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), cleanupLimit, errors.New("undoing took too long"))
}
