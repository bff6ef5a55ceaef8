package block

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ModeUnset is what Cinder shows as the mode of an attachment whose creator
// named none.
const ModeUnset = "null"

// NewAttachment is what a caller asks for. With a connector the attachment is
// reserved and exposed in one call.
type NewAttachment struct {
	VolumeID  string
	Instance  *string
	Mode      string
	Connector map[string]any
}

// Reserve makes an attachment, which is the lock on a volume that allows one.
// The answer is the record as it was reserved, but with the connection when a
// connector was given.
func (b *Service) Reserve(c Caller, n NewAttachment) (*Attachment, error) {
	if err := b.ensureDisk(n.VolumeID); err != nil {
		return nil, err
	}
	var made *Attachment
	err := b.update(func() error {
		v, err := b.volume(c, n.VolumeID)
		if err != nil {
			return err
		}
		v = v.clone()
		if made, err = b.reserve(c, v, n); err != nil {
			return err
		}
		if len(n.Connector) > 0 {
			if made, err = expose(v, made, n.Connector, b.Path(v.ID), c); err != nil {
				return err
			}
			// Cinder writes the mode of the request last, over the connector's.
			made.Mode = n.Mode
		}
		if v.ReadOnly != nil && *v.ReadOnly {
			made.Mode = "ro"
		}
		b.attachments.Put(made.ID, made)
		b.volumes.Put(v.ID, v)
		return nil
	})
	return made, err
}

func (b *Service) reserve(c Caller, v *Volume, n NewAttachment) (*Attachment, error) {
	if v.inError() {
		return nil, invalidVolume("Volume attachments can not be created if the volume is in an error state. "+
			"The Volume %s currently has a status of: %s ", v.ID, v.Status)
	}
	from := []string{Available, "downloading"}
	if v.Multiattach {
		from = []string{Available, InUse, "downloading"}
	}
	switch {
	case slices.Contains(from, v.Status):
		v.become(Reserved, c)
	case !b.sameInstance(v, n.Instance):
		return nil, invalidVolume("Volume %s status must be %s to reserve, but the current status is %s.",
			v.ID, either(from), v.Status)
	}
	mode := cmp.Or(n.Mode, ModeUnset)
	return &Attachment{
		ID: uuid.NewString(), VolumeID: v.ID, Project: v.Project, Instance: n.Instance,
		Status: Reserved, Mode: mode, Created: now(),
	}, nil
}

// sameInstance is the exception for live migration: a second attachment of a
// volume to the server that has it already.
func (b *Service) sameInstance(v *Volume, instance *string) bool {
	if instance == nil || v.Status != InUse && v.Status != Reserved {
		return false
	}
	return slices.ContainsFunc(b.attachmentsOf(v.ID), func(a *Attachment) bool {
		return a.Instance != nil && *a.Instance == *instance
	})
}

// Complete marks an attachment attached and its volume in use. Like Cinder it
// asks for no particular state before.
func (b *Service) Complete(c Caller, id string) error {
	return b.update(func() error {
		a, err := b.attachment(id)
		if err != nil {
			return err
		}
		if _, err := b.volume(c, a.VolumeID); err != nil {
			return err
		}
		done := *a
		done.Status = Attached
		v := b.volumes.Get(a.VolumeID).clone()
		v.become(InUse, c)
		v.AttachStatus = Attached
		b.attachments.Put(id, &done)
		b.volumes.Put(v.ID, v)
		return nil
	})
}

// Release deletes an attachment and returns those the volume has left. The
// volume's status is recomputed from them.
//
// About a connected attachment of a server Cinder asks Nova first.
func (b *Service) Release(c Caller, id string) ([]*Attachment, error) {
	if err := b.guard(c, id); err != nil {
		return nil, err
	}
	var left []*Attachment
	err := b.update(func() error {
		a, err := b.ownAttachment(c, id, "volume:attachment_delete")
		if err != nil {
			return err
		}
		b.attachments.Delete(id)
		left = b.attachmentsOf(a.VolumeID)
		v := b.volumes.Get(a.VolumeID).clone()
		v.recompute(left)
		if c.Stick != "" {
			v.Status, v.Stuck = c.Stick, true
		}
		b.volumes.Put(v.ID, v)
		return nil
	})
	return left, err
}

// recompute derives a volume's status from its attachments: the one furthest
// on counts, those in error do not.
func (v *Volume) recompute(attachments []*Attachment) {
	v.AttachStatus = Detached
	for _, status := range []string{Attached, Attaching, Detaching, Reserved} {
		if slices.ContainsFunc(attachments, func(a *Attachment) bool { return a.Status == status }) {
			v.AttachStatus = status
			break
		}
	}
	v.Stuck, v.Updated = false, now()
	switch v.AttachStatus {
	case Attached:
		v.Status = InUse
	case Detached:
		v.Status = Available
	default:
		v.Status = v.AttachStatus
	}
}

// Attachment returns an attachment. Like Cinder it shows one to whoever knows its
// id, of whatever project.
func (b *Service) Attachment(id string) (*Attachment, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.attachment(id)
}

func (b *Service) attachment(id string) (*Attachment, error) {
	a := b.attachments.Get(id)
	if a == nil {
		return nil, noAttachment(id)
	}
	return a, nil
}

// ownAttachment is an attachment that the caller may change.
func (b *Service) ownAttachment(c Caller, id, rule string) (*Attachment, error) {
	a, err := b.attachment(id)
	if err == nil && !c.Admin && a.Project != c.Project {
		return nil, forbidden(rule)
	}
	return a, err
}

// Attachments returns the attachments of one volume, or of all when volumeID is
// empty, in the caller's project (or any, with allTenants), newest first.
func (b *Service) Attachments(c Caller, allTenants bool, volumeID string) []*Attachment {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []*Attachment
	keep := func(a *Attachment) {
		if allTenants && c.Admin || a.Project == c.Project {
			list = append(list, a)
		}
	}
	if volumeID != "" {
		for _, a := range b.attachmentsOf(volumeID) {
			keep(a)
		}
	} else {
		for _, a := range b.attachments.Rows() {
			keep(a)
		}
	}
	slices.SortFunc(list, func(x, y *Attachment) int {
		return cmp.Or(y.Created.Compare(x.Created), strings.Compare(y.ID, x.ID))
	})
	return list
}
