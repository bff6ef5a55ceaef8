package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
)

// Mount makes the volume appear on this host, counts req.User and returns the
// path. The work is shared by all who ask for the same name and goes on when
// they leave; a caller that has left is not counted.
func (s *Service) Mount(ctx context.Context, req MountRequest) (string, error) {
	if err := CheckName(req.Name); err != nil {
		return "", err
	}
	if err := s.awaitReady(ctx); err != nil {
		return "", err
	}
	w := &waiter{user: req.User, readOnly: req.ReadOnly}
	f := s.join(req.Name, w)
	select {
	case <-f.done:
		return f.target, f.err
	case <-ctx.Done():
	}
	if !s.leave(f, w) {
		// The flight is counting its passengers at this very moment: let it
		// finish its journal write, then take the count back.
		<-f.done
		if f.err == nil {
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), workLimit)
			defer cancel()
			_ = s.Unmount(cleanup, req.Name, req.User) // a reference that stays is found by the sweep
		}
	}
	return "", Errorf(ErrUnavailable, "mounting %s is not finished yet and goes on: %s; the next try joins it", req.Name, s.whereIs(req.Name))
}

// mountLocked is one try with the volume's lock held.
func (s *Service) mountLocked(ctx context.Context, h *handle, f *flight) (string, error) {
	if err := h.lock.acquire(ctx, "mount"); err != nil {
		return "", err
	}
	defer h.lock.release()
	h.cancelLinger()
	if s.known(h.key) != h {
		return "", &elsewhereError{why: "it was removed meanwhile"}
	}
	if v, ok := s.registry.get(h.key); ok {
		h.rec.Volume = v
	}
	h.mountedAt = time.Now()
	err := s.ensureMounted(ctx, h)
	if err != nil {
		s.failed(h, err)
		s.lingerIfUnused(h)
		return "", err
	}
	waiters := s.board(f)
	for _, w := range waiters {
		u := h.rec.Users[w.user]
		u.Count++
		u.ReadOnly = w.readOnly
		h.rec.Users[w.user] = u
	}
	h.clearError()
	if err := s.announce(ctx, h, StepMounted); err != nil {
		for _, w := range waiters {
			h.rec.drop(w.user)
		}
		h.show("")
		s.lingerIfUnused(h)
		return "", err
	}
	if len(h.rec.Users) == 0 {
		s.startLinger(h, s.cfg.Linger)
	}
	return h.rec.Target, nil
}

// drop takes away one count of a user.
func (r *Record) drop(user string) {
	u, ok := r.Users[user]
	if !ok {
		return
	}
	if u.Count--; u.Count > 0 {
		r.Users[user] = u
		return
	}
	delete(r.Users, user)
}

// ensureMounted is the story of a mount. The caller owns the lock.
func (s *Service) ensureMounted(ctx context.Context, h *handle) error {
	if mounted, err := s.alreadyMounted(ctx, h); mounted || err != nil {
		return err
	}
	v, src, err := s.attach(ctx, h)
	if err != nil {
		return err
	}
	err = s.bringOut(ctx, h, v, src)
	if err != nil && s.corrected(ctx, h, v, err) {
		err = s.bringOut(ctx, h, h.rec.Volume, src)
	}
	if err != nil {
		return s.giveBack(ctx, h, err)
	}
	return nil
}

// bringOut makes sure of the filesystem and shows it.
func (s *Service) bringOut(ctx context.Context, h *handle, v Volume, src connector.Source) error {
	fstype := v.Share
	if !v.shared() {
		var err error
		if fstype, err = s.ensureFilesystem(ctx, h, v, src); err != nil {
			return err
		}
	}
	return s.show(ctx, h, src, fstype)
}

// alreadyMounted believes the kernel, not the record: a mount that is gone or
// is not this volume is mounted again.
func (s *Service) alreadyMounted(ctx context.Context, h *handle) (bool, error) {
	if h.rec.Step != StepMounted && h.rec.Step != StepUnmounting {
		return false, nil
	}
	m, err := s.mountedAt(ctx, h.rec.Target)
	if err != nil || m == nil {
		return false, err
	}
	if h.recovered {
		return true, nil
	}
	src, err := s.findSource(ctx, h)
	if h.followsLate(err) {
		src, err = s.findUngrown(ctx, h, err)
	}
	if errors.Is(err, connector.ErrNotConnected) || err == nil && !shows(*m, src) {
		// connector/mount takes the stale layer away before it mounts.
		s.events.add(h.rec.Volume.Name, "%s shows %s, which is not this volume any more", m.Target, first(m.Device, m.Export))
		return false, nil
	}
	if err == nil && h.rec.Volume.shared() {
		err = s.served(ctx, h)
	}
	return err == nil, err
}

func (s *Service) mountedAt(ctx context.Context, target string) (*connector.Mounted, error) {
	if target == "" {
		return nil, nil
	}
	all, err := s.fs.Mounts(ctx, target)
	if err != nil {
		return nil, Errorf(ErrUnavailable, "the mount table cannot be read: %w", err)
	}
	var top *connector.Mounted
	for i, m := range all {
		if m.Target == target {
			top = &all[i]
		}
	}
	return top, nil
}

// show mounts the filesystem and binds the subdirectory at the target.
func (s *Service) show(ctx context.Context, h *handle, src connector.Source, fstype string) error {
	spec, err := s.mountSpec(h, fstype)
	if err != nil {
		return err
	}
	if err := s.fs.Mount(ctx, src, spec); err != nil {
		return wrap(err, "mounting %s (%s on %s)", h.rec.Volume.Name, fstype, place(src))
	}
	h.rec.Fresh = false
	if h.rec.Connection.SizeGiB >= h.rec.Grow {
		h.rec.Grow = 0 // the device has it, and mounting has grown the filesystem
	}
	return nil
}

// failed notes why for Status; the caller returns the error.
func (s *Service) failed(h *handle, err error) {
	var other *elsewhereError
	if errors.As(err, &other) {
		return
	}
	h.rec.LastError = err.Error()
	h.show("")
}

// whereIs says what a name's volume is doing, for a caller that cannot wait.
func (s *Service) whereIs(name string) string {
	v, ok := s.registry.resolve(name)
	if !ok {
		return "the cloud is being asked for it"
	}
	h := s.known(v.Key)
	if h == nil {
		return "it has just begun"
	}
	shown := h.view.Load()
	text := "it has just begun"
	if shown.step != StepIdle {
		text = fmt.Sprintf("it is at step %q since %s ago", shown.step, time.Since(shown.since).Round(time.Second))
	}
	if shown.note != "" {
		text += " (" + shown.note + ")"
	}
	return text
}
