package volume

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
)

// shared tells whether v is a share: a filesystem that the cloud serves to many
// hosts at once. Nothing is formatted, and nobody waits for another to let go.
func (v Volume) shared() bool { return v.Share != "" }

// shareStamp is the formatted mark of a share: fuxi has used it under its name.
func shareStamp(v Volume) Stamp {
	return Stamp{FSType: strings.ToLower(v.Share), UUID: v.ID}
}

// claim marks that this host is about to find out whether the name means this
// share. A reservation, by which hosts that made volumes of one name at once see
// each other, shares do not have; the mark stands for it, and settle reads it so:
// it is raised before the look, and lowered, like a reservation, when the share is
// given back. That the share is in use is another mark, set only after the look
// and never taken away.
func (s *Service) claim(ctx context.Context, h *handle, v Volume) error {
	if !v.shared() || v.hasData() {
		return nil
	}
	h.rec.Claimed = true
	if err := s.announce(ctx, h, h.rec.Step); err != nil {
		return err
	}
	change := MarkChange{Set: map[string]string{s.claimKey(): s.stamp()}}
	if _, err := s.of(v.Key).Provider.SetMarks(ctx, v.ID, change); err != nil {
		return wrap(err, "claiming share %s", v.Name)
	}
	return nil
}

func (s *Service) claimKey() string { return markClaim + s.cfg.Host.Name }

// unclaim takes this host's claim away, if it made one.
func (s *Service) unclaim(ctx context.Context, h *handle) error {
	if !h.rec.Claimed {
		return nil
	}
	_, err := s.of(h.key).Provider.SetMarks(ctx, h.key.ID, MarkChange{Unset: []string{s.claimKey()}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return wrap(err, "giving up the claim on share %s", h.rec.Volume.Name)
	}
	h.rec.Claimed = false
	return nil
}

// markUsed says, for every host, that the name means this share from now on. v
// is what the look has shown.
func (s *Service) markUsed(ctx context.Context, h *handle, v Volume) (Volume, error) {
	if !v.shared() || v.hasData() {
		return v, s.unclaim(ctx, h)
	}
	h.rec.Fresh, h.rec.Given = true, true
	if err := s.announce(ctx, h, h.rec.Step); err != nil {
		return v, err
	}
	change := MarkChange{Set: map[string]string{markFormatted: shareStamp(v).String()}, Unset: []string{s.claimKey()}}
	after, err := s.of(v.Key).Provider.SetMarks(ctx, v.ID, change)
	if err != nil {
		return v, wrap(err, "marking %s as used", v.Name)
	}
	h.rec.Claimed = false
	v.Marks = ParseMarks(after)
	s.registry.put(v, time.Now())
	h.rec.Volume = v
	h.rec.Volume.Metadata = nil
	return v, nil
}

// stillSurplus looks once more at a share that was marked as let go because
// another has the better right to its name: a host that came to it meanwhile has
// claimed or marked it, and keeps it.
func (s *Service) stillSurplus(ctx context.Context, v Volume) (bool, error) {
	provider := s.of(v.Key).Provider
	fresh, err := provider.Get(ctx, v.ID)
	if err != nil {
		return false, err
	}
	others := slices.ContainsFunc(fresh.Marks.Claims, func(host string) bool { return host != s.cfg.Host.Name })
	if !others && fresh.Marks.Formatted == nil {
		return true, nil
	}
	_, err = provider.SetMarks(ctx, v.ID, MarkChange{Unset: []string{markReleased}})
	return false, err
}

// withdraw marks a share as let go before it is deleted, and only then looks who
// else was let in: a host that mounts lets itself in first and looks at the mark
// afterwards, so one of the two always sees the other. The cloud itself deletes
// shares under those who use them.
func (s *Service) withdraw(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if !v.shared() {
		return nil
	}
	provider := s.of(h.key).Provider
	if _, err := provider.SetMarks(ctx, v.ID, MarkChange{Set: map[string]string{markReleased: s.stamp()}}); err != nil {
		return wrap(err, "marking share %s as let go", v.Name)
	}
	if err := s.usedElsewhere(ctx, h); err != nil {
		return errors.Join(err, s.putBack(ctx, h))
	}
	return nil
}

// putBack undoes withdraw.
func (s *Service) putBack(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if !v.shared() {
		return nil
	}
	if _, err := s.of(h.key).Provider.SetMarks(ctx, v.ID, MarkChange{Unset: []string{markReleased}}); err != nil && !errors.Is(err, ErrNotFound) {
		return wrap(err, "share %s is marked as let go and could not be put back: openstack share unset --property %s %s", v.Name, markReleased, v.ID)
	}
	return nil
}

// notWithdrawn makes sure, after this host was let in, that nobody is removing
// the share.
func (s *Service) notWithdrawn(ctx context.Context, v Volume) error {
	if !v.shared() {
		return nil
	}
	fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return &elsewhereError{why: "it was deleted"}
	case err != nil:
		return wrap(err, "making sure that nobody is removing share %s", v.Name)
	case !fresh.Usable():
		s.registry.put(fresh, time.Now())
		return &elsewhereError{why: "it was let go"}
	}
	return nil
}

// withUsersOptions adds to a share's connection what the user wants of its
// mount: for a share, to connect is to mount.
func withUsersOptions(conn connector.Connection, v Volume) (connector.Connection, error) {
	opts, err := ParseRecord(v.Marks.Opts)
	if err != nil {
		return conn, damagedOpts(v, err)
	}
	if err := opts.CheckMount(v.Share); err != nil {
		return conn, err
	}
	conn.MountOptions = opts.MountOptions
	return conn, nil
}

// connectMoved connects a share once more when the cloud has other exports of it
// than before: migration and failover change them under a grant that stays.
func (s *Service) connectMoved(ctx context.Context, h *handle, c connector.Connector, cause error) (connector.Source, error) {
	if !h.rec.Volume.shared() || errors.Is(cause, connector.ErrUnsupported) {
		return connector.Source{}, cause
	}
	before := h.rec.Connection.Data["exports"]
	h.rec.Completed = false
	if err := s.expose(ctx, h, h.rec.Volume); err != nil {
		return connector.Source{}, errors.Join(cause, err)
	}
	if sameExports(before, h.rec.Connection.Data["exports"]) {
		return connector.Source{}, cause
	}
	s.events.add(h.rec.Volume.Name, "the cloud serves the share elsewhere now (%v); connecting anew", h.rec.Connection.Data["exports"])
	return c.Connect(ctx, h.rec.connection())
}

// served makes sure that the server of a mounted share answers: Docker would
// hang, beyond any signal, in a directory that does not.
func (s *Service) served(ctx context.Context, h *handle) error {
	c, err := s.connector(h.key, h.rec.Connection.Driver)
	if err == nil {
		_, err = c.Connect(ctx, h.rec.connection())
	}
	if err != nil {
		return wrap(err, "looking whether the server of %s answers", h.rec.Volume.Name)
	}
	return nil
}

// sameExports compares lists that may be fresh or read from the journal.
func sameExports(a, b any) bool { return slices.Equal(exportList(a), exportList(b)) }

func exportList(list any) []string {
	if texts, ok := list.([]string); ok {
		return texts
	}
	var out []string
	items, _ := list.([]any)
	for _, item := range items {
		text, _ := item.(string)
		out = append(out, text)
	}
	return out
}

// usedElsewhere refuses to remove a share that others have been let in to: the
// cloud would take it away under them without asking. What is only let go of
// stays there for those whom somebody else let in.
func (s *Service) usedElsewhere(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if !v.shared() {
		return nil
	}
	rows, err := s.of(h.key).Attacher.Attachments(ctx, v.ID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return wrap(err, "finding out who else uses share %s", v.Name)
	}
	var who []string
	for _, a := range rows {
		switch {
		case !a.Foreign && a.Holder == s.cfg.Host.Name:
			// Of a state directory that was lost: nothing of the share is here any more.
			if err := s.of(h.key).Attacher.Release(ctx, a.ID); err != nil {
				return wrap(err, "giving back %s", v.Name)
			}
		case !a.Foreign || s.policy(v) == OnRemoveDelete:
			who = append(who, a.holder())
		}
	}
	if len(who) == 0 {
		return nil
	}
	return Errorf(ErrInUse, "%s (%s) is not removed: it is open to %s; stop the containers that use it there first, or take access away: openstack share access list %s", v.Name, v.ID, strings.Join(who, ", "), v.ID)
}

// shows tells whether a mount shows a source.
func shows(m connector.Mounted, src connector.Source) bool {
	if src.Directory != "" {
		return m.Export == src.Export
	}
	return m.Device == src.Device
}

// place is what a source is called in messages.
func place(src connector.Source) string { return first(src.Device, src.Export) }
