package block

import (
	"net/http"
	"time"

	"github.com/google/uuid"
)

// NewVolume is what a caller asks for. Size 0 means: not given.
type NewVolume struct {
	Name        *string
	Description *string
	Size        int // GiB
	Type        *string
	Zone        *string
	SnapshotID  *string
	SourceID    *string
	Metadata    map[string]string
}

// source is what a new volume is copied from, if anything.
type source struct {
	kind   string
	size   int
	typeID string
}

// CreateVolume records a new volume, which becomes available by itself.
func (b *Service) CreateVolume(c Caller, n NewVolume) (*Volume, error) {
	var made *Volume
	err := b.update(func() (err error) {
		made, err = b.newVolume(c, n)
		if err != nil {
			return err
		}
		b.volumes.Put(made.ID, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.settleVolume(made)
	return made, nil
}

func (b *Service) newVolume(c Caller, n NewVolume) (*Volume, error) {
	asked, err := askedType(n.Type)
	if err != nil {
		return nil, err
	}
	from, err := b.findSource(c, n)
	if err != nil {
		return nil, err
	}
	kind := from.pickType(asked)
	size, err := from.pickSize(n.Size)
	if err != nil {
		return nil, err
	}
	if n.Zone != nil && *n.Zone != Zone {
		return nil, Refuse(http.StatusBadRequest, "Availability zone '%s' is invalid.", *n.Zone)
	}
	if err := b.fits(c.Project, Usage{Volumes: 1, Gigabytes: size}); err != nil {
		return nil, err
	}
	v := &Volume{
		ID: uuid.NewString(), Name: n.Name, Description: n.Description,
		Project: c.Project, User: c.User, Size: size, Type: kind.Name, Zone: Zone,
		AttachStatus: Detached, Multiattach: kind.Multiattach, Encrypted: kind.Encrypted,
		SnapshotID: n.SnapshotID, SourceID: n.SourceID, Metadata: n.Metadata, Created: now(),
	}
	v.become(Creating, c)
	v.Updated = time.Time{}
	return v, nil
}

func askedType(key *string) (*Type, error) {
	if key == nil || *key == "" {
		return nil, nil
	}
	kind := FindType(*key)
	if kind == nil {
		if uuid.Validate(*key) == nil {
			return nil, Refuse(http.StatusNotFound, "Volume type %s could not be found.", *key)
		}
		return nil, Refuse(http.StatusNotFound, "Volume type with name %s could not be found.", *key)
	}
	return kind, nil
}

func (b *Service) findSource(c Caller, n NewVolume) (source, error) {
	if n.SnapshotID != nil {
		s, err := b.snapshot(c, *n.SnapshotID)
		if err != nil {
			return source{}, err
		}
		if s.Status != Available {
			return source{}, Refuse(http.StatusBadRequest,
				"Invalid snapshot: Originating snapshot status must be one of 'available' values")
		}
		return source{kind: "snapshot", size: s.Size, typeID: s.Type}, nil
	}
	if n.SourceID == nil {
		return source{}, nil
	}
	v, err := b.volume(c, *n.SourceID)
	if err != nil {
		return source{}, err
	}
	if v.Status != Available && v.Status != InUse {
		return source{}, invalidVolume(
			"Originating source volume status must be one of 'available, in-use' values")
	}
	return source{kind: "volume", size: v.Size, typeID: v.Type}, nil
}

func (s source) pickType(asked *Type) *Type {
	if asked != nil {
		return asked
	}
	if s.kind != "" {
		return FindType(s.typeID)
	}
	return &Types()[0]
}

// pickSize takes the source's size when none was asked for.
func (s source) pickSize(asked int) (int, error) {
	if asked == 0 {
		asked = s.size
	}
	if asked <= 0 {
		return 0, Refuse(http.StatusBadRequest,
			"The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	if asked >= s.size {
		return asked, nil
	}
	if s.kind == "snapshot" {
		return 0, InvalidInput("Volume size '%d'GB cannot be smaller than the snapshot size %dGB. "+
			"They must be >= original snapshot size.", asked, s.size)
	}
	return 0, InvalidInput("Volume size '%d'GB cannot be smaller than original volume size  %dGB. "+
		"They must be >= original volume size.", asked, s.size)
}
