package rbd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// connect does the work of Connect under the image's lock.
func (c *Connector) connect(ctx context.Context, v volume) (connector.Source, error) {
	if c.nbd(v) {
		return c.connectNBD(ctx, v)
	}
	mine, others, err := c.mapped(v)
	if err != nil {
		return connector.Source{}, err
	}
	if len(others) > 0 {
		// Each mapping has a cache of its own: two would not see each other's writes.
		return connector.Source{}, fmt.Errorf("%w: %w: unmap it there first", strangerError(v, others), connector.ErrUnsafe)
	}
	byNBD, othersNBD, err := c.served(v)
	if err != nil {
		return connector.Source{}, err
	}
	if served := append(byNBD, othersNBD...); len(served) > 0 {
		return connector.Source{}, nbdStranger(v, served[0])
	}
	if len(mine) > 0 {
		src, again, err := c.still(ctx, v, mine)
		if err != nil || !again {
			return src, err
		}
	}
	src, err := c.mapNew(ctx, v)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return src, nil
	}
	return connector.Source{}, errors.Join(err, c.undo(ctx, v))
}

// undoPatience is how long a mapping that nobody waits for any more may go on in
// the kernel before it is left to itself; it takes itself back when it ends.
const undoPatience = 3 * time.Second

// undo takes away what a failed Connect mapped.
func (c *Connector) undo(ctx context.Context, v volume) error {
	detached, cancel := detached(ctx)
	defer cancel()
	patience, over := context.WithTimeout(detached, undoPatience)
	defer over()
	if err := c.host.AwaitRBD(patience, v.image); err != nil {
		return nil // what is wrong is said already
	}
	return c.unmapAll(detached, v)
}

// mapNew maps an image that is not mapped.
func (c *Connector) mapNew(ctx context.Context, v volume) (connector.Source, error) {
	if err := c.host.NeedRBD(ctx); err != nil {
		return connector.Source{}, fmt.Errorf("%w: %w", err, connector.ErrUnsupported)
	}
	a, err := c.reach(ctx, v)
	if err != nil {
		return connector.Source{}, err
	}
	alone := v.Access == connector.ReadWrite && !c.options.Shared
	err = c.host.MapRBD(ctx, c.mapping(ctx, v, a, alone))
	if errors.Is(err, unix.EINVAL) && alone {
		if shared := c.mapShared(ctx, v, a); shared == nil {
			err = nil
		}
	}
	if err != nil {
		return connector.Source{}, c.explain(ctx, v, a, err)
	}
	mine, _, err := c.mapped(v)
	if err != nil {
		return connector.Source{}, err
	}
	return c.source(v, mine)
}

// mapShared maps an image that cannot be mapped exclusively because it lacks the
// feature for that. Any other reason for the kernel's EINVAL stays an error.
func (c *Connector) mapShared(ctx context.Context, v volume, a access) error {
	if err := c.host.MapRBD(ctx, c.mapping(ctx, v, a, false)); err != nil {
		return err
	}
	mine, _, err := c.mapped(v)
	if err == nil && len(mine) == 1 && mine[0].Features&hasLock == 0 {
		c.notice(ctx, "the image %s of %s has no feature exclusive-lock (multi-attach volumes have none): the storage does not keep a second writer out. If only one host at a time is to write: `rbd feature enable %s exclusive-lock`",
			v.image, v.VolumeID, v.image)
		return nil
	}
	return errors.Join(errors.New("the kernel refuses to map it exclusively"), err, c.unmapAll(ctx, v))
}

// still takes what is mapped already. A mapping that does not answer any more,
// because the cluster shut its client out, or one for another access is taken
// away if nobody uses it: again says that the image is to be mapped anew.
func (c *Connector) still(ctx context.Context, v volume, mine []host.RBDDevice) (src connector.Source, again bool, err error) {
	if len(mine) == 1 && mine[0].Name != "" && mine[0].ReadOnly == (v.Access == connector.ReadOnly) {
		if src, err = c.source(v, mine); err != nil {
			return src, false, err
		}
		// Reading would not tell: of an object that was never written the kernel
		// knows so itself. Asked for the image's size it has to ask the cluster.
		err = c.host.RefreshRBD(ctx, mine[0])
		if err == nil || ctx.Err() != nil {
			return src, false, err
		}
		c.notice(ctx, "the cluster does not answer for %s of %s (%v), as when it has shut this host's client %s out: mapping it anew", src.Device, v.VolumeID, err, mine[0].Address)
	} else if _, err := c.source(v, mine); !errors.Is(err, connector.ErrNotConnected) {
		return connector.Source{}, false, err
	}
	if err := c.unmapAll(ctx, v); err != nil {
		return connector.Source{}, false, fmt.Errorf("%s cannot be used as it is and not be mapped anew: %w", devices(mine), err)
	}
	return connector.Source{}, true, nil
}
