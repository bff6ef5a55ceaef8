package share

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Edit changes a share: change is given a copy. Public shares of others can be
// seen, and not changed.
func (b *Service) Edit(c Caller, id string, change func(*Share) error) (*Share, error) {
	var edited *Share
	err := b.update(func() error {
		s, err := b.share(c, id)
		if err != nil {
			return err
		}
		if !c.Admin && s.Project != c.Project {
			return Refuse(http.StatusForbidden, "Policy doesn't allow share:update to be performed.")
		}
		edited = s.clone()
		if err := change(edited); err != nil {
			return err
		}
		if c.Stick != "" {
			edited.Status, edited.Stuck = c.Stick, true
		}
		b.shares.Put(id, edited)
		return nil
	})
	return edited, err
}

// EditMetadata replaces a share's metadata by what change makes of a copy.
func (b *Service) EditMetadata(c Caller, id string, change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
	s, err := b.Edit(c, id, func(s *Share) error {
		fresh := maps.Clone(s.Metadata)
		if fresh == nil {
			fresh = map[string]string{}
		}
		fresh, err := change(fresh)
		s.Metadata = fresh
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Metadata, nil
}

// Delete begins a share's deletion, with all who are let in to it. With force
// the status does not matter.
func (b *Service) Delete(c Caller, id string, force bool) error {
	s, err := b.Edit(c, id, func(s *Share) error {
		if !force && !slices.Contains([]string{Available, Failed, "inactive"}, s.Status) {
			return badShare(http.StatusForbidden, "Share status must be one of ('available', 'error', 'inactive').")
		}
		if n := len(b.snapshotsOf(id)); n > 0 {
			return badShare(http.StatusForbidden, "Share still has %d dependent snapshots.", n)
		}
		s.become(Deleting, c)
		return nil
	})
	if err == nil {
		b.settleShare(s)
	}
	return err
}

// Extend begins to grow a share to size GiB.
func (b *Service) Extend(c Caller, id string, size int) error {
	s, err := b.Edit(c, id, func(s *Share) error {
		if s.InBin {
			return Refuse(http.StatusForbidden, "Cannot extend share '%s' since it has been soft deleted.", s.ID)
		}
		if s.Status != Available {
			return badShare(http.StatusBadRequest, "Share %s status must be 'available' to extend, but current status is: %s.", s.ID, s.Status)
		}
		if size <= s.Size {
			return badInput("New size for extend must be greater than current size. (current: %d, extended: %d).", s.Size, size)
		}
		if err := b.fits(s.Project, Usage{Gigabytes: size - s.Size}, http.StatusForbidden); err != nil {
			return err
		}
		s.NewSize = size
		s.become(Extending, c)
		if c.Stick != "" {
			s.NewSize = 0
			b.say(s, "extend: Share Driver failed to extend share. The share status has been set to extending_error.")
		}
		return nil
	})
	if err == nil {
		b.settleShare(s)
	}
	return err
}

// Force sets a share's fields to anything, as no cloud would, and has the cloud
// say something about it unless that is empty.
func (b *Service) Force(id, say string, change func(*Share)) (*Share, error) {
	return b.Edit(Caller{Admin: true}, id, func(s *Share) error {
		change(s)
		s.Stuck = true
		if say != "" {
			b.say(s, say)
		}
		return nil
	})
}

// say leaves a message about a share.
func (b *Service) say(s *Share, text string) {
	m := &Message{ID: uuid.NewString(), ShareID: s.ID, Project: s.Project, Text: text, Created: now()}
	b.messages.Put(m.ID, m)
}

// Messages returns a project's messages, newest first; of one share unless that
// is empty.
func (b *Service) Messages(project, shareID string) []*Message {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := sorted(b.messages.Rows(), func(m *Message) bool {
		return m.Project == project && (shareID == "" || m.ShareID == shareID)
	}, func(m *Message) string { return m.Created.Format(time.RFC3339Nano) })
	slices.Reverse(list)
	return list
}
