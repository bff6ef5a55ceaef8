package rbd

import (
	"context"
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// growLimit is how long the cluster may take to tell the new size.
const growLimit = 30 * time.Second

// resize does the work of Resize under the image's lock. The kernel watches the
// image and notices by itself, soon; asked, it answers at once.
func (c *Connector) resize(ctx context.Context, v volume) (connector.Source, error) {
	if c.nbd(v) {
		return c.resizeNBD(ctx, v)
	}
	mine, _, err := c.mapped(v)
	if err != nil {
		return connector.Source{}, err
	}
	if len(mine) != 1 {
		return c.source(v, mine)
	}
	if err := v.prove(mine[0]); err != nil {
		return connector.Source{}, err
	}
	if err := c.grow(ctx, v, mine[0]); err != nil {
		return connector.Source{}, err
	}
	return c.source(v, mine)
}

// grow waits for a device to have the size at least, asking once a second.
func (c *Connector) grow(ctx context.Context, v volume, d host.RBDDevice) error {
	patience, cancel := context.WithTimeout(ctx, growLimit)
	defer cancel()
	want := int64(v.SizeGiB) << 30
	var size int64
	var next time.Time
	err := c.host.Poll(patience, fmt.Sprintf("%s to have %d bytes", d.Device(), want), func() (bool, error) {
		var err error
		if size, err = c.host.BlockSize(d.Name); err != nil || size >= want {
			return true, err
		}
		if time.Now().Before(next) {
			return false, nil
		}
		next = time.Now().Add(time.Second)
		if err := c.host.RefreshRBD(patience, d); err != nil {
			return false, err
		}
		size, err = c.host.BlockSize(d.Name)
		return size >= want, err
	})
	if err != nil {
		return fmt.Errorf("%w (it has %d): compare with `rbd info %s`", err, size, v.image)
	}
	return nil
}
