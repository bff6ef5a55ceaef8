package cinder

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// maxPage is the most items one answer lists.
const maxPage = 1000

// page is the part of a query that says where to begin, how much to show and in
// what order.
type page struct {
	limit  int
	offset int
	marker string
	sort   []sortKey
}

type sortKey struct {
	key  string
	desc bool
}

// takePage takes the paging parameters out of a query, so that filters are what
// remains.
func takePage(query url.Values) (page, error) {
	p := page{limit: maxPage, marker: query.Get("marker")}
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil {
			return p, block.Refuse(http.StatusBadRequest, "limit param must be an integer")
		}
		if n < 0 {
			return p, block.Refuse(http.StatusBadRequest, "limit param must be positive")
		}
		p.limit = min(n, maxPage)
	}
	if query.Has("offset") {
		n, err := strconv.Atoi(query.Get("offset"))
		if err != nil {
			return p, block.Refuse(http.StatusBadRequest, "offset must be an integer")
		}
		if n < 0 {
			return p, block.Refuse(http.StatusBadRequest, "offset must be >= 0")
		}
		p.offset = n
	}
	var err error
	p.sort, err = takeSort(query)
	for _, key := range []string{"limit", "offset", "marker", "sort", "sort_key", "sort_dir"} {
		query.Del(key)
	}
	return p, err
}

func takeSort(query url.Values) ([]sortKey, error) {
	if query.Has("sort") && (query.Has("sort_key") || query.Has("sort_dir")) {
		return nil, block.Refuse(http.StatusBadRequest, "The 'sort_key' and 'sort_dir' parameters are "+
			"deprecated and cannot be used with the 'sort' parameter.")
	}
	asked := "created_at"
	if query.Has("sort_key") {
		asked = query.Get("sort_key")
	}
	if query.Has("sort_dir") {
		asked += ":" + query.Get("sort_dir")
	}
	if query.Has("sort") {
		asked = query.Get("sort")
	}
	var keys []sortKey
	for _, part := range strings.Split(strings.TrimSpace(asked), ",") {
		key, dir, _ := strings.Cut(part, ":")
		dir = strings.TrimSpace(dir)
		if dir != "" && dir != "asc" && dir != "desc" {
			return nil, block.InvalidInput("Unknown sort direction, must be 'desc' or 'asc'.")
		}
		keys = append(keys, sortKey{key: strings.TrimSpace(key), desc: dir != "asc"})
	}
	return withDefaults(keys), nil
}

// withDefaults adds the keys that make any order total, in the direction of the
// first.
func withDefaults(keys []sortKey) []sortKey {
	for _, key := range []string{"created_at", "id"} {
		if !slices.ContainsFunc(keys, func(k sortKey) bool { return k.key == key }) {
			keys = append(keys, sortKey{key: key, desc: keys[0].desc})
		}
	}
	return keys
}

// byAge tells whether the order is the one volumes are kept in, one way or the
// other.
func (p page) byAge() bool {
	return p.sort[0].key == "created_at" && p.sort[1].key == "id" && p.sort[0].desc == p.sort[1].desc
}

// cut takes the page out of a sorted list. A marker that is not in the list ends
// it, unless known refuses the marker altogether.
func cut[T any](list []T, p page, id func(T) string, known func(id string) error) ([]T, error) {
	if p.marker != "" {
		if err := known(p.marker); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(x T) bool { return id(x) == p.marker })
		if i < 0 {
			return nil, nil
		}
		list = list[i+1:]
	}
	list = list[min(p.offset, len(list)):]
	return list[:min(p.limit, len(list))], nil
}

// dropFilters leaves only the filters allowed. An old version ignores the
// others, a newer one refuses them; an administrator may use any, and those that
// mean nothing here are ignored.
func (c *call) dropFilters(query url.Values, allowed ...string) error {
	var bad []string
	for key := range query {
		if slices.Contains(allowed, key) || key == "all_tenants" && c.caller.Admin {
			continue
		}
		query.Del(key)
		if key != "all_tenants" {
			bad = append(bad, key)
		}
	}
	if len(bad) > 0 && c.version.has(withFilterRefusal) && !c.caller.Admin {
		slices.Sort(bad)
		return block.Refuse(http.StatusBadRequest,
			"Invalid filters %s are found in query options.", strings.Join(bad, ","))
	}
	return nil
}
