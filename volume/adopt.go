package volume

import (
	"context"
	"time"
)

// adopt takes a volume that exists in the cloud into this cluster under the
// Docker name: its content stays as it is and is never formatted.
func (s *Service) adopt(ctx context.Context, b *storage, name string, opts Options) error {
	v, err := b.Provider.Get(ctx, opts.VolumeID)
	if err != nil {
		return wrap(err, "reading volume_id %s", opts.VolumeID)
	}
	if err := s.adoptable(b, v, name); err != nil {
		return err
	}
	record, err := opts.Record()
	if err != nil {
		return err
	}
	set := map[string]string{markAdopted: s.stamp()}
	s.mark(set, opts, record)
	setSubdirMark(set, opts.Subdir, v.Marks.Subdir)
	if opts.FSType != "" {
		set[markFSType] = opts.FSType
	}
	if v.Name != name {
		set[markName] = name
	}
	change := MarkChange{Set: set, Known: v.Metadata}
	if v.Marks.Released {
		change.Unset = []string{markReleased, markTrashed}
	}
	after, err := b.Provider.SetMarks(ctx, v.ID, change)
	if err != nil {
		return wrap(err, "marking %s as adopted", v.ID)
	}
	v.Marks, v.Name = ParseMarks(after), name
	s.registry.put(v, time.Now())
	s.registry.bind(name, v.Key)
	h := s.handle(v)
	if err := h.lock.acquire(ctx, "adopt"); err != nil {
		return err
	}
	defer h.lock.release()
	h.rec.Volume = v
	h.rec.Volume.Metadata = nil
	return s.announce(ctx, h, h.rec.Step)
}

// adoptable refuses volumes that somebody else owns or that cannot be used.
func (s *Service) adoptable(b *storage, v Volume, name string) error {
	m := v.Marks
	switch {
	case m.From != "" && m.From != s.cfg.Cluster && !m.Released:
		return Errorf(ErrConflict, "volume_id %s belongs to cluster %q, not to %q: release it there first", v.ID, m.From, s.cfg.Cluster)
	case m.From == s.cfg.Cluster && !m.Released && v.Name != name:
		return Errorf(ErrConflict, "volume_id %s is already volume %s of this cluster: use it by that name", v.ID, v.Name)
	case v.Encrypted && !b.Decrypted:
		return Errorf(ErrInvalid, "volume_id %s is encrypted, which this fuxi cannot use", v.ID)
	case v.Status != "available" && v.Status != "in-use":
		return Errorf(ErrInUse, "volume_id %s is in status %s; it can be adopted when it is available", v.ID, v.Status)
	}
	return nil
}
