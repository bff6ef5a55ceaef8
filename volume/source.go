package volume

import (
	"context"
	"errors"
	"slices"

	"github.com/openstack/fuxi/connector"
)

func (s *Service) connector(k Key, driver string) (connector.Connector, error) {
	if off, is := s.of(k).Provider.(switchedOff); is {
		return nil, off.why()
	}
	known := s.of(k).Connectors
	c, ok := known[driver]
	if !ok {
		var have []string
		for d := range known {
			have = append(have, d)
		}
		slices.Sort(have)
		return nil, Errorf(ErrInvalid, "the cloud hands this volume out as %q, which this fuxi cannot connect; it knows %q: choose a volume type on another backend. If it was attached before [cinder] connector was changed: set that back, stop what uses the volume, and change it when fuxi status shows nothing attached", driver, have)
	}
	return c, nil
}

// findSource resolves and proves the device anew; no path is ever trusted from
// an earlier call.
func (s *Service) findSource(ctx context.Context, h *handle) (connector.Source, error) {
	if h.rec.Connection == nil {
		return connector.Source{}, connector.ErrNotConnected
	}
	c, err := s.connector(h.key, h.rec.Connection.Driver)
	if err != nil {
		return connector.Source{}, err
	}
	src, err := c.Find(ctx, h.rec.connection())
	if h.followsLate(err) || s.resized(ctx, h, err) {
		src, err = resize(ctx, c, h.rec.connection())
	}
	if errors.Is(err, connector.ErrNotConnected) {
		return src, connector.ErrNotConnected
	}
	if err != nil {
		return src, wrap(err, "finding the device of %s", h.rec.Volume.Name)
	}
	return src, nil
}
