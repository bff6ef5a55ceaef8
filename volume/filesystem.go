package volume

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/openstack/fuxi/connector"
)

// ensureFilesystem answers which filesystem is on the volume, making one only
// when the format gate lets it. A mount error is never a reason to come here.
func (s *Service) ensureFilesystem(ctx context.Context, h *handle, v Volume, src connector.Source) (string, error) {
	found, err := s.fs.Probe(ctx, src)
	if err != nil {
		return "", wrap(err, "%s: what is on %s cannot be read, and what cannot be read is never taken for blank", v.Name, src.Device)
	}
	switch {
	case v.Marks.Formatted != nil:
		return s.sameFilesystem(v, found)
	case !v.Blank():
		return s.foundFilesystem(v, found)
	case v.Marks.Formatting != nil:
		return s.finishFormat(ctx, h, v, src, found)
	case found.Blank || s.staleAllowed(h, v):
		return s.format(ctx, h, v, src, !found.Blank)
	}
	return "", Errorf(ErrUnsafe, "%s (%s) was never formatted by fuxi, yet %s is on it: it is left alone. If nobody wants that, order: fuxi format %s --erase --id %s",
		v.Name, v.ID, describe(found), v.Name, v.ID)
}

// staleAllowed: old bytes on a backend that is known to hand out unzeroed
// blocks, on a volume that no host was ever given before.
func (s *Service) staleAllowed(h *handle, v Volume) bool {
	return s.unzeroed(v) && h.rec.Pristine
}

// sameFilesystem: a volume that carries the formatted mark is never formatted
// again, and anything but that filesystem means a wrong or damaged disk.
func (s *Service) sameFilesystem(v Volume, found connector.Content) (string, error) {
	want := v.Marks.Formatted
	if slices.Contains(v.Marks.Damaged, markFormatted) {
		return "", Errorf(ErrUnsafe, "the %s mark of %s (%s) is damaged (%q), so what should be on it is unknown, and %s is on it; nothing was written. Correct the mark: openstack volume set --property %s=TYPE,UUID %s",
			markFormatted, v.Name, v.ID, want, describe(found), markFormatted, v.ID)
	}
	if found.Kind == want.FSType && (found.UUID == want.UUID || v.SnapshotID != "" || v.SourceID != "") {
		return found.Kind, nil
	}
	return "", Errorf(ErrUnsafe, "%s (%s) should hold %s with uuid %s, but %s is on it: this is the wrong disk, or it was changed outside of fuxi; nothing was written. If it is right, say so: openstack volume set --property %s=TYPE,UUID %s",
		v.Name, v.ID, want.FSType, want.UUID, describe(found), markFormatted, v.ID)
}

// foundFilesystem: volumes that came with content are mounted as they are.
func (s *Service) foundFilesystem(v Volume, found connector.Content) (string, error) {
	if isFSType(found.Kind) {
		if v.Marks.FSType != "" && v.Marks.FSType != found.Kind {
			return "", Errorf(ErrInvalid, "%s (%s) holds %s, but its fstype mark says %s: correct it with openstack volume set --property fstype=%s %s",
				v.Name, v.ID, found.Kind, v.Marks.FSType, found.Kind, v.ID)
		}
		return found.Kind, nil
	}
	return "", Errorf(ErrUnsafe, "%s (%s) was not created blank by fuxi (%s), so it is never formatted by itself, and %s is on it, which cannot be mounted (ext4, xfs and btrfs can). If nobody wants that, order: fuxi format %s --erase --id %s",
		v.Name, v.ID, originText(v), describe(found), v.Name, v.ID)
}

// finishFormat: a volume still marked formatting was never mounted by fuxi, on
// any host, because the formatted mark comes before the first mount. So an
// unfinished mkfs is redone; a foreign signature is not ours to overwrite.
func (s *Service) finishFormat(ctx context.Context, h *handle, v Volume, src connector.Source, found connector.Content) (string, error) {
	mark := v.Marks.Formatting
	ours := found.UUID == mark.UUID && found.Kind == mark.FSType
	switch {
	case len(v.Marks.Damaged) > 0:
		return "", damagedMarks(v)
	case ours && !found.Unfinished:
		h.rec.Fresh = true
		return found.Kind, s.markFormatted(ctx, h, v.Metadata, *mark)
	case found.Blank, ours, found.Kind == "data", s.staleAllowed(h, v):
		return s.format(ctx, h, v, src, !found.Blank)
	}
	return "", Errorf(ErrUnsafe, "%s (%s) is marked as being formatted by host %s, yet %s is on it, which is not what that host was making: it is left alone. If nobody wants it, order: fuxi format %s --erase --id %s",
		v.Name, v.ID, mark.Host, describe(found), v.Name, v.ID)
}

// format makes the filesystem: mark, journal, prove the device once more,
// mkfs, mark. v carries fresh metadata.
func (s *Service) format(ctx context.Context, h *handle, v Volume, src connector.Source, erase bool) (string, error) {
	opts, err := s.gate(ctx, h, v)
	if err != nil {
		return "", err
	}
	fstype := s.fstypeOf(v)
	if err := opts.CheckMkfs(fstype); err != nil {
		return "", err
	}
	stamp := s.newStamp(fstype)
	h.rec.Format = &stamp
	if err := s.announce(ctx, h, StepFormatting); err != nil {
		return "", err
	}
	metadata, err := s.of(v.Key).Provider.SetMarks(ctx, v.ID, MarkChange{Set: map[string]string{markFormatting: stamp.String()}})
	if err != nil {
		return "", wrap(err, "marking %s as being formatted", v.Name)
	}
	again, err := s.findSource(ctx, h)
	if err != nil {
		return "", wrap(err, "proving the device of %s again right before mkfs", v.Name)
	}
	if again.Device != src.Device || again.SizeBytes != src.SizeBytes {
		return "", Errorf(ErrUnsafe, "the device of %s changed from %s to %s while it was being looked at: nothing was written", v.Name, src.Device, again.Device)
	}
	if err := s.fs.Format(ctx, again, formatSpec(stamp, opts, erase)); err != nil {
		return "", wrap(err, "making %s on %s for %s", fstype, again.Device, v.Name)
	}
	h.rec.Fresh = true
	return fstype, s.markFormatted(ctx, h, metadata, stamp)
}

func (s *Service) newStamp(fstype string) Stamp {
	return Stamp{FSType: fstype, UUID: uuid.NewString(), Host: s.cfg.Host.Name}
}

func formatSpec(stamp Stamp, opts Options, erase bool) connector.FormatSpec {
	return connector.FormatSpec{FSType: stamp.FSType, UUID: stamp.UUID, Options: opts.MkfsOptions, Erase: erase}
}

// markFormatted replaces the formatting mark. Only after it may anybody mount.
func (s *Service) markFormatted(ctx context.Context, h *handle, metadata map[string]string, stamp Stamp) error {
	stamp.Host = ""
	change := MarkChange{
		Set:   map[string]string{markFormatted: stamp.String()},
		Unset: []string{markFormatting, markPristine}, Known: metadata,
	}
	after, err := s.of(h.key).Provider.SetMarks(ctx, h.key.ID, change)
	if err != nil {
		return wrap(err, "marking %s as formatted", h.rec.Volume.Name)
	}
	v := h.rec.Volume
	v.Marks = ParseMarks(after)
	h.rec.Volume, h.rec.Format = v, nil
	s.registry.put(v, time.Now())
	return nil
}

// gate holds every condition of a format that is not about the bytes: those
// were read by the caller, and exclusive use is proven by Format itself.
func (s *Service) gate(ctx context.Context, h *handle, v Volume) (Options, error) {
	opts, err := ParseRecord(v.Marks.Opts)
	switch {
	case err != nil:
		v.Marks.Damaged = append([]string{markOpts}, v.Marks.Damaged...)
		return opts, damagedMarks(v)
	case len(v.Marks.Damaged) > 0:
		return opts, damagedMarks(v)
	case v.Marks.Formatted != nil || !v.Blank():
		return opts, Errorf(ErrUnsafe, "%s (%s) must not be formatted: it %s", v.Name, v.ID, originText(v))
	case h.rec.Connection != nil && h.rec.Connection.Encrypted:
		return opts, Errorf(ErrUnsafe, "%s (%s) is encrypted; formatting the raw device would destroy it", v.Name, v.ID)
	}
	if err := s.onlyUser(ctx, h); err != nil {
		return opts, err
	}
	return opts, s.aloneOn(ctx, h)
}

func (a Attachment) holder() string {
	switch {
	case a.Foreign:
		return a.Holder
	case a.Holder != "":
		return "host " + a.Holder
	case a.Server != "":
		return "server " + a.Server
	}
	return "attachment " + a.ID
}

func (s *Service) fstypeOf(v Volume) string {
	if isFSType(v.Marks.FSType) {
		return v.Marks.FSType
	}
	return s.of(v.Key).Defaults.FSType
}

func damagedMarks(v Volume) error {
	return Errorf(ErrUnsafe, "marks of %s (%s) are damaged (%v), so it is not formatted: correct them with openstack volume set --property", v.Name, v.ID, v.Marks.Damaged)
}

func describe(c connector.Content) string {
	switch {
	case c.Blank:
		return "nothing"
	case c.Kind == "data":
		return fmt.Sprintf("data without a known signature (%s)", c.Where)
	case c.UUID != "":
		return fmt.Sprintf("%s with uuid %s", c.Kind, c.UUID)
	}
	return fmt.Sprintf("%s (%s)", c.Kind, c.Where)
}

func originText(v Volume) string {
	switch {
	case v.Marks.Formatted != nil:
		return "was formatted before"
	case v.SnapshotID != "":
		return "was made from snapshot " + v.SnapshotID
	case v.SourceID != "":
		return "was cloned from volume " + v.SourceID
	case v.FromImage:
		return "was made from an image"
	case v.Marks.Adopted != "":
		return "was adopted"
	}
	return "carries no mark of having been created by fuxi"
}
