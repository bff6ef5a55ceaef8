package share

import (
	"net/http"

	"github.com/google/uuid"
)

// NewShare is what a caller asks for. Size 0 means the snapshot's.
type NewShare struct {
	Name, Description *string
	Size              int // GiB
	Proto             string
	Type              string // name or id; "" is the default, or the snapshot's share's
	NetworkID         *string
	Zone              *string
	SnapshotID        *string
	Public            bool
	Metadata          map[string]string
}

// Create records a new share, which becomes available by itself.
func (b *Service) Create(c Caller, n NewShare) (*Share, error) {
	var made *Share
	err := b.update(func() (err error) {
		made, err = b.newShare(c, n)
		if err == nil {
			b.shares.Put(made.ID, made)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	b.settleShare(made)
	return made, nil
}

func (b *Service) newShare(c Caller, n NewShare) (*Share, error) {
	if n.Zone != nil && *n.Zone != Zone {
		return nil, Refuse(http.StatusNotFound, "Availability zone %s could not be found.", *n.Zone)
	}
	from, err := b.source(c, n)
	if err != nil {
		return nil, err
	}
	if n.NetworkID != nil && b.network(c, *n.NetworkID) == nil {
		return nil, Refuse(http.StatusNotFound, "Share network %s could not be found.", *n.NetworkID)
	}
	kind, err := pickType(n, from)
	if err != nil {
		return nil, err
	}
	size, err := pickSize(n.Size, from)
	if err != nil {
		return nil, err
	}
	if n.Proto != NFS && n.Proto != CephFS {
		return nil, badInput("Invalid share protocol provided: %s. It is either disabled or unsupported. Available protocols: ['%s', '%s'].", n.Proto, NFS, CephFS)
	}
	if err := b.fits(c.Project, Usage{Shares: 1, Gigabytes: size}, http.StatusRequestEntityTooLarge); err != nil {
		return nil, err
	}
	s := &Share{
		ID: uuid.NewString(), Name: n.Name, Description: n.Description, Project: c.Project, User: c.User, Size: size, Proto: n.Proto,
		Type: kind.ID, Zone: n.Zone, Public: n.Public, SnapshotID: n.SnapshotID, NetworkID: n.NetworkID, Metadata: n.Metadata, Created: now(),
	}
	if from != nil && s.Zone == nil {
		zone := Zone
		s.Zone = &zone
	}
	s.become(Creating, c)
	if c.Stick == Failed {
		b.say(s, "create: No storage could be allocated for this share request. Trying again with a different size or share type may succeed.")
	}
	return s, nil
}

// from is the snapshot that a share is made from, and that one's share; nil for
// none.
type from struct {
	snapshot *Snapshot
	kind     *Type
}

func (b *Service) source(c Caller, n NewShare) (*from, error) {
	if n.SnapshotID == nil {
		return nil, nil
	}
	snap := b.snapshots.Get(*n.SnapshotID)
	if snap == nil || !c.Admin && snap.Project != c.Project {
		return nil, Refuse(http.StatusNotFound, "ShareSnapshotNotFound: Snapshot %s could not be found.", *n.SnapshotID)
	}
	parent, err := b.share(Caller{Admin: true}, snap.ShareID)
	if err != nil {
		return nil, err
	}
	kind := FindType(parent.Type)
	if !kind.Snapshots {
		return nil, Bad("A new share may not be created from snapshot '%s', because the snapshot's parent share does not have that capability.", snap.ID)
	}
	if snap.Status != Available {
		return nil, Bad("Invalid share snapshot: status must be 'available'.")
	}
	return &from{snap, kind}, nil
}

func pickType(n NewShare, f *from) (*Type, error) {
	if n.Type == "" && f != nil {
		return f.kind, nil
	}
	kind := &Types()[0]
	if n.Type != "" {
		kind = FindType(n.Type)
	}
	switch {
	case kind == nil:
		return nil, Refuse(http.StatusNotFound, "Share type not found.")
	case kind.Servers && n.NetworkID == nil && f == nil:
		return nil, Bad("Share network must be set when the driver_handles_share_servers is true.")
	case f != nil && kind.ID != f.kind.ID:
		return nil, badInput("Invalid share type specified: the requested share type must match the type of the source share. " +
			"If a share type is not specified when requesting a new share from a snapshot, the share type of the source share will be applied to the new share.")
	}
	return kind, nil
}

func pickSize(asked int, f *from) (int, error) {
	if asked == 0 && f != nil {
		asked = f.snapshot.Size
	}
	if asked <= 0 {
		return 0, badInput("Share size '%d' must be an integer and greater than 0.", asked)
	}
	if f != nil && asked < f.snapshot.Size {
		return 0, badInput("Share size '%d' must be equal or greater than snapshot size.", asked)
	}
	return asked, nil
}
