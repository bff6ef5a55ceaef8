package manila

import (
	"cmp"
	"strings"
	"unique"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// shareJSON is a share as GET /shares/detail shows it. There is no time of its
// last change.
type shareJSON struct {
	ID         openstack.Text  `json:"id"`
	Name       openstack.Text  `json:"name"`
	Size       openstack.Int   `json:"size"`
	Status     openstack.Text  `json:"status"`
	Proto      openstack.Text  `json:"share_proto"`
	TypeName   openstack.Text  `json:"share_type_name"`
	Zone       openstack.Text  `json:"availability_zone"`
	SnapshotID openstack.Text  `json:"snapshot_id"`
	CreatedAt  openstack.Time  `json:"created_at"`
	Metadata   openstack.Words `json:"metadata"`
	InBin      openstack.Flag  `json:"is_soft_deleted"` // since 2.69
}

// share converts what the cloud says. Words that many shares have in common are
// kept once.
func (p *Provider) share(w *shareJSON) volume.Volume {
	marks := volume.ParseMarks(w.Metadata)
	marks.From, marks.FSType = kept(marks.From), kept(marks.FSType)
	proto := kept(strings.ToUpper(string(w.Proto)))
	p.protocols.Store(string(w.ID), proto)
	return volume.Volume{
		Key:        volume.Key{Cloud: p.cfg.CloudName, Provider: Name, ID: string(w.ID)},
		Name:       cmp.Or(marks.Name, string(w.Name)),
		SizeGiB:    int(w.Size),
		Status:     kept(status(w)),
		Type:       kept(string(w.TypeName)),
		Zone:       kept(string(w.Zone)),
		SnapshotID: string(w.SnapshotID),
		Share:      proto,
		CreatedAt:  w.CreatedAt.Time,
		Marks:      marks,
		Metadata:   w.Metadata,
	}
}

// status is the cloud's own word, but where Cinder has another for the same
// state: whoever waits for a volume need not know both. A share in the recycle
// bin still calls itself available and lets nobody in.
func status(w *shareJSON) string {
	switch own := string(w.Status); {
	case bool(w.InBin), own == "deferred_deleting":
		return "deleting"
	case own == "error_deferred_deleting":
		return "error_deleting"
	case own == "creating_from_snapshot":
		return "creating"
	case own == "extending_error":
		return "error_extending"
	default:
		return own
	}
}

func kept(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
