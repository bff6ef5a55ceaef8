package cinder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// reserveBody has no instance_uuid. Cinder refuses an empty one, with one it
// asks Nova before the attachment may be deleted (CVE-2023-2088), and it lets
// the same instance reserve twice, which would break the cluster-wide lock
// that a reservation is.
type reserveBody struct {
	VolumeID string `json:"volume_uuid"`
	Mode     string `json:"mode,omitempty"`
}

// attachmentAnswer is what creating and updating an attachment return.
type attachmentAnswer struct {
	Attachment struct {
		attachmentJSON
		ConnectionInfo json.RawMessage `json:"connection_info"`
	} `json:"attachment"`
}

// Reserve creates an attachment without connector: Cinder changes the volume
// from available to reserved in one conditional update, so of two hosts one
// gets it. Nothing is exported yet.
func (p *Provider) Reserve(ctx context.Context, volumeID string, readOnly bool) (string, error) {
	if err := checkID("volume", volumeID); err != nil {
		return "", err
	}
	body, version := reserveBody{VolumeID: volumeID}, baseVersion
	if readOnly {
		body.Mode, version = connector.ReadOnly, modeVersion
	}
	doing := "reserve volume " + volumeID
	var answer attachmentAnswer
	err := p.call(ctx, openstack.Call{
		Method: http.MethodPost, Path: "attachments", Microversion: version, Doing: doing,
		Body: map[string]reserveBody{"attachment": body},
	}, &answer)
	if err != nil {
		return "", reserveError(err)
	}
	if answer.Attachment.ID == "" {
		e := p.nonsense(doing, "has no attachment id")
		e.Ambiguous = true
		return "", e
	}
	return string(answer.Attachment.ID), nil
}

// reserveError: a volume that is not available is refused with 400, whoever
// has it; one in an error status needs an operator and is nobody's.
func reserveError(err error) error {
	r := openstack.RefusalOf(err)
	if r == nil || r.Status != http.StatusBadRequest && r.Status != http.StatusConflict {
		return err
	}
	if strings.Contains(r.Message, "error state") {
		return openstack.As(volume.ErrConflict, err)
	}
	return openstack.As(volume.ErrInUse, err)
}

// Expose hands the whole connector to the attachment; the volume's driver picks
// what it needs and exports the volume to this host.
func (p *Provider) Expose(ctx context.Context, v volume.Volume, attachmentID string, host volume.HostIdentity) (connector.Connection, error) {
	if err := checkID("attachment", attachmentID); err != nil {
		return connector.Connection{}, err
	}
	doing := fmt.Sprintf("connect volume %s to host %s (attachment %s)", v.ID, host.Name, attachmentID)
	var answer attachmentAnswer
	err := p.call(ctx, openstack.Call{
		Method: http.MethodPut, Path: "attachments/" + attachmentID, Doing: doing,
		Body: map[string]any{"attachment": map[string]any{"connector": describeHost(host)}},
	}, &answer)
	if err != nil {
		return connector.Connection{}, exposeError(err)
	}
	if of := string(answer.Attachment.VolumeID); of != "" && !strings.EqualFold(of, v.ID) {
		return connector.Connection{}, volume.Errorf(volume.ErrUnsafe,
			"attachment %s belongs to volume %s, not to volume %s: nothing was connected; release it by its id", attachmentID, of, v.ID)
	}
	conn, err := parseConnection(answer.Attachment.ConnectionInfo)
	if err != nil {
		return connector.Connection{}, p.nonsense(doing, "is no connection: "+err.Error())
	}
	conn.VolumeID, conn.SizeGiB = v.ID, v.SizeGiB
	conn.Encrypted = conn.Encrypted || v.Encrypted
	// Cinder fills access_mode from the volume alone and leaves out what was
	// asked for at the reservation; that stands only in the row itself.
	if answer.Attachment.Mode == connector.ReadOnly {
		conn.Access = connector.ReadOnly
	}
	return conn, nil
}

// describeHost is the connector of Cinder's API.
func describeHost(host volume.HostIdentity) map[string]any {
	c := map[string]any{"os_type": "linux", "multipath": false, "do_local_attach": true}
	maps.Copy(c, host.Properties)
	c["host"] = host.Name
	c["mountpoint"] = holderPrefix + host.Name
	if host.IP != "" {
		c["ip"] = host.IP
	}
	return c
}

// exposeError: another host is connected to a volume that allows only one, or
// the volume is in an error status. Cinder says so with 500, as if it had failed
// half way, but before it changed anything.
func exposeError(err error) error {
	r := openstack.RefusalOf(err)
	if r == nil || r.Status != http.StatusInternalServerError && r.Status != http.StatusConflict {
		return err
	}
	switch {
	case strings.Contains(r.Message, "duplicate connectors"):
		return refused(volume.ErrInUse, err)
	case strings.Contains(r.Message, "error state"):
		return refused(volume.ErrConflict, err)
	}
	return err
}

// refused gives err another kind and takes from it the doubt whether the cloud
// did what it was asked for.
func refused(kind, err error) error {
	changed := openstack.As(kind, err)
	var e *volume.Error
	if errors.As(changed, &e) {
		e.Ambiguous = false
	}
	return changed
}

// Complete marks the attachment as attached and the volume as in-use.
func (p *Provider) Complete(ctx context.Context, attachmentID string) error {
	if err := checkID("attachment", attachmentID); err != nil {
		return err
	}
	return p.call(ctx, openstack.Call{
		Method: http.MethodPost, Path: "attachments/" + attachmentID + "/action",
		Body: map[string]any{"os-complete": map[string]any{}}, Doing: "complete attachment " + attachmentID,
	}, nil)
}

// Release deletes the attachment: the export to this host ends, and the
// volume is available when no other attachment is left. ErrInUse when Nova
// claims the attachment for a server.
func (p *Provider) Release(ctx context.Context, attachmentID string) error {
	if err := checkID("attachment", attachmentID); err != nil {
		return err
	}
	err := p.call(ctx, openstack.Call{
		Method: http.MethodDelete, Path: "attachments/" + attachmentID, Doing: "delete attachment " + attachmentID,
	}, nil)
	switch {
	case errors.Is(err, volume.ErrNotFound):
		return nil
	case errors.Is(err, volume.ErrConflict):
		return openstack.As(volume.ErrInUse, err)
	}
	return err
}

// Attachments reads all rows of one volume. Cinder shows here neither host nor
// mount point, so Holder is known only for the attached ones that Get shows.
func (p *Provider) Attachments(ctx context.Context, volumeID string) ([]volume.Attachment, error) {
	if err := checkID("volume", volumeID); err != nil {
		return nil, err
	}
	doing := "list the attachments of volume " + volumeID
	var answer struct {
		Attachments *[]attachmentJSON `json:"attachments"`
	}
	if err := p.get(ctx, doing, "attachments/detail", url.Values{"volume_id": {volumeID}}, &answer); err != nil {
		return nil, err
	}
	if answer.Attachments == nil {
		return nil, p.nonsense(doing, "has no list of attachments")
	}
	all := make([]volume.Attachment, 0, len(*answer.Attachments))
	for _, a := range *answer.Attachments {
		if !strings.EqualFold(string(a.VolumeID), volumeID) {
			continue
		}
		all = append(all, volume.Attachment{
			ID: string(a.ID), Status: string(a.Status), Server: string(a.Instance), UpdatedAt: a.AttachedAt.Time,
			Holder: holder(string(a.MountPoint), string(a.AttachedHost)),
		})
	}
	return all, nil
}
