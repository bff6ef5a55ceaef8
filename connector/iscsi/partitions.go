package iscsi

import (
	"context"
	"errors"
	"slices"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// idle proves that nobody uses a map. Where udev runs kpartx, a volume with a
// partition table has maps of its partitions on top, and these keep it busy for
// ever: they are proved idle in its place. multipath removes them with the map.
func (c *Connector) idle(ctx context.Context, m host.MultipathMap) error {
	for {
		parts, err := c.partitions(m)
		if err != nil {
			return err
		}
		err = c.allIdle(ctx, m, parts)
		if !errors.Is(err, connector.ErrBusy) {
			return err
		}
		// A udev that is slow has them made only now.
		if now, failed := c.partitions(m); failed != nil || slices.Equal(now, parts) {
			return errors.Join(err, failed)
		}
	}
}

func (c *Connector) allIdle(ctx context.Context, m host.MultipathMap, parts []string) error {
	for _, part := range parts {
		if err := c.host.Exclusive(ctx, part, nil); err != nil && !gone(err) {
			return err
		}
	}
	if len(parts) > 0 {
		return nil
	}
	return c.host.Exclusive(ctx, m.Device(), nil)
}

// partitions are the nodes of the maps of a map's partitions, where there are
// such and nothing else is built on it.
func (c *Connector) partitions(m host.MultipathMap) ([]string, error) {
	names, err := c.host.PartitionMaps(m)
	if err != nil {
		return nil, err
	}
	var nodes []string
	for _, name := range names {
		node, err := c.host.BlockNode(name)
		if _, still := c.host.BlockSize(name); gone(still) {
			continue // removed this moment
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}
