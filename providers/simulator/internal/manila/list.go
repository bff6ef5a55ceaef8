package manila

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/python"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

const maxPage = 1000

func (a *API) listShares(c *call) (int, any, error) {
	return a.list(c, func(s *share.Share) any {
		return map[string]any{"id": s.ID, "name": s.Name, "links": links(c, "shares", s.ID)}
	})
}

func (a *API) detailShares(c *call) (int, any, error) {
	return a.list(c, func(s *share.Share) any { return a.viewShare(c, s) })
}

func (a *API) list(c *call, view func(*share.Share) any) (int, any, error) {
	query := c.r.URL.Query()
	limit, offset, err := pageOf(query)
	if err != nil {
		return 0, nil, err
	}
	keep, err := c.filter(query)
	if err != nil {
		return 0, nil, err
	}
	all := a.shares.Shares(keep)
	if err := sortShares(all, query); err != nil {
		return 0, nil, err
	}
	page := all
	if query.Has("limit") { // without it an offset is not looked at
		page = page[min(offset, len(page)):]
		page = page[:min(limit, len(page))]
	}
	views := []any{}
	for _, s := range page {
		views = append(views, view(s))
	}
	body := map[string]any{"shares": views}
	if limit == len(page) && limit > 0 && query.Has("limit") {
		body["shares_links"] = nextLink(c, "shares", page[len(page)-1].ID)
	}
	if c.version.has(withCount) && truth(query.Get("with_count")) {
		body["count"] = len(all)
	}
	return http.StatusOK, body, nil
}

func pageOf(query url.Values) (limit, offset int, err error) {
	limit = maxPage
	for _, p := range []struct {
		name string
		into *int
	}{{"offset", &offset}, {"limit", &limit}} {
		if !query.Has(p.name) {
			continue
		}
		if *p.into, err = strconv.Atoi(query.Get(p.name)); err != nil {
			return 0, 0, share.Bad("%s param must be an integer", p.name)
		}
	}
	if limit < 0 {
		return 0, 0, share.Bad("limit param must be positive")
	}
	if offset < 0 {
		return 0, 0, share.Bad("offset param must be positive")
	}
	return limit, offset, nil
}

// sortShares orders shares, newest first unless asked otherwise.
func sortShares(all []*share.Share, query url.Values) error {
	key, dir := "created_at", "desc"
	if query.Has("sort_key") {
		key = query.Get("sort_key")
	}
	if query.Has("sort_dir") {
		dir = query.Get("sort_dir")
	}
	if !slices.Contains([]string{"created_at", "id", "name", "size", "status"}, key) {
		return share.Bad("Invalid input received: Wrong sorting key provided - '%s'.", key)
	}
	if dir != "asc" && dir != "desc" {
		return share.Bad("Invalid input received: Wrong sorting data provided: sort key is '%s' and sort direction is '%s'.", key, dir)
	}
	slices.SortStableFunc(all, func(x, y *share.Share) int {
		order := compare(x, y, key)
		if dir == "desc" {
			return -order
		}
		return order
	})
	return nil
}

func compare(x, y *share.Share, key string) int {
	switch key {
	case "id":
		return strings.Compare(x.ID, y.ID)
	case "name":
		return strings.Compare(orEmpty(x.Name), orEmpty(y.Name))
	case "size":
		return x.Size - y.Size
	case "status":
		return strings.Compare(x.Status, y.Status)
	}
	return x.Created.Compare(y.Created)
}

// filter builds the condition of a list; unknown filters are ignored. The
// database behind Manila compares names without regard to case and to spaces at
// the end.
func (c *call) filter(query url.Values) (func(*share.Share) bool, error) {
	pairs := map[string]any{}
	if query.Has("metadata") {
		value, ok := python.Literal(query.Get("metadata"))
		if !ok {
			return nil, crashed()
		}
		if pairs, ok = value.(map[string]any); !ok {
			return nil, share.Bad("Invalid input received: Wrong metadata filter provided: %v.", value)
		}
	}
	name, status := query.Get("name"), query.Get("status")
	inBin := c.version.has(withRecycleBin) && truth(query.Get("is_soft_deleted"))
	everybody := c.caller.Admin && truth(query.Get("all_tenants"))
	return func(s *share.Share) bool {
		return (everybody || s.Project == c.caller.Project) && s.InBin == inBin &&
			(name == "" || strings.EqualFold(strings.TrimRight(orEmpty(s.Name), " "), strings.TrimRight(name, " "))) &&
			(status == "" || s.Status == status) && hasPairs(s.Metadata, pairs)
	}, nil
}

func hasPairs(m map[string]string, pairs map[string]any) bool {
	for key, want := range pairs {
		if has, ok := m[key]; !ok || has != want {
			return false
		}
	}
	return true
}
