package cinder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// createBody leaves out what is not set, so that the cloud's defaults hold.
type createBody struct {
	Name        string            `json:"name"`
	Size        int               `json:"size,omitempty"`
	Type        string            `json:"volume_type,omitempty"`
	Zone        string            `json:"availability_zone,omitempty"`
	SnapshotID  string            `json:"snapshot_id,omitempty"`
	SourceID    string            `json:"source_volid,omitempty"`
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Create sends one POST. It never sends multiattach, which Cinder takes from
// the type and has refused as a parameter since 2023. A type, zone or source
// that does not exist is ErrInvalid; Check tells which.
func (p *Provider) Create(ctx context.Context, req volume.NewVolume) (volume.Volume, error) {
	doing := fmt.Sprintf("create volume %q of %d GiB", req.Name, req.SizeGiB)
	if req.SizeGiB == 0 {
		doing = fmt.Sprintf("create volume %q from %s", req.Name, source(req))
	}
	body := map[string]createBody{"volume": {
		Name: req.Name, Size: req.SizeGiB, Type: req.Type, Zone: req.Zone, SnapshotID: req.SnapshotID,
		SourceID: req.SourceID, Description: req.Description, Metadata: req.Metadata,
	}}
	var answer struct {
		Volume volumeJSON `json:"volume"`
	}
	err := p.call(ctx, openstack.Call{Method: http.MethodPost, Path: "volumes", Body: body, Doing: doing}, &answer)
	if errors.Is(err, volume.ErrNotFound) {
		return volume.Volume{}, openstack.As(volume.ErrInvalid, err)
	}
	if err != nil {
		return volume.Volume{}, err
	}
	if answer.Volume.ID == "" {
		e := p.nonsense(doing, "has no id")
		e.Ambiguous = true
		return volume.Volume{}, e
	}
	return p.volume(&answer.Volume), nil
}

func source(req volume.NewVolume) string {
	if req.SnapshotID != "" {
		return "snapshot " + req.SnapshotID
	}
	return "volume " + req.SourceID
}

// Get reads one volume.
func (p *Provider) Get(ctx context.Context, id string) (volume.Volume, error) {
	if err := checkID("volume", id); err != nil {
		return volume.Volume{}, err
	}
	doing := "show volume " + id
	var answer struct {
		Volume volumeJSON `json:"volume"`
	}
	if err := p.get(ctx, doing, "volumes/"+id, nil, &answer); err != nil {
		return volume.Volume{}, err
	}
	if !strings.EqualFold(string(answer.Volume.ID), id) {
		return volume.Volume{}, p.nonsense(doing, fmt.Sprintf("is about volume %q", answer.Volume.ID))
	}
	return p.volume(&answer.Volume), nil
}

// Delete asks for deletion. Cinder refuses with 400 what is attached, has
// snapshots or is being deleted already; only after a refusal a second call
// finds out which.
func (p *Provider) Delete(ctx context.Context, id string) error {
	if err := checkID("volume", id); err != nil {
		return err
	}
	err := p.call(ctx, openstack.Call{Method: http.MethodDelete, Path: "volumes/" + id, Doing: "delete volume " + id}, nil)
	switch {
	case err == nil, errors.Is(err, volume.ErrNotFound):
		return nil
	case errors.Is(err, volume.ErrInvalid), errors.Is(err, volume.ErrConflict):
		return p.whyKept(ctx, id, err)
	}
	return err
}

// whyKept explains why the cloud did not delete a volume.
func (p *Provider) whyKept(ctx context.Context, id string, refused error) error {
	if r := openstack.RefusalOf(refused); r == nil || r.Status == http.StatusForbidden || r.Status == http.StatusNotAcceptable {
		return refused
	}
	v, err := p.Get(ctx, id)
	if errors.Is(err, volume.ErrNotFound) || err == nil && v.Status == "deleting" {
		return nil
	}
	inUse := openstack.As(volume.ErrInUse, refused)
	if err != nil || len(v.Attachments) == 0 {
		return inUse
	}
	return volume.Errorf(volume.ErrInUse, "%w: it is attached to %s", inUse, holders(v.Attachments))
}

// holders names who has a volume.
func holders(all []volume.Attachment) string {
	names := make([]string, 0, len(all))
	for _, a := range all {
		switch {
		case a.Holder != "":
			names = append(names, "host "+a.Holder)
		case a.Server != "":
			names = append(names, "server "+a.Server)
		default:
			names = append(names, "an unknown host (attachment "+a.ID+")")
		}
	}
	return strings.Join(names, ", ")
}
