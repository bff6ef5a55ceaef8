package block

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
)

// Expose gives an attachment's volume to the connector's host. The record
// before the change is returned with the new connection: that is what Cinder
// answers, so its status is not yet attaching.
func (b *Service) Expose(c Caller, id string, connector map[string]any) (*Attachment, error) {
	var shown *Attachment
	err := b.update(func() error {
		a, err := b.ownAttachment(c, id, "volume:attachment_update")
		if err != nil {
			return err
		}
		if _, ok := connector["host"].(string); !ok {
			// Cinder's lock on volume and host cannot be named without it.
			return Refuse(http.StatusInternalServerError, "Unable to update the attachment.")
		}
		v, err := b.exposable(a)
		if err != nil {
			return err
		}
		v = v.clone()
		updated, err := expose(v, a, connector, b.Path(v.ID), c)
		if err != nil {
			return err
		}
		old := *a
		old.Connection = updated.Connection
		shown = &old
		b.attachments.Put(id, updated)
		b.volumes.Put(v.ID, v)
		return nil
	})
	return shown, err
}

// exposable refuses a volume in an error state and a second connection to a
// volume that allows one.
func (b *Service) exposable(a *Attachment) (*Volume, error) {
	v := b.volumes.Get(a.VolumeID)
	if v.inError() {
		return nil, notUpdated("Volume attachments can not be updated if the volume is in an error state. "+
			"The Volume %s currently has a status of: %s ", v.ID, v.Status)
	}
	all := b.attachmentsOf(v.ID)
	connected := slices.ContainsFunc(all, func(a *Attachment) bool { return len(a.Connection) > 0 })
	if len(all) > 1 && !v.Multiattach && connected {
		return nil, notUpdated("duplicate connectors detected on volume %s", v.ID)
	}
	return v, nil
}

// expose makes the connection and moves volume (in place) and attachment (a new
// record) to attaching.
func expose(v *Volume, a *Attachment, connector map[string]any, path string, c Caller) (*Attachment, error) {
	next := *a
	next.Mode, _ = connector["mode"].(string)
	if a.Mode != ModeUnset {
		next.Mode = a.Mode
		connector = maps.Clone(connector)
		connector["mode"] = a.Mode
	}
	next.Mode = cmp.Or(next.Mode, "rw")
	next.Status, next.AttachedTime = Attaching, now()
	next.Connector = connector
	next.Connection = connection(v, a.ID, connector, path)
	next.Host, next.Mountpoint = text(connector, "host", ""), text(connector, "mountpoint", "na")
	v.become(Attaching, c)
	v.AttachStatus = Attaching
	return &next, nil
}

func text(connector map[string]any, key, fallback string) *string {
	if s, ok := connector[key].(string); ok {
		return &s
	}
	return &fallback
}

// connection is the connection information, flat as attachments have it.
func connection(v *Volume, attachmentID string, connector map[string]any, path string) map[string]any {
	access := "rw"
	if v.ReadOnly != nil && *v.ReadOnly {
		access = "ro"
	}
	multipath, _ := connector["enforce_multipath"].(bool)
	return map[string]any{
		"driver_volume_type": "local",
		"device_path":        path,
		"volume_id":          v.ID,
		"attachment_id":      attachmentID,
		"access_mode":        access,
		"encrypted":          v.Encrypted,
		"qos_specs":          nil,
		"cacheable":          false,
		"discard":            true,
		"enforce_multipath":  multipath,
	}
}
