package manila

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// metadataJSON is the body of all metadata calls, both ways.
type metadataJSON struct {
	Metadata openstack.Words `json:"metadata"`
}

// SetMarks merges what is to be set with one POST, then deletes what is to be
// unset, key by key. Replacing the whole would be one call, and is not made:
// Manila carries it out by deleting every key before it writes the new ones, so
// one that dies half way leaves a share without any mark of whose it is; and it
// refuses plain members a whole with the keys that belong to administrators.
func (p *Provider) SetMarks(ctx context.Context, id string, change volume.MarkChange) (map[string]string, error) {
	if err := errors.Join(checkID("share", id), checkMetadata(change.Set)); err != nil {
		return nil, err
	}
	known := change.Known
	if known == nil && (len(change.Unset) > 0 || len(change.Set) == 0) {
		read, err := p.readMetadata(ctx, id)
		if err != nil {
			return nil, err
		}
		known = read
	}
	after := map[string]string{}
	maps.Copy(after, known)
	if len(change.Set) > 0 {
		merged, err := p.mergeMetadata(ctx, id, change.Set)
		if err != nil {
			return nil, err
		}
		maps.Copy(after, merged)
	}
	for _, key := range change.Unset {
		if _, set := change.Set[key]; set {
			continue
		}
		if _, there := known[key]; there {
			if err := p.deleteMetadatum(ctx, id, key); err != nil {
				return nil, err
			}
		}
		delete(after, key)
	}
	return after, nil
}

func (p *Provider) readMetadata(ctx context.Context, id string) (map[string]string, error) {
	doing := "read the metadata of share " + id
	var answer metadataJSON
	if err := p.get(ctx, doing, "shares/"+id+"/metadata", nil, &answer); err != nil {
		return nil, err
	}
	if answer.Metadata == nil {
		return nil, p.nonsense(doing, "has no metadata")
	}
	return answer.Metadata, nil
}

// mergeMetadata checks in the answer, which shows the whole, that what was sent
// arrived: a mark that is believed and not there costs data.
func (p *Provider) mergeMetadata(ctx context.Context, id string, set map[string]string) (map[string]string, error) {
	doing := "set the metadata of share " + id
	var answer metadataJSON
	err := p.insist(ctx, func() error {
		return p.call(ctx, openstack.Call{
			Method: http.MethodPost, Path: "shares/" + id + "/metadata", Doing: doing, Body: map[string]any{"metadata": set},
		}, &answer)
	})
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if got, ok := answer.Metadata[key]; !ok || got != set[key] {
			e := p.nonsense(doing, "does not show "+key+" as it was set")
			e.Ambiguous = true
			return nil, e
		}
	}
	return answer.Metadata, nil
}

// deleteMetadatum: a key that is not there is refused in the same words as a
// share that is not.
func (p *Provider) deleteMetadatum(ctx context.Context, id, key string) error {
	err := p.insist(ctx, func() error {
		return p.call(ctx, openstack.Call{
			Method: http.MethodDelete, Path: "shares/" + id + "/metadata/" + url.PathEscape(key),
			Doing: "remove " + key + " from the metadata of share " + id,
		}, nil)
	})
	if !errors.Is(err, volume.ErrNotFound) {
		return err
	}
	_, err = p.readMetadata(ctx, id)
	return err
}
