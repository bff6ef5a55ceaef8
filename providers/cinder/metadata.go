package cinder

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// metadataJSON is the body of all metadata calls, both ways.
type metadataJSON struct {
	Metadata openstack.Words `json:"metadata"`
}

// SetMarks merges with one POST when nothing is to be removed. Removing
// replaces the whole with one PUT, since Cinder removes single keys only one
// by one and a crash in between would leave a mixture; what another host
// writes between the reading of Known and this call is lost, so only the host
// that has the volume attached may remove marks.
func (p *Provider) SetMarks(ctx context.Context, id string, change volume.MarkChange) (map[string]string, error) {
	if err := checkID("volume", id); err != nil {
		return nil, err
	}
	known, fresh := change.Known, false
	if known == nil && (len(change.Unset) > 0 || len(change.Set) == 0) {
		read, err := p.readMetadata(ctx, id)
		if err != nil {
			return nil, err
		}
		known, fresh = read, true
	}
	whole := map[string]string{}
	maps.Copy(whole, known)
	for _, key := range change.Unset {
		delete(whole, key)
	}
	maps.Copy(whole, change.Set)
	if fresh && maps.Equal(whole, known) || len(change.Set) == 0 && len(change.Unset) == 0 {
		return whole, nil
	}
	method, sent := http.MethodPut, whole
	if len(change.Unset) == 0 {
		method, sent = http.MethodPost, change.Set
	}
	return p.writeMetadata(ctx, id, method, sent, whole)
}

func (p *Provider) readMetadata(ctx context.Context, id string) (map[string]string, error) {
	doing := "read the metadata of volume " + id
	var answer metadataJSON
	if err := p.get(ctx, doing, "volumes/"+id+"/metadata", nil, &answer); err != nil {
		return nil, err
	}
	if answer.Metadata == nil {
		return nil, p.nonsense(doing, "has no metadata")
	}
	return answer.Metadata, nil
}

// writeMetadata sends metadata and checks in the answer that it arrived: a
// mark that is believed and not there costs data.
func (p *Provider) writeMetadata(ctx context.Context, id, method string, sent, expect map[string]string) (map[string]string, error) {
	doing := "set the metadata of volume " + id
	var answer metadataJSON
	err := p.call(ctx, openstack.Call{
		Method: method, Path: "volumes/" + id + "/metadata", Doing: doing,
		Body: map[string]any{"metadata": sent},
	}, &answer)
	if err != nil {
		return nil, metadataError(err)
	}
	for key, value := range sent {
		if got, ok := answer.Metadata[key]; !ok || got != value {
			e := p.nonsense(doing, "does not show "+key+" as it was set")
			e.Ambiguous = true
			return nil, e
		}
	}
	if method == http.MethodPut {
		return answer.Metadata, nil
	}
	after := maps.Clone(expect)
	maps.Copy(after, answer.Metadata)
	return after, nil
}

// metadataError: Cinder refuses metadata with 400 while a volume is uploaded
// or under maintenance, which passes, and with 413 a value that is too long,
// which does not.
func metadataError(err error) error {
	r := openstack.RefusalOf(err)
	switch {
	case r == nil:
	case r.Status == http.StatusRequestEntityTooLarge && !strings.Contains(strings.ToLower(r.Message), "quota"):
		return openstack.As(volume.ErrInvalid, err)
	case errors.Is(err, volume.ErrInvalid) && strings.Contains(r.Message, "not allowed for volumes in"):
		return openstack.As(volume.ErrConflict, err)
	}
	return err
}
