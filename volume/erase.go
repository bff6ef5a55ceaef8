package volume

import (
	"context"
	"maps"
	"slices"
)

// Format is an operator's order to make a filesystem on a volume whatever is
// on it. It is refused unless the id proves that the right volume is meant and
// nobody uses it. It leaves the volume detached and marked as formatted.
func (s *Service) Format(ctx context.Context, req FormatRequest) error {
	if err := CheckName(req.Name); err != nil {
		return err
	}
	if !req.Erase {
		return Errorf(ErrInvalid, "formatting destroys what is on the volume: say so with --erase")
	}
	if req.FSType != "" && !isFSType(req.FSType) {
		return Errorf(ErrInvalid, "fstype %q is not allowed: it is one of %v", req.FSType, fsTypes())
	}
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	return s.background(ctx, "formatting "+req.Name, func(ctx context.Context) error {
		if err := s.forgetUnmounted(ctx, req.Name); err != nil {
			return err
		}
		v, err := s.findOnce(ctx, req.Name)
		if err != nil {
			return err
		}
		if v.ID != req.ID {
			return Errorf(ErrInvalid, "--id %q is not the volume that %s means here, which is %s: look at both before destroying one", req.ID, req.Name, v.ID)
		}
		if v.shared() {
			return Errorf(ErrInvalid, "%s (%s) is a share, whose filesystem is its server's: fuxi makes none on it; remove the files, or the share", req.Name, v.ID)
		}
		h := s.handle(v)
		if err := h.lock.acquire(ctx, "format"); err != nil {
			return err
		}
		defer h.lock.release()
		h.cancelLinger()
		err = s.eraseLocked(ctx, h, req)
		if err != nil {
			s.failed(h, err)
			s.lingerIfUnused(h)
		}
		return err
	})
}

func (s *Service) eraseLocked(ctx context.Context, h *handle, req FormatRequest) error {
	if err := h.inUseUnknown(); err != nil {
		return err
	}
	if len(h.rec.Users) > 0 {
		// Unlike Remove, which Docker sends only for what it does not use, this
		// may come between a mount and the start of its container.
		return Errorf(ErrInUse, "%s is in use on this host by %v: stop it first; what a killed Docker left behind is dropped within %s",
			req.Name, slices.Sorted(maps.Keys(h.rec.Users)), 2*leakedAfter)
	}
	if err := s.free(ctx, h); err != nil {
		return err
	}
	fresh, err := s.of(h.key).Provider.Get(ctx, h.key.ID)
	if err != nil {
		return wrap(err, "reading %s", req.Name)
	}
	fresh.Name = req.Name
	h.rec.Volume = fresh
	h.ordered = true
	defer func() { h.ordered = false }()
	_, src, err := s.attach(ctx, h)
	if err != nil {
		return err
	}
	s.events.add(req.Name, "an operator ordered volume %s to be formatted, erasing what was on it", h.key.ID)
	err = s.erase(ctx, h, fresh, src.Device, req)
	if derr := s.detach(ctx, h); derr != nil && err == nil {
		return derr
	}
	return err
}

// erase is format without the gate's questions about history, but with all of
// those about identity and use. Before anything is written, the marks are made
// those of a blank volume of ours that is being formatted, so that a crash
// leaves a volume whose mkfs is redone.
func (s *Service) erase(ctx context.Context, h *handle, fresh Volume, device string, req FormatRequest) error {
	if fresh.Encrypted || fresh.Multiattach && len(fresh.Attachments) > 0 {
		return Errorf(ErrUnsafe, "%s (%s) is encrypted or attached elsewhere and is not formatted", fresh.Name, fresh.ID)
	}
	src, err := s.findSource(ctx, h)
	if err != nil {
		return wrap(err, "proving the device of %s right before mkfs", fresh.Name)
	}
	if src.Device != device {
		return Errorf(ErrUnsafe, "the device of %s changed from %s to %s while it was being looked at: nothing was written", fresh.Name, device, src.Device)
	}
	return s.eraseAndMark(ctx, h, fresh, first(req.FSType, s.fstypeOf(fresh)))
}

func (s *Service) eraseAndMark(ctx context.Context, h *handle, fresh Volume, fstype string) error {
	opts, err := ParseRecord(fresh.Marks.Opts)
	if err != nil || opts.CheckMkfs(fstype) != nil {
		opts = Options{} // options for another filesystem, or damaged ones, are not carried over
	}
	stamp := s.newStamp(fstype)
	h.rec.Format = &stamp
	if err := s.announce(ctx, h, StepFormatting); err != nil {
		return err
	}
	set := map[string]string{markFormatting: stamp.String(), markFSType: fstype, markSubdir: defaultSubdir}
	if fresh.Marks.Subdir != "" && !slices.Contains(fresh.Marks.Damaged, markSubdir) {
		delete(set, markSubdir)
	}
	unset := []string{markFormatted, markPristine}
	metadata, err := s.of(h.key).Provider.SetMarks(ctx, fresh.ID, MarkChange{Set: set, Unset: unset, Known: fresh.Metadata})
	if err != nil {
		return wrap(err, "marking %s as being formatted", fresh.Name)
	}
	src, err := s.findSource(ctx, h)
	if err != nil {
		return wrap(err, "proving the device of %s right before mkfs", fresh.Name)
	}
	if err := s.fs.Format(ctx, src, formatSpec(stamp, opts, true)); err != nil {
		return wrap(err, "making %s on %s for %s", fstype, src.Device, fresh.Name)
	}
	h.rec.Fresh = true
	return s.markFormatted(ctx, h, metadata, stamp)
}
