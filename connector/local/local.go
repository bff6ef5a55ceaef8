// Package local connects volumes that are files or block devices of this very
// host (driver_volume_type "local"): a file gets a loop device, a block device
// is taken as it is.
//
// A loop device is known again by what the kernel says of it: its backing
// file's device and inode, and the label it was given here. Nothing is written
// down elsewhere, so a restart forgets nothing.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Driver is the driver_volume_type this connector serves.
const Driver = "local"

// labelPrefix begins the label of every loop device that any fuxi made.
const labelPrefix = "fuxi:"

// Connector implements connector.Connector for files and devices of this host.
type Connector struct {
	host  *host.Host
	owner string
	turn  chan struct{} // one looks for and makes loop devices at a time
}

// New returns a connector. owner tells the daemons of one machine apart (eight
// hex digits of a hash of the state directory, say): loop devices labelled by
// another owner are left alone.
func New(h *host.Host, owner string) *Connector {
	return &Connector{host: h, owner: owner, turn: make(chan struct{}, 1)}
}

var _ connector.Connector = (*Connector)(nil)

// Connect makes the volume's block device and proves it: the file is a regular
// one (or a block device below /dev) of the cloud's size to one per cent, and
// exactly one loop device shows the whole of it. A device of ours that shows an
// earlier file, or with another access than asked, is replaced if it is idle. A
// file that somebody else has behind a loop device is refused, as is an
// encrypted volume: making a filesystem on its raw device would destroy it.
func (c *Connector) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	b, err := c.open(conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	defer b.close()
	var src connector.Source
	if b.device != "" {
		src, err = c.proveDevice(conn, b)
	} else {
		src, err = c.connectFile(ctx, conn, b)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// Find resolves the connection to its device, changing nothing.
func (c *Connector) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.find(ctx, conn, c.proveLoop)
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// proving is what is done with the loop device that was found.
type proving func(conn connector.Connection, b *backing, loop host.Loop) (connector.Source, error)

func (c *Connector) find(ctx context.Context, conn connector.Connection, prove proving) (connector.Source, error) {
	if err := ctx.Err(); err != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	b, err := c.open(conn)
	if errors.Is(err, os.ErrNotExist) {
		return connector.Source{}, fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
	}
	if err != nil {
		return connector.Source{}, err
	}
	defer b.close()
	if b.device != "" {
		return c.proveDevice(conn, b)
	}
	loops, err := c.host.Loops()
	if err != nil {
		return connector.Source{}, err
	}
	loop, err := c.match(conn, b, loops)
	if err != nil {
		return connector.Source{}, err
	}
	return prove(conn, b, loop)
}

// Disconnect takes the volume's loop device away after proving it idle; a block
// device is only flushed and proved idle. The file may be gone already: then the
// label alone tells.
func (c *Connector) Disconnect(ctx context.Context, conn connector.Connection) error {
	if err := c.disconnect(ctx, conn); err != nil {
		return fmt.Errorf("disconnect %s: %w", conn.VolumeID, err)
	}
	return nil
}

func (c *Connector) disconnect(ctx context.Context, conn connector.Connection) error {
	path, err := devicePath(conn)
	if err != nil {
		return err
	}
	if device, isDevice, err := c.blockDevice(path); isDevice || err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.host.Flush(device); err != nil {
			return err
		}
		return c.host.Exclusive(ctx, device, nil)
	}
	loops, err := c.host.Loops()
	if err != nil {
		return err
	}
	var failed []error
	for _, loop := range loops {
		if loop.Label == c.label(conn) {
			failed = append(failed, c.host.LoopDetach(ctx, loop))
		}
	}
	return errors.Join(failed...)
}

// label is what our loop device of this volume is called.
func (c *Connector) label(conn connector.Connection) string {
	return labelPrefix + c.owner + ":" + conn.VolumeID
}

// ours tells whether this daemon made the loop device.
func (c *Connector) ours(loop host.Loop) bool {
	return strings.HasPrefix(loop.Label, labelPrefix+c.owner+":")
}
