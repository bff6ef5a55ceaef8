package rbd

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// disconnect does the work of Disconnect under the image's lock.
func (c *Connector) disconnect(ctx context.Context, v volume) (connector.Source, error) {
	// Both, whatever the setting says now: after a crash nobody wrote down which.
	return connector.Source{}, errors.Join(c.unmapAll(ctx, v), c.disconnectNBD(ctx, v))
}

// unmapAll takes away every mapping of the image that is the volume's; more than
// one there is only after a crash.
func (c *Connector) unmapAll(ctx context.Context, v volume) error {
	if err := c.host.AwaitRBD(ctx, v.image); err != nil {
		return err
	}
	mine, others, err := c.mapped(v)
	failed := []error{err}
	for _, d := range mine {
		failed = append(failed, c.unmap(ctx, d))
	}
	if len(others) > 0 {
		c.notice(ctx, "%v: it is left alone", strangerError(v, others))
	}
	return errors.Join(failed...)
}

// unmap proves a device idle, flushes it and takes it out of the kernel.
func (c *Connector) unmap(ctx context.Context, d host.RBDDevice) error {
	if d.Name != "" {
		// A container with a static /dev may lack the node, or have another's: what
		// cannot be opened is not proved idle.
		device, err := c.host.BlockNode(d.Name)
		if err != nil {
			return err
		}
		if err := c.host.Exclusive(ctx, device, nil); err != nil {
			return err
		}
		if err := c.host.Settle(ctx, device); err != nil && !deadClient(err) {
			return fmt.Errorf("flush %s: %w: what was written last may not be on the storage", device, err)
		}
	}
	err := c.host.UnmapRBD(ctx, d)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: %w: a process has it open", connector.ErrBusy, err)
	}
	return err
}

// deadClient tells the error of a client that the cluster has shut out: nothing
// that it still holds will ever be written.
func deadClient(err error) bool { return errors.Is(err, unix.ESHUTDOWN) }
