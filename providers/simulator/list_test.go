package simulator_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

func names(r reply) []string {
	var all []string
	list, _ := r.Body["volumes"].([]any)
	for _, v := range list {
		name, _ := v.(object)["name"].(string)
		all = append(all, name)
	}
	return all
}

func next(r reply) string {
	links, _ := r.Body["volumes_links"].([]any)
	if len(links) == 0 {
		return ""
	}
	return links[0].(object)["href"].(string)
}

// walk follows the links from one page to the next.
func (u *user) walk(path string) (all []string, pages int) {
	u.t.Helper()
	for ; path != ""; pages++ {
		r := u.want(200, "GET", path, nil)
		all = append(all, names(r)...)
		path = next(r)
	}
	return all, pages
}

func TestWalk(t *testing.T) {
	u := start(t, "", simulator.Options{Seed: 25}).login("sim")
	for _, sort := range []string{"created_at:asc,id:asc", "created_at:asc", "name:asc", "name:desc,id:asc", "created_at:desc", "size:asc"} {
		all, pages := u.walk("/volumes/detail?limit=7&sort=" + url.QueryEscape(sort))
		unique := slices.Compact(slices.Sorted(slices.Values(all)))
		if len(all) != 25 || len(unique) != 25 || pages != 4 {
			t.Errorf("%s: %d volumes, %d of them different, in %d pages", sort, len(all), len(unique), pages)
		}
		oldestFirst := slices.IsSorted(all)
		if want := strings.Contains(sort, ":asc") && !strings.Contains(sort, "desc"); oldestFirst != want {
			t.Errorf("%s: %v", sort, all)
		}
	}
	if all, _ := u.walk("/volumes?limit=5"); all[0] != "seed-000025" || len(all) != 25 {
		t.Errorf("without a sort the newest comes first: %v", all)
	}
	if all, pages := u.walk("/volumes/detail?limit=2&name=seed-000007&status=available"); len(all) != 1 || pages != 1 {
		t.Errorf("name: %v in %d pages", all, pages)
	}
	if r := u.want(200, "GET", "/volumes?limit=5&sort_key=name&sort_dir=asc&offset=20", nil); names(r)[0] != "seed-000021" {
		t.Errorf("offset: %v", names(r))
	}
	if all, _ := u.walk("/volumes?limit=5&offset=20"); len(all) == 0 {
		t.Error("offset of a walk")
	}
}

func TestListParameters(t *testing.T) {
	u := start(t, "", simulator.Options{Seed: 3}).login("sim")
	for query, status := range map[string]int{
		"limit=0": 200, "limit=-1": 400, "limit=x": 400, "offset=-1": 400, "offset=x": 400,
		"sort=name:up": 400, "sort=colour": 400, "sort=name&sort_key=name": 400,
		"marker=" + nowhere[9:]: 404, "colour=red": 400, "all_tenants=1": 200, "bootable=maybe": 400,
		"created_at=x:2026-01-01T00:00:00": 400, "updated_at=gt:never": 400,
	} {
		if r := u.do("GET", "/volumes?"+query, nil); r.Status != status {
			t.Errorf("%s: %d %s; want %d", query, r.Status, r.Raw, status)
		}
	}
	if r := u.want(200, "GET", "/volumes?limit=0", nil); len(names(r)) != 0 || next(r) != "" {
		t.Errorf("limit 0: %s", r.Raw)
	}
	if r := u.want(200, "GET", "/volumes?with_count=true&limit=1", nil); r.Body["count"] != 3.0 {
		t.Errorf("count: %s", r.Raw)
	}
	if r := u.at("3.30").want(200, "GET", "/volumes?colour=red", nil); len(names(r)) != 3 {
		t.Errorf("before 3.31 an unknown filter is ignored: %v", names(r))
	}
	if r := u.want(200, "GET", "/volumes/summary", nil); r.at("volume-summary", "total_count") != 3.0 ||
		r.at("volume-summary", "metadata", "fstype").([]any)[0] != "ext4" {
		t.Errorf("summary: %s", r.Raw)
	}
}

func TestFilters(t *testing.T) {
	s := start(t, "", simulator.Options{})
	u := s.login("sim")
	ids := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		ids[name] = u.create(object{"name": name, "metadata": object{"is": name, "all": "it's"}})
	}
	u.create(object{"name": "b", "size": 2})
	s.force(ids["a"], object{"status": "error", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"})
	for query, want := range map[string]string{
		"name=b":                                "b b",
		"name=B":                                "",
		"status=error":                          "a",
		"status=['error','available']&name=a":   "a",
		"size=2":                                "b",
		"size=1&name=b":                         "b",
		"metadata={'is':'c'}":                   "c",
		`metadata={"is": "b", 'all': "it's"}`:   "b",
		`metadata={'all': 'it\'s', 'is': u'a'}`: "a",
		"metadata={'is':'c','all':'x'}":         "",
		"metadata=c":                            "",
		"bootable=true":                         "",
		"created_at=lt:2026-01-01T00:00:01":     "a",
		"created_at=eq:2026-01-01T00:00:00Z":    "a",
		"created_at=neq:2026-01-01T00:00:00":    "b b c",
		"updated_at=gt:2026-01-02T00:00:00,lt:2020-01-01T00:00:00": "b b c",
		"updated_at=lte:2026-01-02T01:00:00+01:00":                 "a",
		"updated_at=gt:2026-01-02T00:00:00":                        "b b c",
		"created_at=gt:2100-01-01T00:00:00,lt:2026-01-02T00:00:00": "a",
		"availability_zone=nova&status=error":                      "a",
	} {
		r := u.do("GET", "/volumes/detail?"+escape(query), nil)
		got := names(r)
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %d %s; want %q", query, got, r.Status, r.Raw, want)
		}
	}
	if r := u.at("3.59").want(200, "GET", "/volumes?created_at=lt:2026-01-01T00:00:01", nil); len(names(r)) != 4 {
		t.Errorf("time filters come with 3.60: %v", names(r))
	}
}

func escape(query string) string {
	var out []string
	for _, pair := range strings.Split(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		out = append(out, key+"="+url.QueryEscape(value))
	}
	return strings.Join(out, "&")
}

// TestManyVolumes measures what ten thousand volumes cost. The bounds are
// generous: they catch work that grows with the number, not a slow machine.
func TestManyVolumes(t *testing.T) {
	const number = 10000
	dir := t.TempDir()
	began := time.Now()
	s := start(t, dir, simulator.Options{Seed: number})
	seeding := time.Since(began)
	u := s.login("sim")
	began = time.Now()
	all, pages := u.walk("/volumes/detail?sort=created_at:asc,id:asc")
	walking := time.Since(began)
	if len(all) != number || pages != number/1000+1 {
		t.Errorf("walked over %d volumes in %d pages", len(all), pages)
	}
	began = time.Now()
	for range 100 {
		if r := u.want(200, "GET", "/volumes/detail?name=seed-005000", nil); len(names(r)) != 1 {
			t.Fatal("a seed was not found by its name")
		}
	}
	naming := time.Since(began) / 100
	began = time.Now()
	u.attach(u.create(object{}), "h1")
	attaching := time.Since(began)
	t.Logf("%d volumes: seeded %v, walked in %v, one by name %v, create and attach %v", number, seeding, walking, naming, attaching)
	volume := u.want(200, "GET", "/volumes/detail?name=seed-009999", nil).Body["volumes"].([]any)[0].(object)
	id := u.reserve(volume["id"].(string))
	u.want(200, "PUT", "/attachments/"+id, connector("h1"))
	if u.diskSize(volume["id"].(string)) != 1<<30 {
		t.Error("a seed's disk must be there for its host")
	}
}
