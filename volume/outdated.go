package volume

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/openstack/fuxi/connector"
)

// What is remembered of a volume may be older than what somebody has done to
// it in the cloud. Before a refusal that rests on it is final, it is asked for
// anew: here, so that a mount that goes well costs no call for it.

// corrected tells whether the cloud's marks are others by now than those that
// led to a refusal. A change of metadata moves no updated_at, so a refresh sees
// it late, while who did what the refusal says tries again at once. A formatted
// mark that is gone is not believed here: the disk would count as new.
func (s *Service) corrected(ctx context.Context, h *handle, v Volume, refusal error) bool {
	if !errors.Is(refusal, ErrUnsafe) && !errors.Is(refusal, ErrInvalid) {
		return false
	}
	fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
	if err != nil || !fresh.Usable() || reflect.DeepEqual(fresh.Marks, v.Marks) ||
		v.Marks.Formatted != nil && fresh.Marks.Formatted == nil && fresh.Blank() {
		return false
	}
	s.registry.put(fresh, time.Now())
	fresh.Name = v.Name
	h.rec.Volume = fresh
	return true
}

// followsLate tells whether a refused device may be one that a crash kept from
// following its volume's growth: the record has the new size before it has.
func (h *handle) followsLate(refusal error) bool {
	return errors.Is(refusal, connector.ErrUnsafe) && h.rec.Grow > 0 && h.rec.Connection.SizeGiB == h.rec.Grow
}

// resize has a connected device follow its volume's new size, and proves it.
func resize(ctx context.Context, c connector.Connector, conn connector.Connection) (connector.Source, error) {
	if r, ok := c.(connector.Resizer); ok {
		return r.Resize(ctx, conn)
	}
	return c.Connect(ctx, conn)
}

// findUngrown finds the device of a mounted volume at the size it had before an
// order to grow that it cannot follow now, because one of its paths is dead, say.
// What is mounted stays usable: only its growing waits.
func (s *Service) findUngrown(ctx context.Context, h *handle, refusal error) (connector.Source, error) {
	if h.rec.Source == nil {
		return connector.Source{}, refusal
	}
	c, err := s.connector(h.key, h.rec.Connection.Driver)
	if err != nil {
		return connector.Source{}, err
	}
	conn := h.rec.connection()
	conn.SizeGiB = int(h.rec.Source.SizeBytes >> 30)
	src, err := c.Find(ctx, conn)
	if err != nil {
		return src, errors.Join(refusal, err)
	}
	return src, nil
}

// resized tells whether a refused device may be the volume after all, because
// the cloud has given it another size since it was last asked. What is proven
// then is the new size.
func (s *Service) resized(ctx context.Context, h *handle, refusal error) bool {
	if !errors.Is(refusal, connector.ErrUnsafe) {
		return false
	}
	fresh, err := s.of(h.key).Provider.Get(ctx, h.key.ID)
	if err != nil || fresh.SizeGiB == h.rec.Connection.SizeGiB {
		return false
	}
	s.registry.put(fresh, time.Now())
	h.rec.Connection.SizeGiB, h.rec.Volume.SizeGiB = fresh.SizeGiB, fresh.SizeGiB
	return true
}
