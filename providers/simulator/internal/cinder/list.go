package cinder

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// volumeList is the answer to a list.
type volumeList struct {
	Volumes any    `json:"volumes"`
	Links   []link `json:"volumes_links,omitempty"`
	Count   *int   `json:"count,omitempty"`
}

func (a *API) listVolumes(c *call) (int, any, error) {
	return a.list(c, "", func(page []*block.Volume) any {
		return views(page, func(v *block.Volume) volumeSummary { return a.volumeSummary(c, v) })
	})
}

func (a *API) detailVolumes(c *call) (int, any, error) {
	return a.list(c, "/detail", func(page []*block.Volume) any {
		return views(page, func(v *block.Volume) volumeDetail { return a.volumeDetail(c, v) })
	})
}

func (a *API) list(c *call, suffix string, view func([]*block.Volume) any) (int, any, error) {
	query := c.r.URL.Query()
	p, err := takePage(query)
	if err != nil {
		return 0, nil, err
	}
	counting := false
	if c.version.has(withCount) && query.Has("with_count") {
		counting, _ = boolean(query.Get("with_count"))
		query.Del("with_count")
	}
	name, filters, err := c.volumeFilters(query)
	if err != nil {
		return 0, nil, err
	}
	everybody, _ := boolean(query.Get("all_tenants"))
	scope := block.List{AllTenants: everybody, Name: name}
	found, err := a.search(c, p, scope, filters)
	if err != nil {
		return 0, nil, err
	}
	list := volumeList{Volumes: view(found)}
	total := len(found)
	if counting {
		if total, err = a.count(c, scope, filters); err != nil {
			return 0, nil, err
		}
		list.Count = &total
	}
	if len(found) > 0 && p.limit <= max(total, len(found)) {
		list.Links = nextLink(c, "/volumes"+suffix, found[len(found)-1].ID)
	}
	return http.StatusOK, list, nil
}

// nextLink repeats the request's own parameters with a new marker. As in
// Cinder it is there whenever the page is full, so the last page may be empty;
// and with a count it is there even on the last page.
func nextLink(c *call, collection, marker string) []link {
	query := c.r.URL.Query()
	query.Set("marker", marker)
	href := keystone.BaseURL(c.r) + "/v3/" + c.r.PathValue("project") + collection
	return []link{{Rel: "next", Href: href + "?" + query.Encode()}}
}

// search returns one page. In order of age it reads on from the marker until
// the page is full; any other order has to sort what passes the filters.
func (a *API) search(c *call, p page, scope block.List, filters []keep) ([]*block.Volume, error) {
	if !p.byAge() {
		return a.searchSorted(c, p, scope, filters)
	}
	scope.Marker, scope.Newest = p.marker, p.sort[0].desc
	var found []*block.Volume
	skip := p.offset
	err := a.block.Each(c.caller, scope, func(v *block.Volume) bool {
		if len(found) == p.limit {
			return false
		}
		if passes(v, filters) {
			if skip--; skip < 0 {
				found = append(found, v)
			}
		}
		return true
	})
	return found, err
}

func (a *API) searchSorted(c *call, p page, scope block.List, filters []keep) ([]*block.Volume, error) {
	for _, k := range p.sort {
		if !sortable(k.key) {
			return nil, block.InvalidInput("Invalid sort key")
		}
	}
	var all []*block.Volume
	err := a.block.Each(c.caller, scope, func(v *block.Volume) bool {
		if passes(v, filters) {
			all = append(all, v)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y *block.Volume) int { return compareBy(p.sort, x, y) })
	if p.marker != "" {
		marker, err := a.block.Volume(c.caller, p.marker)
		if err != nil {
			return nil, err
		}
		i, found := slices.BinarySearchFunc(all, marker, func(x, y *block.Volume) int { return compareBy(p.sort, x, y) })
		if found {
			i++
		}
		all = all[i:]
	}
	all = all[min(p.offset, len(all)):]
	return all[:min(p.limit, len(all))], nil
}

func (a *API) count(c *call, scope block.List, filters []keep) (int, error) {
	n := 0
	err := a.block.Each(c.caller, scope, func(v *block.Volume) bool {
		if passes(v, filters) {
			n++
		}
		return true
	})
	return n, err
}

func passes(v *block.Volume, filters []keep) bool {
	for _, pass := range filters {
		if !pass(v) {
			return false
		}
	}
	return true
}

func sortable(key string) bool {
	if key == "created_at" || key == "updated_at" {
		return true
	}
	_, known := column(&block.Volume{}, key)
	return known
}

func compareBy(keys []sortKey, x, y *block.Volume) int {
	for _, k := range keys {
		order := compareKey(k.key, x, y)
		if k.desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func compareKey(key string, x, y *block.Volume) int {
	switch key {
	case "created_at":
		return x.Created.Compare(y.Created)
	case "updated_at":
		return x.Updated.Compare(y.Updated)
	case "size":
		return cmp.Compare(x.Size, y.Size)
	}
	left, _ := column(x, key)
	right, _ := column(y, key)
	return strings.Compare(left, right)
}

// summary totals the caller's volumes. Cinder looks at no filter here but
// all_tenants, whatever it says of others.
func (a *API) summary(c *call) (int, any, error) {
	if err := c.need(withSummary); err != nil {
		return 0, nil, err
	}
	everybody, _ := boolean(c.r.URL.Query().Get("all_tenants"))
	number, size, values := 0, 0, map[string]map[string]bool{}
	err := a.block.Each(c.caller, block.List{AllTenants: everybody}, func(v *block.Volume) bool {
		number++
		size += v.Size
		for key, value := range v.Metadata {
			if values[key] == nil {
				values[key] = map[string]bool{}
			}
			values[key][value] = true
		}
		return true
	})
	if err != nil {
		return 0, nil, err
	}
	view := map[string]any{"total_count": number, "total_size": size}
	if c.version.has(withSummaryMetadata) {
		distinct := map[string][]string{}
		for key, set := range values {
			distinct[key] = slices.Sorted(maps.Keys(set))
		}
		view["metadata"] = distinct
	}
	return http.StatusOK, one("volume-summary", view), nil
}
