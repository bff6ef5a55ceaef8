package cinder

import (
	"cmp"
	"strings"
	"unique"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// holderPrefix marks the mount-point field of our attachments. Cinder shows
// that field (as device) to every project member and the host name only to
// admins, so the field tells who holds a volume.
const holderPrefix = "fuxi:"

// volumeJSON is a volume as GET /volumes/detail shows it.
type volumeJSON struct {
	ID               openstack.Text                   `json:"id"`
	Name             openstack.Text                   `json:"name"`
	Size             openstack.Int                    `json:"size"`
	Status           openstack.Text                   `json:"status"`
	VolumeType       openstack.Text                   `json:"volume_type"`
	AvailabilityZone openstack.Text                   `json:"availability_zone"`
	SnapshotID       openstack.Text                   `json:"snapshot_id"`
	SourceVolID      openstack.Text                   `json:"source_volid"`
	Bootable         openstack.Flag                   `json:"bootable"`
	Encrypted        openstack.Flag                   `json:"encrypted"`
	Multiattach      openstack.Flag                   `json:"multiattach"`
	CreatedAt        openstack.Time                   `json:"created_at"`
	UpdatedAt        openstack.Time                   `json:"updated_at"`
	Metadata         openstack.Words                  `json:"metadata"`
	ImageMetadata    openstack.Words                  `json:"volume_image_metadata"`
	Attachments      openstack.List[volumeAttachment] `json:"attachments"`
}

// volumeAttachment is an attachment as a volume shows it; only attached ones
// are there.
type volumeAttachment struct {
	ID         openstack.Text `json:"attachment_id"`
	ServerID   openstack.Text `json:"server_id"`
	HostName   openstack.Text `json:"host_name"`
	Device     openstack.Text `json:"device"`
	AttachedAt openstack.Time `json:"attached_at"`
}

// attachmentJSON is an attachment as GET /attachments/detail shows it. Its
// connection_info carries secrets and is not read here.
type attachmentJSON struct {
	ID           openstack.Text `json:"id"`
	Status       openstack.Text `json:"status"`
	VolumeID     openstack.Text `json:"volume_id"`
	Instance     openstack.Text `json:"instance"`
	AttachedHost openstack.Text `json:"attached_host"` // newer or patched clouds
	MountPoint   openstack.Text `json:"mountpoint"`    // likewise
	AttachedAt   openstack.Time `json:"attached_at"`
	Mode         openstack.Text `json:"attach_mode"`
}

// volume converts what the cloud says. Words that many volumes share are kept
// once, for a registry of ten thousand of them.
func (p *Provider) volume(w *volumeJSON) volume.Volume {
	marks := volume.ParseMarks(w.Metadata)
	marks.From, marks.FSType = shared(marks.From), shared(marks.FSType)
	v := volume.Volume{
		Key:         volume.Key{Cloud: p.cfg.CloudName, Provider: Name, ID: string(w.ID)},
		Name:        cmp.Or(marks.Name, string(w.Name)),
		SizeGiB:     int(w.Size),
		Status:      shared(string(w.Status)),
		Type:        shared(string(w.VolumeType)),
		Zone:        shared(string(w.AvailabilityZone)),
		SnapshotID:  string(w.SnapshotID),
		SourceID:    string(w.SourceVolID),
		FromImage:   bool(w.Bootable) || len(w.ImageMetadata) > 0,
		Multiattach: bool(w.Multiattach),
		Encrypted:   bool(w.Encrypted),
		CreatedAt:   w.CreatedAt.Time,
		UpdatedAt:   w.UpdatedAt.Time,
		Marks:       marks,
		Metadata:    w.Metadata,
	}
	for _, a := range w.Attachments {
		v.Attachments = append(v.Attachments, volume.Attachment{
			ID: string(a.ID), Status: "attached", Server: string(a.ServerID), UpdatedAt: a.AttachedAt.Time,
			Holder: holder(string(a.Device), string(a.HostName)),
		})
	}
	return v
}

// holder prefers what fuxi itself wrote to what only admins see.
func holder(mountPoint, hostName string) string {
	if host, ok := strings.CutPrefix(mountPoint, holderPrefix); ok && host != "" {
		return shared(host)
	}
	return shared(hostName)
}

func shared(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
