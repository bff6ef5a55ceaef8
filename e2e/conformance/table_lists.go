package conformance

import (
	"net/url"
	"time"
)

// tick is more than the second that times in answers count.
const tick = 1100 * time.Millisecond

func q(text string) string { return url.QueryEscape(text) }

func count(n int) map[string]any { return map[string]any{"volumes.#": n} }

// lists are the lists that fuxi reads.
func lists() Story {
	return story("lists", newVolume("v1", `,"metadata":{"volume_from":"list's","fuxi:v":"1"}`), []Case{
		{Name: "when the first was made", Do: "GET /volumes/<v1>", Status: 200, Keep: map[string]string{"t1": "volume.created_at"}},
		{Name: "pause", After: tick, Do: "GET /volumes/<v1>", Status: 200},
	}, newVolume("v2", `,"metadata":{"volume_from":"list's"}`), []Case{
		{Name: "short", Do: "GET /volumes?name=<name>", Status: 200, Want: count(2)},
		{Name: "long", Do: "GET /volumes/detail?name=<name>", Status: 200,
			Want: map[string]any{"volumes.#": 2, "volumes.0.id": "<v2>", "volumes.1.id": "<v1>", "volumes_links": "absent"}},
		{Name: "long to an administrator", As: admin, Do: "GET /volumes/detail?all_tenants=1&name=<name>&project_id=<member.projectid>",
			Status: 200, Want: count(2)},
		{Name: "all_tenants of a member", Do: "GET /volumes?name=<name>&all_tenants=1", Status: 200, Want: count(2)},
		{Name: "name is exact", Do: "GET /volumes?name=<name>-", Status: 200, Want: count(0)},
		{Name: "metadata", Do: "GET /volumes/detail?metadata=" + q(`{'volume_from': 'list\'s'}`), Status: 200, Want: count(2)},
		{Name: "metadata and name", Status: 200, Want: count(2),
			Do: "GET /volumes/detail?name=<name>&metadata=" + q(`{'volume_from': 'list\'s'}`)},
		{Name: "all pairs of metadata", Status: 200, Want: count(1),
			Do: "GET /volumes/detail?metadata=" + q(`{'volume_from': 'list\'s', 'fuxi:v': '1'}`)},
		{Name: "metadata as JSON", Do: "GET /volumes/detail?metadata=" + q(`{"volume_from": "list's"}`), Status: 200, Want: count(2)},
		{Name: "metadata of none", Do: "GET /volumes/detail?metadata=" + q(`{'volume_from': 'x'}`), Status: 200, Want: count(0)},
		{Name: "changed since the first", Version: "3.60", Status: 200, Want: map[string]any{"volumes.#": 2},
			Do: "GET /volumes/detail?name=<name>&updated_at=gte:<t1>"},
		{Name: "order by age", Do: "GET /volumes?name=<name>&sort=created_at:asc", Status: 200, Want: map[string]any{"volumes.0.id": "<v1>"}},
		{Name: "order by age, old way", Do: "GET /volumes?name=<name>&sort_key=created_at&sort_dir=asc", Status: 200,
			Want: map[string]any{"volumes.0.id": "<v1>"}},
		{Name: "with a count", Version: "3.45", Do: "GET /volumes?name=<name>&limit=1&with_count=true", Status: 200,
			Want: map[string]any{"volumes.#": 1, "count": 2}},
		{Name: "by status", Do: "GET /volumes?name=<name>&status=available", Status: 200, Want: count(2)},
		{Name: "by id is no filter", Do: "GET /volumes?name=<name>&id=<v1>", Status: 400},
	})
}

// filters are those that a cloud refuses or ignores.
func filters() Story {
	return story("filters", []Case{
		{Name: "unknown filter, ignored", Version: "3.30", Do: "GET /volumes?colour=red&name=<name>", Status: 200, Want: count(0)},
		{Name: "unknown filter, refused", Version: "3.31", Do: "GET /volumes?colour=red", Status: 400, Says: "colour"},
		{Name: "two unknown filters", Do: "GET /volumes?colour=red&taste=sour", Status: 400, Says: "colour"},
		{Name: "time before 3.60", Version: "3.59", Do: "GET /volumes?name=<name>&updated_at=" + q("gte:2026-01-01T00:00:00"), Status: 200},
		{Name: "time in the future", Version: "3.60", Do: "GET /volumes/detail?updated_at=" + q("gte:2199-01-01T00:00:00"),
			Status: 200, Want: count(0)},
		{Name: "time operator", Version: "3.60", Do: "GET /volumes?updated_at=" + q("since:2026-01-01T00:00:00"), Status: 400},
		{Name: "time without operator", Version: "3.60", Do: "GET /volumes?updated_at=" + q("2026-01-01T00:00:00"), Status: 400},
		{Name: "malformed time", Version: "3.60", Do: "GET /volumes?updated_at=" + q("gte:yesterday"), Status: 400},
		{Name: "metadata that is no dictionary", Do: "GET /volumes?metadata=x", Status: 200, Want: count(0)},
		{Name: "attachment filter", Do: "GET /attachments?colour=red", Status: 400, Says: "colour"},
		{Name: "snapshot filter", Do: "GET /snapshots?colour=red", Status: 400, Says: "colour"},
	})
}

// pages are limits, markers and links.
func pages() Story {
	return story("pages", newVolume("v1", ""), newVolume("v2", ""), []Case{
		{Name: "first", Do: "GET /volumes/detail?name=<name>&limit=1", Status: 200,
			Want: map[string]any{"volumes.#": 1, "volumes_links.#": 1, "volumes_links.0.rel": "next"},
			Keep: map[string]string{"first": "volumes.0.id", "next": "volumes_links.0.href"}},
		{Name: "second", Do: "GET /volumes/detail?name=<name>&limit=1&marker=<first>", Status: 200,
			Want: map[string]any{"volumes.#": 1, "volumes.0.id": "!<first>", "volumes_links.#": 1},
			Keep: map[string]string{"second": "volumes.0.id"}},
		{Name: "after the last", Do: "GET /volumes/detail?name=<name>&limit=1&marker=<second>", Status: 200,
			Want: map[string]any{"volumes.#": 0, "volumes_links": "absent"}},
		{Name: "room for more", Do: "GET /volumes/detail?name=<name>&limit=3", Status: 200,
			Want: map[string]any{"volumes.#": 2, "volumes_links": "absent"}},
		{Name: "just full", Do: "GET /volumes?name=<name>&limit=2", Status: 200, Want: map[string]any{"volumes.#": 2, "volumes_links.#": 1}},
		{Name: "offset", Do: "GET /volumes?name=<name>&offset=1", Status: 200, Want: map[string]any{"volumes.#": 1, "volumes.0.id": "<second>"}},
		{Name: "nothing", Do: "GET /volumes?limit=0", Status: 200, Want: map[string]any{"volumes.#": 0, "volumes_links": "absent"}},
		{Name: "more than the cloud's limit", Do: "GET /volumes?name=<name>&limit=5000", Status: 200, Want: count(2)},
		{Name: "unknown marker", Do: "GET /volumes?marker=<nowhere>", Status: 404, Says: "could not be found"},
		{Name: "malformed marker", Do: "GET /volumes?marker=x", Status: 404},
		{Name: "negative limit", Do: "GET /volumes?limit=-1", Status: 400},
		{Name: "malformed limit", Do: "GET /volumes?limit=x", Status: 400},
		{Name: "negative offset", Do: "GET /volumes?offset=-1", Status: 400},
		{Name: "malformed offset", Do: "GET /volumes?offset=x", Status: 400},
		{Name: "sort key", Do: "GET /volumes?sort=colour:asc", Status: 400},
		{Name: "sort direction", Do: "GET /volumes?sort=created_at:up", Status: 400},
		{Name: "two ways to sort", Do: "GET /volumes?sort=created_at:asc&sort_key=created_at", Status: 400},
		{Name: "delete a marker", Do: "DELETE /volumes/<first>", Status: 202},
		{Name: "a deleted marker", Do: "GET /volumes/detail?name=<name>&limit=1&marker=<first>", Status: 404, Wait: true},
	})
}

// surroundings are types and zones.
func surroundings() Story {
	specs := []string{"volume_types[].extra_specs", "volume_type.extra_specs"}
	return story("surroundings", []Case{
		{Name: "types", Do: "GET /types", Status: 200, Partial: specs, Want: map[string]any{"volume_types.0.is_public": true}},
		{Name: "types to an administrator", As: admin, Do: "GET /types", Status: 200,
			Partial: append(specs, "volume_types[]")},
		{Name: "default type", Do: "GET /types/default", Status: 200, Partial: specs,
			Want: map[string]any{"volume_type.id": "*"}, Keep: map[string]string{"t": "volume_type.id"}},
		{Name: "type by id", Do: "GET /types/<t>", Status: 200, Partial: specs},
		{Name: "type by name", Do: "GET /types/<type>", Status: 404},
		{Name: "type that allows several attachments", Do: "GET /types", Status: 200, Partial: specs},
		{Name: "no such type", Do: "GET /types/<nowhere>", Status: 404},
		{Name: "zones", Do: "GET /os-availability-zone", Status: 200,
			Want: map[string]any{"availabilityZoneInfo.0.zoneName": "<zone>", "availabilityZoneInfo.0.zoneState.available": true}},
	})
}

// quotas belong to the other project, where nothing else happens.
func quotas() Story {
	every := []string{"limits.absolute", "quota_set"}
	return story("quotas", []Case{
		{Name: "set", As: admin, Do: "PUT /os-quota-sets/<other.projectid>", Status: 200, Partial: every,
			Body: `{"quota_set":{"volumes":1,"gigabytes":2}}`, Want: map[string]any{"quota_set.volumes": 1}},
		{Name: "limits", As: other, Do: "GET /limits", Status: 200, Partial: every,
			Want: map[string]any{"limits.absolute.maxTotalVolumes": 1, "limits.absolute.maxTotalVolumeGigabytes": 2}},
		{Name: "own quota", As: other, Do: "GET /os-quota-sets/<other.projectid>", Status: 200, Partial: every},
		{Name: "own quota with its use", As: other, Do: "GET /os-quota-sets/<other.projectid>?usage=true", Status: 200, Partial: every,
			Want: map[string]any{"quota_set.volumes.limit": 1}},
		{Name: "quota of somebody else", As: other, Do: "GET /os-quota-sets/<member.projectid>", Status: 403},
		{Name: "a member sets none", As: other, Do: "PUT /os-quota-sets/<other.projectid>", Status: 403,
			Body: `{"quota_set":{"volumes":100}}`},
		{Name: "too large", As: other, Do: "POST /volumes", Status: 413, Says: "VolumeSizeExceedsAvailableQuota",
			Body: `{"volume":{"size":3,"volume_type":"<type>"}}`, Header: map[string]string{"Retry-After": "0"}},
		{Name: "the only one", As: other, Do: "POST /volumes", Status: 202, Keep: map[string]string{"v": "volume.id"},
			Body: `{"volume":{"size":1,"volume_type":"<type>"}}`},
		{Name: "it becomes available", As: other, Do: "GET /volumes/<v>", Status: 200, Want: is("available"), Wait: true},
		{Name: "one too many", As: other, Do: "POST /volumes", Status: 413, Says: "VolumeLimitExceeded",
			Body: `{"volume":{"size":1,"volume_type":"<type>"}}`, Header: map[string]string{"Retry-After": "0"}},
		{Name: "grown too large", As: other, Do: "POST /volumes/<v>/action", Status: 413, Body: `{"os-extend":{"new_size":3}}`},
		{Name: "use", As: other, Do: "GET /limits", Status: 200, Partial: every,
			Want: map[string]any{"limits.absolute.totalVolumesUsed": 1, "limits.absolute.totalGigabytesUsed": 1}},
	})
}
