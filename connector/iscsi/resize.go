package iscsi

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// growLimit is how long a new size may take to get through all layers.
const growLimit = time.Minute

// resize does the work of Resize under the targets' lock.
func (c *Connector) resize(ctx context.Context, v volume) (connector.Source, error) {
	paths, err := c.paths(v)
	if err != nil {
		return connector.Source{}, err
	}
	if len(paths) == 0 {
		return c.source(v, paths)
	}
	for _, p := range paths {
		if !p.alive() {
			// Its size would stay the old one, and the map's could not grow.
			return connector.Source{}, fmt.Errorf("the path through %s is down (session %s, %s %s): grow again when it is back", p.portal, p.session.State, p.disk.Device(), p.disk.State)
		}
	}
	for _, p := range paths {
		limited, cancel := context.WithTimeout(ctx, kernelLimit)
		err := c.host.RescanSCSI(limited, p.disk.Address)
		cancel()
		if err != nil {
			return connector.Source{}, fmt.Errorf("the path through %s: %w", p.portal, err)
		}
	}
	if paths, err = c.paths(v); err != nil {
		return connector.Source{}, err
	}
	m, found, err := c.mapOver(v, paths)
	if err != nil {
		return connector.Source{}, err
	}
	if found {
		if err := c.prove(v, paths); err != nil {
			return connector.Source{}, err
		}
		if err := c.growMap(ctx, m, paths[0].size); err != nil {
			return connector.Source{}, err
		}
	}
	return c.source(v, paths)
}

// growMap has multipathd give the map the size of its paths. multipathd answers
// "timeout" while it is at something else: that is tried again.
func (c *Connector) growMap(ctx context.Context, m host.MultipathMap, size int64) error {
	patience, cancel := context.WithTimeout(ctx, growLimit)
	defer cancel()
	var said string
	next, wait := time.Now(), time.Second
	err := c.host.Poll(patience, fmt.Sprintf("%s to have %d bytes", m.Device(), size), func() (bool, error) {
		now, err := c.host.BlockSize(m.Name)
		if err != nil || now == size || time.Now().Before(next) {
			return now == size, err
		}
		res, err := c.run(patience, "multipathd", "resize", "map", m.Alias)
		if err == nil {
			said = strings.TrimSpace(string(res.Stdout))
		}
		next, wait = time.Now().Add(wait), 2*wait
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%w (multipathd said %q)", err, said)
	}
	return nil
}
