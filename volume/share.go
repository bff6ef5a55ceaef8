package volume

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
)

// shares tells whether v is a share: a filesystem that the cloud serves to many
// hosts at once. Nothing is formatted, and nobody waits for another to let go.
func (v Volume) shared() bool { return v.Share != "" }

// shareStamp is the formatted mark of a share: fuxi has used it under its name.
func shareStamp(v Volume) Stamp {
	return Stamp{FSType: strings.ToLower(v.Share), UUID: v.ID}
}

// claimShare makes the name mean this share for every host, before anything is
// written to it. A reservation, by which hosts that made volumes of one name at
// once see each other, shares do not have: here it is the mark. A host marks
// first and looks afterwards, and whoever then sees another's mark takes its own
// back: of two that went on, one marked later and looked when the other's mark
// was there to be seen. If both take theirs back, the next look shows both the
// same lowest one. A share that was ever marked is not deleted as surplus.
func (s *Service) claimShare(ctx context.Context, h *handle, v Volume) (Volume, error) {
	if v.hasData() {
		return v, nil
	}
	h.rec.Fresh, h.rec.Given = true, true
	if err := s.announce(ctx, h, h.rec.Step); err != nil {
		return v, err
	}
	provider := s.of(v.Key).Provider
	after, err := provider.SetMarks(ctx, v.ID, MarkChange{Set: map[string]string{markFormatted: shareStamp(v).String()}})
	if err != nil {
		return v, wrap(err, "marking %s as used", v.Name)
	}
	all, err := s.listName(ctx, v.Name)
	others := withData(slices.DeleteFunc(all, func(o Volume) bool { return o.Key == v.Key || !o.Usable() }))
	if err != nil || len(others) > 0 {
		_, undo := provider.SetMarks(ctx, v.ID, MarkChange{Unset: []string{markFormatted}, Known: after})
		if err != nil || undo != nil {
			return v, wrap(errors.Join(err, undo), "making sure that %s is the only share of its name", v.Name)
		}
		return v, &elsewhereError{why: "another volume of this name came into use at the same moment", again: true}
	}
	v.Marks = ParseMarks(after)
	s.registry.put(v, time.Now())
	h.rec.Volume = v
	h.rec.Volume.Metadata = nil
	return v, nil
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
		if !a.Foreign || s.policy(v) == OnRemoveDelete {
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
