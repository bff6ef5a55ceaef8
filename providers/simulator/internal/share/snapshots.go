package share

import (
	"cmp"
	"net/http"
	"os"

	"github.com/google/uuid"
)

// CreateSnapshot records a snapshot, which becomes available by itself once the
// share's data is copied.
func (b *Service) CreateSnapshot(c Caller, shareID string, name, description *string) (*Snapshot, error) {
	var made *Snapshot
	err := b.update(func() error {
		s, err := b.shareOfRules(c, shareID)
		if err != nil {
			return err
		}
		if s.Status != Available {
			return badShare(http.StatusBadRequest, "Source share status must be available.")
		}
		if err := b.fits(c.Project, Usage{Snapshots: 1, SnapshotGigabytes: s.Size}, http.StatusRequestEntityTooLarge); err != nil {
			return err
		}
		made = &Snapshot{
			ID: uuid.NewString(), Name: name, Description: description, ShareID: s.ID, Project: c.Project, User: c.User,
			Size: s.Size, Proto: s.Proto, Status: cmp.Or(c.Stick, Creating), Stuck: c.Stick != "", Created: now(),
		}
		b.snapshots.Put(made.ID, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.settleSnapshot(made)
	return made, nil
}

// Snapshot returns a snapshot the caller may see; others are not found.
func (b *Service) Snapshot(c Caller, id string) (*Snapshot, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.snapshots.Get(id)
	if s == nil || !c.Admin && s.Project != c.Project {
		return nil, noShare()
	}
	return s, nil
}

// Snapshots returns the snapshots that pass a filter, in the order of their ids.
func (b *Service) Snapshots(keep func(*Snapshot) bool) []*Snapshot {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return sorted(b.snapshots.Rows(), keep, func(s *Snapshot) string { return s.ID })
}

func (b *Service) snapshotsOf(shareID string) []*Snapshot {
	return sorted(b.snapshots.Rows(), func(s *Snapshot) bool { return s.ShareID == shareID }, func(s *Snapshot) string { return s.ID })
}

// DeleteSnapshot begins a snapshot's deletion.
func (b *Service) DeleteSnapshot(c Caller, id string) error {
	if _, err := b.Snapshot(c, id); err != nil {
		return err
	}
	var gone *Snapshot
	err := b.update(func() error {
		s := b.snapshots.Get(id)
		if s == nil {
			return noShare()
		}
		if s.Status != Available && s.Status != Failed {
			return Refuse(http.StatusForbidden, "Invalid share snapshot: Share Snapshot status must be one of ('available', 'error').")
		}
		changed := *s
		changed.Status, changed.Stuck = cmp.Or(c.Stick, Deleting), c.Stick != ""
		gone = &changed
		b.snapshots.Put(id, gone)
		return nil
	})
	if err == nil {
		b.settleSnapshot(gone)
	}
	return err
}

func (b *Service) settleSnapshot(s *Snapshot) {
	if s.Stuck {
		return
	}
	switch s.Status {
	case Creating:
		b.later(func() { b.finishSnapshot(s) })
	case Deleting:
		b.later(func() { b.finishSnapshotDelete(s) })
	}
}

func (b *Service) finishSnapshot(s *Snapshot) {
	status := Available
	if copyTree(b.snapshotPath(s.ID), b.Path(s.ShareID)) != nil {
		status = Failed
	}
	_ = b.update(func() error {
		current := b.snapshots.Get(s.ID)
		if current == nil || current.Status != Creating || current.Stuck {
			return nil
		}
		done := *current
		done.Status = status
		b.snapshots.Put(s.ID, &done)
		return nil
	})
}

func (b *Service) finishSnapshotDelete(s *Snapshot) {
	_ = os.RemoveAll(b.snapshotPath(s.ID))
	_ = b.update(func() error {
		if now := b.snapshots.Get(s.ID); now != nil && now.Status == Deleting && !now.Stuck {
			b.snapshots.Delete(s.ID)
		}
		return nil
	})
}
