package cinder

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// timeFormat is how Cinder writes times: UTC without saying so. The fraction is
// always zero, because the usual database keeps none.
const timeFormat = "2006-01-02T15:04:05.000000"

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type volumeSummary struct {
	ID    string  `json:"id"`
	Name  *string `json:"name"`
	Links []link  `json:"links"`
}

// volumeAttachment is an attachment as a volume shows it.
type volumeAttachment struct {
	ID           string  `json:"id"`
	AttachmentID string  `json:"attachment_id"`
	VolumeID     string  `json:"volume_id"`
	ServerID     *string `json:"server_id"`
	HostName     *string `json:"host_name"`
	Device       *string `json:"device"`
	AttachedAt   *string `json:"attached_at"`
}

// volumeDetail is a volume. Fields of type json.RawMessage are those that only
// some versions or roles see: absent when nil.
type volumeDetail struct {
	volumeSummary
	Status           string             `json:"status"`
	Size             int                `json:"size"`
	Zone             string             `json:"availability_zone"`
	Created          string             `json:"created_at"`
	Updated          *string            `json:"updated_at"`
	Description      *string            `json:"description"`
	Type             string             `json:"volume_type"`
	SnapshotID       *string            `json:"snapshot_id"`
	SourceID         *string            `json:"source_volid"`
	Metadata         map[string]string  `json:"metadata"`
	User             string             `json:"user_id"`
	Bootable         string             `json:"bootable"`
	Encrypted        bool               `json:"encrypted"`
	Replication      *string            `json:"replication_status"`
	ConsistencyGroup *string            `json:"consistencygroup_id"`
	Multiattach      bool               `json:"multiattach"`
	Attachments      []volumeAttachment `json:"attachments"`
	Project          string             `json:"os-vol-tenant-attr:tenant_id,omitempty"`
	Migration        json.RawMessage    `json:"migration_status,omitempty"`
	Host             string             `json:"os-vol-host-attr:host,omitempty"`
	MigrationAttr    json.RawMessage    `json:"os-vol-mig-status-attr:migstat,omitempty"`
	MigrationName    json.RawMessage    `json:"os-vol-mig-status-attr:name_id,omitempty"`
	GroupID          json.RawMessage    `json:"group_id,omitempty"`
	ProviderID       json.RawMessage    `json:"provider_id,omitempty"`
	SharedTargets    json.RawMessage    `json:"shared_targets,omitempty"`
	ServiceID        json.RawMessage    `json:"service_uuid,omitempty"`
	Cluster          json.RawMessage    `json:"cluster_name,omitempty"`
	TypeID           string             `json:"volume_type_id,omitempty"`
	ConsumesQuota    json.RawMessage    `json:"consumes_quota,omitempty"`
}

func (a *API) volumeSummary(c *call, v *block.Volume) volumeSummary {
	base, path := keystone.BaseURL(c.r), "/"+c.r.PathValue("project")+"/volumes/"+v.ID
	return volumeSummary{ID: v.ID, Name: v.Name, Links: []link{
		{Rel: "self", Href: base + "/v3" + path},
		{Rel: "bookmark", Href: base + path},
	}}
}

// volumeDetail is the view for a list and for one volume. The answers to a
// create and an update lack what Cinder's extensions add to the others.
func (a *API) volumeDetail(c *call, v *block.Volume) volumeDetail {
	d := a.volumeCore(c, v)
	d.Project = v.Project
	if c.caller.Admin {
		d.Host = block.Host
		d.MigrationAttr, d.MigrationName = null(), null()
	}
	return d
}

func (a *API) volumeCore(c *call, v *block.Volume) volumeDetail {
	d := volumeDetail{
		volumeSummary: a.volumeSummary(c, v),
		Status:        shownStatus(v), Size: v.Size, Zone: v.Zone,
		Created: v.Created.Format(timeFormat), Updated: moment(v.Updated),
		Description: v.Description, Type: v.Type, SnapshotID: v.SnapshotID, SourceID: v.SourceID,
		Metadata: visibleMetadata(v), User: v.User, Bootable: pythonBool(v.Bootable, strings.ToLower),
		Encrypted: v.Encrypted, Multiattach: v.Multiattach,
		Attachments: a.attachmentsSeen(c, v),
	}
	d.addVersioned(c, v)
	return d
}

// shownStatus: Cinder hides that a volume is taken over from elsewhere.
func shownStatus(v *block.Volume) string {
	switch v.Status {
	case "managing":
		return block.Creating
	case "error_managing":
		return block.Failed
	}
	return v.Status
}

// serviceID is the id of the back end's service.
const serviceID = "5d8a3c1e-0000-4000-8000-0000000000ff"

func (d *volumeDetail) addVersioned(c *call, v *block.Volume) {
	if c.caller.Admin {
		d.Migration = null()
	}
	if c.version.has(withGroupID) {
		d.GroupID = null()
	}
	if c.version.has(21) && c.caller.Admin {
		d.ProviderID = null()
	}
	if c.version.has(withSharedTargets) {
		d.SharedTargets, d.ServiceID = json.RawMessage("false"), json.RawMessage(`"`+serviceID+`"`)
	}
	if c.version.has(withClusterName) && c.caller.Admin {
		d.Cluster = null()
	}
	if c.version.has(withTypeID) {
		if kind := block.FindType(v.Type); kind != nil {
			d.TypeID = kind.ID
		}
	}
	if c.version.has(withConsumesQuota) {
		d.ConsumesQuota = json.RawMessage("true")
	}
}

func null() json.RawMessage { return json.RawMessage("null") }

// attachmentsSeen shows only what is attached; what is reserved or attaching is
// known to those who list attachments. The host's name is for administrators:
// others see the device, which is the connector's mount point.
func (a *API) attachmentsSeen(c *call, v *block.Volume) []volumeAttachment {
	seen := []volumeAttachment{}
	for _, x := range a.block.AttachmentsOf(v.ID) {
		if x.Status != block.Attached {
			continue
		}
		view := volumeAttachment{
			ID: v.ID, AttachmentID: x.ID, VolumeID: v.ID, ServerID: x.Instance,
			Device: x.Mountpoint, AttachedAt: moment(x.AttachedTime),
		}
		if c.caller.Admin {
			view.HostName = x.Host
		}
		seen = append(seen, view)
	}
	return seen
}

// visibleMetadata adds the read-only flag, which Cinder keeps elsewhere.
func visibleMetadata(v *block.Volume) map[string]string {
	if v.ReadOnly == nil && v.Metadata != nil {
		return v.Metadata
	}
	m := maps.Clone(v.Metadata)
	if m == nil {
		m = map[string]string{}
	}
	if v.ReadOnly != nil {
		m["readonly"] = pythonBool(*v.ReadOnly, nil)
	}
	return m
}

func pythonBool(is bool, change func(string) string) string {
	text := "False"
	if is {
		text = "True"
	}
	if change != nil {
		text = change(text)
	}
	return text
}

// moment is a time in the API's form, or null.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.Format(timeFormat)
	return &text
}
