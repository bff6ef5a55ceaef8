package volume

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// newVolume is the request with every mark in it, so that no volume of ours is
// ever without them.
func (s *Service) newVolume(ctx context.Context, b *storage, name string, opts Options) (NewVolume, error) {
	record, err := opts.Record()
	if err != nil {
		return NewVolume{}, err
	}
	d := b.Defaults
	req := NewVolume{
		Name: name, SizeGiB: opts.SizeGiB, Type: first(opts.Type, opts.ShareType, d.Type), Zone: first(opts.Zone, d.Zone),
		SnapshotID: opts.SnapshotID, SourceID: opts.SourceID,
		ShareProto: first(opts.ShareProto, d.ShareProto), ShareNetwork: first(opts.ShareNetwork, d.ShareNetwork), IsPublic: opts.IsPublic,
		Description: opts.Description, Multiattach: opts.Multiattach, Metadata: map[string]string{},
	}
	for k, v := range opts.Metadata {
		req.Metadata[k] = v
	}
	s.mark(req.Metadata, opts, record)
	req.Metadata[markCreated] = s.stamp() + "," + uuid.NewString()
	if opts.SnapshotID == "" && opts.SourceID == "" {
		if req.SizeGiB == 0 {
			req.SizeGiB = d.SizeGiB
		}
		b.markNew(req.Metadata, opts)
	} else if err := s.inherit(ctx, b, opts, req.Metadata); err != nil {
		return NewVolume{}, err
	}
	if opts.Multiattach {
		if err := b.Provider.Check(ctx, req); err != nil {
			return NewVolume{}, err
		}
	}
	return req, nil
}

// markNew sets the marks of what is created with nothing in it. Shares are seen
// whole unless asked otherwise: others than fuxi mount them too and look for
// the files there.
func (st *storage) markNew(metadata map[string]string, opts Options) {
	if st.Shares {
		setSubdirMark(metadata, opts.Subdir, "")
		return
	}
	metadata[markFSType] = first(opts.FSType, st.Defaults.FSType)
	metadata[markPristine] = "1"
	setSubdirMark(metadata, opts.Subdir, defaultSubdir)
}

// mark sets the marks that created and adopted volumes have in common.
func (s *Service) mark(metadata map[string]string, opts Options, record string) {
	metadata[markFrom] = s.cfg.Cluster
	metadata[markSchema] = fmt.Sprint(schemaVersion)
	if record != "" {
		metadata[markOpts] = record
	}
	if opts.OnRemove != "" {
		metadata[markOnRemove] = opts.OnRemove
	}
}

// setSubdirMark writes the layout; no mark means the filesystem's root.
func setSubdirMark(metadata map[string]string, asked *string, otherwise string) {
	dir := otherwise
	if asked != nil {
		dir = *asked
	}
	if dir != "" && dir != "/" {
		metadata[markSubdir] = dir
	}
}

// inherit gives a clone the layout and filesystem of what it is made from.
func (s *Service) inherit(ctx context.Context, b *storage, opts Options, metadata map[string]string) error {
	id := opts.SourceID
	if id == "" {
		origin, err := b.Provider.Origin(ctx, opts.SnapshotID)
		if err != nil {
			return wrap(err, "reading snapshot_id %s", opts.SnapshotID)
		}
		id = origin
	}
	v, err := b.Provider.Get(ctx, id)
	if errors.Is(err, ErrNotFound) && opts.SourceID == "" {
		v, err = Volume{}, nil // the snapshot's volume is gone; its layout is not known
	}
	if err != nil {
		return wrap(err, "reading source_volid %s", id)
	}
	setSubdirMark(metadata, opts.Subdir, v.Marks.Subdir)
	if b.Shares {
		return nil
	}
	metadata[markFSType] = first(opts.FSType, b.Defaults.FSType)
	if opts.FSType == "" {
		delete(metadata, markFSType)
		if fs := formattedAs(v); fs != "" {
			metadata[markFSType] = fs
		}
	}
	return nil
}

func formattedAs(v Volume) string {
	if v.Marks.Formatted != nil {
		return v.Marks.Formatted.FSType
	}
	return v.Marks.FSType
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
