package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openstack/fuxi/connector"
)

// attach makes the volume's device appear on this host, doing only what is
// left to do, and returns what the cloud says about the volume (fresh whenever
// it matters for formatting) and its device. What it returns an error for it
// has given back, or says in the record that it could not.
func (s *Service) attach(ctx context.Context, h *handle) (Volume, connector.Source, error) {
	if h.rec.Attachment != "" && h.rec.BootID != s.cfg.BootID {
		// A device that came back with the machine proves nothing.
		if err := s.confirm(ctx, h); err != nil {
			return Volume{}, connector.Source{}, err
		}
	}
	if h.rec.Connection != nil {
		src, err := s.findSource(ctx, h)
		if err == nil {
			return s.stillConnected(ctx, h, src)
		}
		if !errors.Is(err, connector.ErrNotConnected) {
			return Volume{}, connector.Source{}, err
		}
	}
	if h.rec.Attachment != "" {
		if err := s.confirm(ctx, h); err != nil {
			return Volume{}, connector.Source{}, err
		}
	}
	if h.rec.Attachment == "" {
		if err := s.reserve(ctx, h); err != nil {
			return Volume{}, connector.Source{}, err
		}
	}
	err := s.aloneOn(ctx, h)
	var v Volume
	if err == nil {
		v, err = s.settleName(ctx, h)
	}
	if err == nil {
		err = s.expose(ctx, h, v)
	}
	var src connector.Source
	if err == nil {
		src, err = s.connect(ctx, h)
	}
	if err == nil {
		asked := make(chan error, 1)
		go func() { asked <- s.onlyUser(ctx, h) }() // while the cloud takes its time
		err = s.complete(ctx, h)
		if other := <-asked; other != nil {
			err = other
		}
	}
	if err != nil {
		return Volume{}, connector.Source{}, s.giveBack(ctx, h, err)
	}
	return v, src, nil
}

// stillConnected goes on from a device that is there: after a linger, or after
// a crash between two steps. A connected device means that the attachment was
// not given back, because the device always goes first.
func (s *Service) stillConnected(ctx context.Context, h *handle, src connector.Source) (Volume, connector.Source, error) {
	fail := func(err error) (Volume, connector.Source, error) { return Volume{}, connector.Source{}, err }
	h.rec.Source = &src
	if !h.rec.Completed {
		if err := s.complete(ctx, h); err != nil {
			return fail(s.giveBack(ctx, h, err))
		}
	}
	if err := s.onlyUser(ctx, h); err != nil {
		return fail(s.giveBack(ctx, h, err))
	}
	v, err := s.settleName(ctx, h)
	if err != nil {
		return fail(s.giveBack(ctx, h, err))
	}
	h.rec.Target = s.targetOf(h.rec.Volume)
	if h.rec.Step != StepConnected {
		if err := s.announce(ctx, h, StepConnected); err != nil {
			return fail(err)
		}
	}
	return v, src, nil
}

// confirm asks the cloud whether an attachment from before a restart is still
// ours, because a device may only be connected again under its protection. One
// that is gone, or was made for another identity of this host, is forgotten.
func (s *Service) confirm(ctx context.Context, h *handle) error {
	rows, err := s.of(h.key).Attacher.Attachments(ctx, h.rec.Volume.ID)
	if errors.Is(err, ErrNotFound) {
		rows, err = nil, nil
	}
	if err != nil {
		return wrap(err, "asking whether %s is still attached to this host", h.rec.Volume.Name)
	}
	i := slices.IndexFunc(rows, func(a Attachment) bool { return a.ID == h.rec.Attachment })
	moved := h.rec.ExposedTo != "" && h.rec.ExposedTo != s.exposedTo(h)
	if i >= 0 && !moved {
		return nil
	}
	// First this host: what stayed of the old way would meet the next volume that
	// is exported in its place.
	if err := s.disconnect(ctx, h); err != nil {
		return err
	}
	if i < 0 {
		s.events.add(h.rec.Volume.Name, "attachment %s is gone from the cloud; attaching anew", h.rec.Attachment)
	} else {
		s.events.add(h.rec.Volume.Name, "attachment %s was made for %s; attaching anew as %s", h.rec.Attachment, h.rec.ExposedTo, s.exposedTo(h))
		if err := s.of(h.key).Attacher.Release(ctx, h.rec.Attachment); err != nil {
			return wrap(err, "releasing attachment %s of %s", h.rec.Attachment, h.rec.Volume.Name)
		}
	}
	h.rec.forgetAttachment()
	return s.announce(ctx, h, StepIdle)
}

// exposedTo is what an attachment is made for; when it changes, the cloud must
// be told. Where the cloud knows this host by something of its own, the
// attachment's id has it.
func (s *Service) exposedTo(h *handle) string {
	st, me := s.of(h.key), s.cfg.Host
	switch _, knows := st.Attacher.(Locator); {
	case knows:
		return ""
	case st.Shares:
		return me.Name + "/" + me.IP
	}
	return fmt.Sprintf("%s/%s/%v", me.Name, me.IP, me.Properties["initiator"])
}

func (s *Service) expose(ctx context.Context, h *handle, v Volume) error {
	if h.rec.Connection != nil && h.rec.Completed {
		return nil // confirmed: the connection from before is still good
	}
	if v.Marks.Pristine && s.unzeroed(v) {
		// From here on somebody has had it; that it was us, with nobody between,
		// is remembered with the reservation.
		h.rec.Pristine = true
		if err := s.announce(ctx, h, StepReserved); err != nil {
			return err
		}
		if _, err := s.of(v.Key).Provider.SetMarks(ctx, v.ID, MarkChange{Unset: []string{markPristine}, Known: v.Metadata}); err != nil {
			return wrap(err, "marking %s as given to a host", v.Name)
		}
	}
	me, err := s.identity(ctx, s.of(h.key))
	if err != nil {
		return wrap(err, "exposing %s to this host", v.Name)
	}
	if v.shared() {
		h.show("waiting until the cloud lets this host in: openstack share access list " + v.ID)
	}
	conn, err := s.of(h.key).Attacher.Expose(ctx, v, h.rec.Attachment, me)
	if err == nil && v.shared() {
		conn, err = withUsersOptions(conn, v)
	}
	if err != nil && s.twin != "" {
		return Errorf(ErrUnsafe, "exposing %s to this host: %s; the cloud, which was not shown that name, says: %w", v.Name, s.twin, err)
	}
	if err != nil {
		return wrap(err, "exposing %s to this host", v.Name)
	}
	if err := s.notWithdrawn(ctx, v); err != nil {
		return err
	}
	h.rec.Connection, h.rec.Given = &conn, true
	h.rec.ExposedTo = s.exposedTo(h)
	return s.announce(ctx, h, StepExposed)
}

func (s *Service) connect(ctx context.Context, h *handle) (connector.Source, error) {
	conn := h.rec.connection()
	if conn.Encrypted {
		return connector.Source{}, Errorf(ErrUnsafe, "%s is on an encrypted volume type: a bare host sees ciphertext, and formatting that would destroy it; use an unencrypted type", h.rec.Volume.Name)
	}
	c, err := s.connector(h.key, conn.Driver)
	if err != nil {
		return connector.Source{}, err
	}
	src, err := c.Connect(ctx, conn)
	if s.resized(ctx, h, err) {
		src, err = c.Connect(ctx, h.rec.connection())
	}
	if err != nil {
		src, err = s.connectMoved(ctx, h, c, err)
	}
	if err != nil {
		return src, wrap(err, "connecting %s", h.rec.Volume.Name)
	}
	h.rec.Source, h.rec.Target = &src, s.targetOf(h.rec.Volume)
	return src, s.announce(ctx, h, StepConnected)
}

func (s *Service) complete(ctx context.Context, h *handle) error {
	if h.rec.Completed {
		return nil
	}
	if err := s.of(h.key).Attacher.Complete(ctx, h.rec.Attachment); err != nil {
		return wrap(err, "completing the attachment of %s", h.rec.Volume.Name)
	}
	h.rec.Completed = true
	s.registry.restate(h.key, "in-use")
	return nil
}

func (s *Service) unzeroed(v Volume) bool { return slices.Contains(s.cfg.UnzeroedTypes, v.Type) }
