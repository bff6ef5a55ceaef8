package local

import (
	"context"
	"fmt"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

var _ connector.Resizer = (*Connector)(nil)

// Resize lets the volume's loop device have the whole of its file, which has
// grown, while it is in use, and proves it. It makes no device and replaces
// none: a mounted filesystem stays on the one it has. A block device shows its
// size by itself and is only proved.
func (c *Connector) Resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.find(ctx, conn, func(conn connector.Connection, b *backing, loop host.Loop) (connector.Source, error) {
		return c.refresh(ctx, conn, b, loop)
	})
	if err != nil {
		return connector.Source{}, fmt.Errorf("resize %s: %w", conn.VolumeID, err)
	}
	return src, nil
}
