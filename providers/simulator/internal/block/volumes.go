package block

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
)

// DeleteVolume starts a volume's removal. It is refused while the volume is
// attached or reserved, has snapshots (unless cascade), or is in a state that
// only force, an administrator's right, overrides.
func (b *Service) DeleteVolume(c Caller, id string, force, cascade bool) error {
	var (
		doomed    *Volume
		snapshots []string
	)
	err := b.update(func() error {
		v, err := b.volume(c, id)
		if err != nil {
			return err
		}
		if err := b.deletable(v, force, cascade); err != nil {
			return err
		}
		snapshots = members(b.index.snapshots, id)
		for _, s := range snapshots {
			b.snapshots.Delete(s)
		}
		doomed = v.clone()
		doomed.become(Deleting, c)
		b.volumes.Put(id, doomed)
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		_ = os.Remove(b.snapshotPath(s)) // a leftover file harms nobody
	}
	b.settleVolume(doomed)
	return nil
}

func (b *Service) deletable(v *Volume, force, cascade bool) error {
	states := []string{Available, Failed, "error_restoring", "error_extending", "error_managing"}
	rule := "status must be " + either(states) + " and"
	if force {
		states, rule = []string{v.Status}, ""
	}
	snapshots := members(b.index.snapshots, v.ID)
	bad := v.AttachStatus == Attached || !slices.Contains(states, v.Status) || len(snapshots) > 0 && !cascade
	for _, id := range snapshots {
		status := b.snapshots.Get(id).Status
		bad = bad || !force && status != Available && status != Failed
	}
	if bad {
		return invalidVolume("Volume %s must not be migrating, attached, belong to a group, have snapshots, "+
			"awaiting a transfer, or be disassociated from snapshots after volume transfer.", rule)
	}
	return nil
}

// Edit changes a volume: change is given a copy. When touch is set the time of change ticks, as it does in Cinder for a column of
// the volume's own row but not for its metadata.
func (b *Service) Edit(c Caller, id string, touch bool, change func(*Volume) error) (*Volume, error) {
	var edited *Volume
	err := b.update(func() error {
		v, err := b.volume(c, id)
		if err != nil {
			return err
		}
		edited = v.clone()
		if err := change(edited); err != nil {
			return err
		}
		if touch {
			edited.Updated = now()
		}
		if c.Stick != "" {
			edited.Status, edited.Stuck = c.Stick, true
		}
		b.volumes.Put(id, edited)
		return nil
	})
	return edited, err
}

// EditMetadata replaces a volume's metadata by what change makes of a copy of
// it, and returns the result.
func (b *Service) EditMetadata(c Caller, id string, change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
	v, err := b.Edit(c, id, false, func(v *Volume) error {
		if v.Status == "maintenance" || v.Status == "uploading" {
			return invalidVolume("Updating volume metadata is not allowed for volumes in %s status.", v.Status)
		}
		fresh := maps.Clone(v.Metadata)
		if fresh == nil {
			fresh = map[string]string{}
		}
		fresh, err := change(fresh)
		v.Metadata = fresh
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.Metadata, nil
}

// Extend starts growing a volume to size GiB. A volume in use is grown only
// when the caller's API version knows how.
func (b *Service) Extend(c Caller, id string, size int, inUseToo bool) error {
	v, err := b.Edit(c, id, true, func(v *Volume) error {
		if size <= v.Size {
			return InvalidInput("New size for extend must be greater than current size. "+
				"(current: %d, extended: %d).", v.Size, size)
		}
		expected := Available
		if inUseToo && v.Status == InUse {
			expected = InUse
		}
		if v.Status != expected {
			return invalidVolume("Volume %s status must be '{'status': '%s'}' to extend, currently %s.",
				v.ID, expected, v.Status)
		}
		if err := b.fits(v.Project, Usage{Gigabytes: size - v.Size}); err != nil {
			return err
		}
		v.NewSize, v.Previous = size, v.Status
		v.become(Extending, c)
		return nil
	})
	if err != nil {
		return err
	}
	b.settleVolume(v)
	return nil
}

// ResetStatus is the administrator's way to set statuses without doing the work
// behind them. Resetting the attach status to detached drops all attachments.
func (b *Service) ResetStatus(c Caller, id, status, attachStatus string) error {
	status, attachStatus = strings.ToLower(status), strings.ToLower(attachStatus)
	return b.update(func() error {
		v, err := b.volume(c, id)
		if err != nil {
			return err
		}
		attachments := b.attachmentsOf(id)
		if status == InUse && len(attachments) == 0 {
			return Refuse(http.StatusBadRequest,
				"Cannot reset-state to in-use because volume does not have any attachments.")
		}
		v = v.clone()
		if status != "" {
			v.become(status, Caller{Stick: status})
		}
		if attachStatus != "" {
			v.AttachStatus = attachStatus
		}
		if attachStatus == Detached {
			for _, a := range attachments {
				b.attachments.Delete(a.ID)
			}
		}
		if attachStatus == Detached && len(attachments) > 0 {
			v.recompute(nil)
		}
		b.volumes.Put(id, v)
		return nil
	})
}
