package volume

import (
	"context"
	"slices"

	"github.com/openstack/fuxi/connector"
)

// aloneOn makes sure that no other host has a volume of a type that several may
// attach: its filesystems are made for one writer, and the cloud's own guard,
// the reservation, lets everybody in.
func (s *Service) aloneOn(ctx context.Context, h *handle) error {
	v := h.rec.Volume
	if !v.Multiattach {
		return nil
	}
	rows, err := s.of(v.Key).Attacher.Attachments(ctx, v.ID)
	if err != nil {
		return wrap(err, "making sure that no other host has %s", v.Name)
	}
	for _, a := range rows {
		if a.ID == h.rec.Attachment {
			continue
		}
		fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
		who := a.holder()
		if err == nil && len(fresh.Attachments) > 0 {
			who = fresh.Attachments[0].holder()
		}
		return Errorf(ErrInUse, "%s (%s) is in use by %s: its type lets several hosts attach it, but its filesystem is made for one; stop the container that uses it there", v.Name, v.ID, who)
	}
	return nil
}

// onlyUser asks the storage who else has the volume open, where it can tell and
// does not refuse others by itself. What the cloud believes is another matter: an
// attachment may have been deleted, or a host declared dead, that still writes.
func (s *Service) onlyUser(ctx context.Context, h *handle) error {
	conn := h.rec.connection()
	if h.rec.Source == nil || h.rec.Source.Proof["exclusive"] != "false" || conn.Access == connector.ReadOnly {
		return nil
	}
	c, err := s.connector(h.key, conn.Driver)
	if err != nil {
		return err
	}
	witness, ok := c.(connector.Witness)
	if !ok {
		return nil
	}
	for try := 0; ; try++ {
		holders, err := witness.Holders(ctx, conn)
		if err != nil {
			return wrap(err, "asking the storage who else uses %s; [ceph] exclusive = true does without", h.rec.Volume.Name)
		}
		i := slices.IndexFunc(holders, func(who connector.Holder) bool { return !who.Self })
		if i < 0 {
			return nil
		}
		// The cloud itself opens a volume for a moment, to copy or extend it.
		if try == witnessTries || pause(ctx, try+witnessTries) != nil {
			return Errorf(ErrInUse, "%s (%s) is in use at the storage by %s at %s, though the cloud gave it to this host: stop what uses it there, or have the storage's administrator shut that client out",
				h.rec.Volume.Name, h.rec.Volume.ID, holders[i].Client, holders[i].Address)
		}
	}
}

// witnessTries is how often a volume that somebody else has open at the storage is
// looked at again, some three seconds in all.
const witnessTries = 5
