package block

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// NewSnapshot is what a caller asks for. InUseToo allows a volume that is in
// use.
type NewSnapshot struct {
	VolumeID    string
	Name        *string
	Description *string
	Metadata    map[string]string
	InUseToo    bool
}

// CreateSnapshot records a snapshot, which becomes available by itself once the
// volume's data is copied.
func (b *Service) CreateSnapshot(c Caller, n NewSnapshot) (*Snapshot, error) {
	var made *Snapshot
	err := b.update(func() error {
		v, err := b.volume(c, n.VolumeID)
		if err != nil {
			return err
		}
		if err := snapshotable(v, n.InUseToo); err != nil {
			return err
		}
		if err := b.fits(c.Project, Usage{Snapshots: 1, Gigabytes: v.Size}); err != nil {
			return err
		}
		made = &Snapshot{
			ID: uuid.NewString(), Name: n.Name, Description: n.Description, VolumeID: v.ID,
			Project: c.Project, User: c.User, Size: v.Size, Type: v.Type,
			Status: cmp.Or(c.Stick, Creating), Stuck: c.Stick != "", Metadata: n.Metadata, Created: now(),
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

func snapshotable(v *Volume, inUseToo bool) error {
	if v.Status == Failed {
		return invalidVolume("The snapshot cannot be created when the volume is in error status.")
	}
	if v.Status == "maintenance" {
		return invalidVolume("The snapshot cannot be created when the volume is in maintenance mode.")
	}
	from := []string{Available}
	if inUseToo {
		from = append(from, InUse)
	}
	if !slices.Contains(from, v.Status) {
		return invalidVolume("Volume %s status must be %s, but current status is: %s.",
			v.ID, strings.Join(from, ", "), v.Status)
	}
	return nil
}

// DeleteSnapshot starts a snapshot's removal.
func (b *Service) DeleteSnapshot(c Caller, id string) error {
	var doomed *Snapshot
	err := b.update(func() error {
		s, err := b.snapshot(c, id)
		if err != nil {
			return err
		}
		if s.Status != Available && s.Status != Failed {
			return Refuse(http.StatusBadRequest,
				"Invalid snapshot: Snapshot status must be available or error and must not be part of a group.")
		}
		changed := *s
		changed.Status, changed.Stuck, changed.Updated = cmp.Or(c.Stick, Deleting), c.Stick != "", now()
		doomed = &changed
		b.snapshots.Put(id, doomed)
		return nil
	})
	if err != nil {
		return err
	}
	b.settleSnapshot(doomed)
	return nil
}

// Snapshot returns a snapshot the caller may see; others are not found.
func (b *Service) Snapshot(c Caller, id string) (*Snapshot, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.snapshot(c, id)
}

func (b *Service) snapshot(c Caller, id string) (*Snapshot, error) {
	s := b.snapshots.Get(id)
	if s == nil || !c.Admin && s.Project != c.Project {
		return nil, noSnapshot(id)
	}
	return s, nil
}

// Snapshots returns the snapshots of the caller's project (or of all, with
// allTenants), newest first.
func (b *Service) Snapshots(c Caller, allTenants bool) []*Snapshot {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []*Snapshot
	for _, s := range b.snapshots.Rows() {
		if allTenants && c.Admin || s.Project == c.Project {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(x, y *Snapshot) int {
		return cmp.Or(y.Created.Compare(x.Created), strings.Compare(y.ID, x.ID))
	})
	return list
}
