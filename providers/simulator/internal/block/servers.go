package block

import "net/http"

// Compute is the compute service, as far as Block Storage asks it: before an
// attachment of a server is deleted by anybody else.
type Compute interface {
	// Owns tells whether the server exists and uses the attachment.
	Owns(server, attachmentID string) bool
}

// SetCompute lets the storage ask a compute service; without one a question
// fails. Call it before the first request.
func (b *Service) SetCompute(c Compute) { b.compute = c }

// guard asks the compute service about a connected attachment of a server. It
// must not hold the lock: that service calls back.
func (b *Service) guard(c Caller, id string) error {
	a, err := b.Attachment(id)
	if err != nil || c.Compute || a.Instance == nil || len(a.Connection) == 0 {
		return nil // for those who look further to refuse
	}
	if b.compute == nil {
		return Refuse(http.StatusInternalServerError,
			"The server has either erred or is incapable of performing the requested operation.")
	}
	if b.compute.Owns(*a.Instance, id) {
		return Refuse(http.StatusConflict, "Detach volume from instance %s using the Compute API", *a.Instance)
	}
	return nil
}

// BeginDetaching marks a volume in use as being detached, as the compute service
// does before it asks the hypervisor. A volume of several attachments needs this
// one to be among them.
func (b *Service) BeginDetaching(id string) error {
	return b.update(func() error {
		v, err := b.volume(Caller{Admin: true}, id)
		if err != nil {
			return err
		}
		if v.Status != InUse || v.AttachStatus != Attached {
			return invalidVolume("Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		v = v.clone()
		v.become(Detaching, Caller{})
		b.volumes.Put(id, v)
		return nil
	})
}

// RollDetaching takes BeginDetaching back.
func (b *Service) RollDetaching(id string) error {
	return b.update(func() error {
		v, err := b.volume(Caller{Admin: true}, id)
		if err != nil || v.Status != Detaching {
			return err
		}
		v = v.clone()
		v.become(InUse, Caller{})
		b.volumes.Put(id, v)
		return nil
	})
}
