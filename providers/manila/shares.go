package manila

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// createBody leaves out what is not set, so that the cloud's defaults hold. Size
// and protocol are required: Manila answers 500 when one is not there.
type createBody struct {
	Name        string            `json:"name"`
	Size        int               `json:"size"`
	Proto       string            `json:"share_proto"`
	Type        string            `json:"share_type,omitempty"`
	Network     string            `json:"share_network_id,omitempty"`
	Zone        string            `json:"availability_zone,omitempty"`
	SnapshotID  string            `json:"snapshot_id,omitempty"`
	Description string            `json:"description,omitempty"`
	IsPublic    bool              `json:"is_public,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Create sends one POST; for a share from a snapshot it reads the snapshot
// before, because size and protocol must be said and are the snapshot's. A type,
// zone, network or snapshot that does not exist is ErrInvalid; Check tells which.
func (p *Provider) Create(ctx context.Context, req volume.NewVolume) (volume.Volume, error) {
	if err := checkMetadata(req.Metadata); err != nil {
		return volume.Volume{}, err
	}
	body, err := p.asked(ctx, req)
	if err != nil {
		return volume.Volume{}, err
	}
	doing := fmt.Sprintf("create share %q of %d GiB", req.Name, body.Size)
	var answer struct {
		Share shareJSON `json:"share"`
	}
	err = p.call(ctx, openstack.Call{
		Method: http.MethodPost, Path: "shares", Body: map[string]createBody{"share": body}, Doing: doing,
	}, &answer)
	if errors.Is(err, volume.ErrNotFound) {
		return volume.Volume{}, openstack.As(volume.ErrInvalid, err)
	}
	if err != nil {
		return volume.Volume{}, err
	}
	if answer.Share.ID == "" {
		e := p.nonsense(doing, "has no id")
		e.Ambiguous = true
		return volume.Volume{}, e
	}
	return p.share(&answer.Share), nil
}

// asked is the request with the defaults in it.
func (p *Provider) asked(ctx context.Context, req volume.NewVolume) (createBody, error) {
	if req.SourceID != "" {
		return createBody{}, volume.Errorf(volume.ErrInvalid, "a share cannot be made from share %s itself; make a snapshot of it and give its id as snapshot_id", req.SourceID)
	}
	body := createBody{
		Name: req.Name, Size: req.SizeGiB, Proto: req.ShareProto, Type: req.Type, Network: req.ShareNetwork, Zone: req.Zone,
		SnapshotID: req.SnapshotID, Description: req.Description, IsPublic: req.IsPublic, Metadata: req.Metadata,
	}
	if req.SnapshotID != "" {
		return p.fromSnapshot(ctx, body)
	}
	if body.Proto == "" {
		body.Proto = p.cfg.ShareProto
	}
	if body.Type == "" {
		body.Type = p.cfg.ShareType
	}
	if body.Network == "" {
		body.Network = p.cfg.ShareNetwork
	}
	return body, nil
}

// fromSnapshot: a share made from a snapshot is of its share's type, protocol
// and network. Configured defaults are for new shares and are left out; what
// differs and was asked for is the cloud's to refuse.
func (p *Provider) fromSnapshot(ctx context.Context, body createBody) (createBody, error) {
	snap, err := p.snapshot(ctx, body.SnapshotID)
	if errors.Is(err, volume.ErrNotFound) {
		return body, openstack.As(volume.ErrInvalid, err)
	}
	if err != nil {
		return body, err
	}
	proto := strings.ToUpper(string(snap.Proto))
	if body.Proto != "" && body.Proto != p.cfg.ShareProto && body.Proto != proto {
		return body, volume.Errorf(volume.ErrInvalid, "snapshot %s is of protocol %s: a share made from it cannot have share_proto %s", body.SnapshotID, proto, body.Proto)
	}
	body.Proto = proto
	if body.Size == 0 {
		body.Size = int(snap.Size)
	}
	if body.Type == p.cfg.ShareType {
		body.Type = ""
	}
	if body.Network == p.cfg.ShareNetwork {
		body.Network = ""
	}
	return body, nil
}

// checkMetadata holds metadata against Manila's limits, which it enforces with
// messages that do not say which key is meant.
func checkMetadata(metadata map[string]string) error {
	for key, value := range metadata {
		switch keys, values := utf8.RuneCountInString(key), utf8.RuneCountInString(value); {
		case keys == 0 || keys > 255:
			return volume.Errorf(volume.ErrInvalid, "metadata key %.40q has %d characters: a share's have 1 to 255", key, keys)
		case values == 0:
			return volume.Errorf(volume.ErrInvalid, "metadata %s is empty, which shares do not allow: give it a value or leave it out", key)
		case values > 1023:
			return volume.Errorf(volume.ErrInvalid, "metadata %s has %d characters: a share's may have 1023", key, values)
		}
	}
	return nil
}

// Get reads one share.
func (p *Provider) Get(ctx context.Context, id string) (volume.Volume, error) {
	if err := checkID("share", id); err != nil {
		return volume.Volume{}, err
	}
	doing := "show share " + id
	var answer struct {
		Share shareJSON `json:"share"`
	}
	err := p.callIn(ctx, recycleVersion, openstack.Call{Method: http.MethodGet, Path: "shares/" + id, Doing: doing}, &answer)
	if err != nil {
		return volume.Volume{}, err
	}
	if !strings.EqualFold(string(answer.Share.ID), id) {
		return volume.Volume{}, p.nonsense(doing, fmt.Sprintf("is about share %q", answer.Share.ID))
	}
	return p.share(&answer.Share), nil
}

// Delete asks for deletion. Manila deletes a share that hosts have mounted
// without asking them: look at Attachments first. It refuses, with 403 or 409,
// what has snapshots or replicas, is locked, or is in a status that does not
// allow it; only after a refusal a second call finds out whether it is being
// deleted already.
func (p *Provider) Delete(ctx context.Context, id string) error {
	if err := checkID("share", id); err != nil {
		return err
	}
	err := p.call(ctx, openstack.Call{Method: http.MethodDelete, Path: "shares/" + id, Doing: "delete share " + id}, nil)
	r := openstack.RefusalOf(err)
	switch {
	case err == nil, errors.Is(err, volume.ErrNotFound):
		return nil
	case r == nil || r.Status != http.StatusForbidden && r.Status != http.StatusConflict && r.Status != http.StatusBadRequest:
		return err
	case r.Status == http.StatusForbidden && policyForbids(r):
		return err
	}
	v, lost := p.Get(ctx, id)
	if errors.Is(lost, volume.ErrNotFound) || lost == nil && v.Status == "deleting" {
		return nil
	}
	return volume.Errorf(volume.ErrInUse, "asking manila of cloud %q to delete share %s: %w", p.session.Name(), id, r)
}

// policyForbids tells a lacking role from what Manila also says with 403: that
// the share's state does not allow the request.
func policyForbids(r *openstack.Refusal) bool {
	return strings.Contains(r.Message, "Policy doesn't allow")
}
