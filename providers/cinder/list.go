package cinder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// List calls page for each page of this cluster's volumes.
//
// The filters of Cinder are trusted for speed only: what it returns is checked
// again, for an old cloud drops a filter it does not know and returns all
// volumes of the project. A query by name finds volumes by their name in the
// cloud, in one call. A volume that was adopted under another name carries it
// as fuxi:name, by which Cinder cannot look in the same call: it is found by
// listing everything, which the registry's refresh does.
//
// With ChangedSince a cloud below API 3.60 returns all volumes: more than asked
// for, never less. Cinder does not count a change of metadata as a change of
// the volume, so a mark set by another host may show only in a full list.
func (p *Provider) List(ctx context.Context, q volume.Query, page func([]volume.Volume) error) error {
	doing := "list volumes"
	if q.Name != "" {
		doing = fmt.Sprintf("list volumes named %q", q.Name)
	}
	query, version := p.filter(q)
	marker, seen := "", map[string]bool{}
	for {
		wire, more, err := p.page(ctx, doing, version, query)
		if err != nil && version == timeCompVersion && marker == "" && refusesTimeFilter(err) {
			p.noTimeFilter.Store(true)
			query, version = p.filter(q)
			continue
		}
		if err != nil {
			return err
		}
		if len(wire) > 0 {
			marker = string(wire[len(wire)-1].ID)
		}
		if err := page(p.matching(wire, q)); err != nil {
			return err
		}
		if !more || len(wire) == 0 {
			return nil
		}
		if seen[marker] {
			return p.nonsense(doing, "comes back to a page that was read before")
		}
		seen[marker] = true
		query.Set("marker", marker)
	}
}

// filter builds the query of the first page.
func (p *Provider) filter(q volume.Query) (url.Values, string) {
	query := url.Values{
		"limit":    {strconv.Itoa(p.cfg.PageSize)},
		"metadata": {"{'volume_from': " + pythonString(p.cfg.Cluster) + "}"},
	}
	if q.Name != "" {
		query.Set("name", q.Name)
	}
	if q.ChangedSince.IsZero() || p.noTimeFilter.Load() {
		return query, baseVersion
	}
	query.Set("updated_at", "gte:"+q.ChangedSince.UTC().Format("2006-01-02T15:04:05"))
	return query, timeCompVersion
}

// pythonString quotes for Cinder, which reads the metadata filter as a literal
// of Python.
func pythonString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// refusesTimeFilter: too old, or the operator's resource_filters leave it out.
func refusesTimeFilter(err error) bool {
	var missing *openstack.MissingFeature
	if errors.As(err, &missing) {
		return true
	}
	r := openstack.RefusalOf(err)
	return r != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Message, "updated_at")
}

// page reads one page and whether another follows.
func (p *Provider) page(ctx context.Context, doing, version string, query url.Values) ([]volumeJSON, bool, error) {
	var answer struct {
		Volumes *[]volumeJSON `json:"volumes"`
		Links   openstack.List[struct {
			Rel openstack.Text `json:"rel"`
		}] `json:"volumes_links"`
	}
	err := p.call(ctx, openstack.Call{
		Method: http.MethodGet, Path: "volumes/detail", Query: query, Microversion: version, Doing: doing,
	}, &answer)
	if errors.Is(err, volume.ErrNotFound) {
		// The volume that the marker names was deleted meanwhile. It says
		// nothing about any other.
		err = openstack.As(volume.ErrUnavailable, err)
	}
	if err != nil {
		return nil, false, err
	}
	if answer.Volumes == nil {
		return nil, false, p.nonsense(doing, "has no list of volumes")
	}
	for _, w := range *answer.Volumes {
		if w.ID == "" {
			return nil, false, p.nonsense(doing, "has a volume without an id")
		}
	}
	more := false
	for _, l := range answer.Links {
		more = more || l.Rel == "next"
	}
	return *answer.Volumes, more, nil
}

// matching keeps what the query means.
func (p *Provider) matching(wire []volumeJSON, q volume.Query) []volume.Volume {
	kept := make([]volume.Volume, 0, len(wire))
	for i := range wire {
		v := p.volume(&wire[i])
		if v.Marks.From != p.cfg.Cluster || q.Name != "" && v.Name != q.Name {
			continue
		}
		kept = append(kept, v)
	}
	return kept
}
