package conformance

// shareStories are those about Manila, as fuxi uses it.
func shareStories() []Story {
	all := []Story{
		shares(), shareRefusals(), shareEdges(), shareMetadata(), shareForeign(), shareVersions(),
		shareLists(), sharePages(), shareSurroundings(), shareQuotas(),
		shareAccess(), shareAccessRefusals(), shareAccessErrors(), shareExports(),
		shareExtend(), shareSnapshots(),
	}
	return append(all, shareStates()...)
}

// newShare makes a share of 1 GiB and waits for it. Fields are more of the body,
// with a comma before each.
func newShare(name, fields string) []Case {
	return []Case{
		{Name: "create " + name, Do: "POST manila:/shares", Status: 200, Keep: map[string]string{name: "share.id"},
			Body: `{"share":{"name":"<name>","size":1,"share_proto":"NFS","share_type":"<sharetype>"` + fields + `}}`},
		shareBecomes(name+" becomes available", name, "available"),
	}
}

func shareIs(status string) map[string]any { return map[string]any{"share.status": status} }

func showShare(name, share, status string) Case {
	return Case{Name: name, Do: "GET manila:/shares/<" + share + ">", Status: 200, Want: shareIs(status)}
}

func shareBecomes(name, share, status string) Case {
	c := showShare(name, share, status)
	c.Wait = true
	return c
}

func countShares(n int) map[string]any { return map[string]any{"shares.#": n} }

// shares is one share's life, with all that fuxi sends.
func shares() Story {
	return story("shares", []Case{
		{Name: "create", Do: "POST manila:/shares", Status: 200,
			Body: `{"share":{"name":"<name>","size":1,"share_proto":"NFS","share_type":"<sharetype>","availability_zone":"<zone>",` +
				`"description":"data of a test","is_public":false,"metadata":` + marks + `}}`,
			Want: map[string]any{"share.status": "creating", "share.name": "<name>", "share.size": 1, "share.share_proto": "NFS",
				"share.share_type_name": "<sharetype>", "share.metadata.fuxi:v": "1", "share.metadata.fuxi:opts": `{"a": 1}`,
				"share.access_rules_status": "active", "share.is_public": false},
			Keep: map[string]string{"s": "share.id"}},
		{Name: "becomes available", Do: "GET manila:/shares/<s>", Status: 200, Wait: true,
			Want: map[string]any{"share.status": "available", "share.description": "data of a test", "share.availability_zone": "<zone>"}},
		{Name: "to an administrator", As: admin, Do: "GET manila:/shares/<s>", Status: 200, Partial: []string{"share.host"}},
		{Name: "in the oldest version", Version: "none", Do: "GET manila:/shares/<s>", Status: 200},
		{Name: "before access rules had metadata", Version: "2.27", Do: "GET manila:/shares/<s>", Status: 200},
		{Name: "with the recycle bin", Version: "2.69", Do: "GET manila:/shares/<s>", Status: 200,
			Want: map[string]any{"share.is_soft_deleted": false, "share.progress": "100%"}},
		{Name: "in the newest version", Version: "2.89", Do: "GET manila:/shares/<s>", Status: 200},
		{Name: "created by a small name of the protocol", Do: "POST manila:/shares", Status: 200,
			Body: `{"share":{"name":"<name>-nfs","size":"1","share_proto":"nfs","share_type":"<sharetype>"}}`,
			Want: map[string]any{"share.share_proto": "NFS", "share.size": 1}},
		{Name: "rename", Do: "PUT manila:/shares/<s>", Body: `{"share":{"display_name":"<name>-2"}}`, Status: 200,
			Want: map[string]any{"share.name": "<name>-2"}},
		{Name: "delete", Do: "DELETE manila:/shares/<s>", Status: 202},
		{Name: "gone", Do: "GET manila:/shares/<s>", Status: 404, Wait: true, Says: "could not be found"},
		{Name: "delete again", Do: "DELETE manila:/shares/<s>", Status: 404},
		{Name: "metadata of what is gone", Do: "POST manila:/shares/<s>/metadata", Body: `{"metadata":{"a":"b"}}`, Status: 404},
		{Name: "extend what is gone", Do: "POST manila:/shares/<s>/action", Body: `{"extend":{"new_size":2}}`, Status: 404},
		{Name: "exports of what is gone", Do: "GET manila:/shares/<s>/export_locations", Status: 404},
		{Name: "rules of what is gone", Do: "GET manila:/share-access-rules?share_id=<s>", Status: 400, Says: "not found"},
		{Name: "access to what is gone", Do: "POST manila:/shares/<s>/action", Body: allowBody("10.77.9.1"), Status: 404},
	})
}

// shareRefusals are creates that come to nothing.
func shareRefusals() Story {
	refuse := func(name, fields string, status int, says string) Case {
		return Case{Name: name, Do: "POST manila:/shares", Status: status, Says: says,
			Body: `{"share":{"name":"<name>",` + fields + `}}`}
	}
	const nfs = `"share_proto":"NFS","share_type":"<sharetype>"`
	protocols := refuse("unknown protocol", `"size":1,"share_type":"<sharetype>","share_proto":"PIGEON"`, 400, "Invalid share protocol")
	protocols.Loose = "each cloud has other protocols"
	return story("share-refusals", []Case{
		refuse("no size", nfs, 500, ""),
		refuse("no protocol", `"size":1,"share_type":"<sharetype>"`, 500, ""),
		refuse("size zero", `"size":0,`+nfs, 400, "must be an integer and greater than 0"),
		refuse("size negative", `"size":-1,`+nfs, 400, "must be an integer and greater than 0"),
		refuse("size a word", `"size":"large",`+nfs, 400, "must be an integer and greater than 0"),
		refuse("size beyond the quota", `"size":100000,`+nfs, 413, "quota"),
		protocols,
		refuse("type", `"size":1,"share_proto":"NFS","share_type":"no-such-type"`, 404, "Share type not found"),
		refuse("type by id", `"size":1,"share_proto":"NFS","share_type":"<nowhere>"`, 404, "Share type not found"),
		refuse("two types", `"size":1,"volume_type":"<sharetype>",`+nfs, 400, "both"),
		refuse("zone", `"size":1,"availability_zone":"mars",`+nfs, 404, "mars"),
		refuse("network", `"size":1,"share_network_id":"<nowhere>",`+nfs, 404, "Share network"),
		refuse("snapshot", `"size":1,"snapshot_id":"<nowhere>",`+nfs, 404, "Snapshot"),
		refuse("name too long", `"size":1,"name":"<letters256>",`+nfs, 400, "255"),
		refuse("description too long", `"size":1,"description":"<letters256>",`+nfs, 400, "255"),
		refuse("metadata key too long", `"size":1,"metadata":{"<letters256>":"v"},`+nfs, 400, "255"),
		refuse("metadata key empty", `"size":1,"metadata":{"":"v"},`+nfs, 400, "key is blank"),
		refuse("metadata value empty", `"size":1,"metadata":{"k":""},`+nfs, 400, "value is blank"),
		refuse("metadata value too long", `"size":1,"metadata":{"k":"<letters1024>"},`+nfs, 400, "1023"),
		refuse("metadata value a number", `"size":1,"metadata":{"k":1},`+nfs, 400, "malformed"),
		refuse("public, by a plain member", `"size":1,"is_public":true,`+nfs, 403, "is_public"),
		{Name: "no share", Do: "POST manila:/shares", Body: `{"x":{}}`, Status: 422},
		{Name: "share a text", Do: "POST manila:/shares", Body: `{"share":"x"}`, Status: 422},
		{Name: "no JSON", Do: "POST manila:/shares", Body: `{`, Status: 400},
	})
}

// shareEdges are shares that are just about made, and two of one name.
func shareEdges() Story {
	return story("share-edges", []Case{
		{Name: "longest name, key and value", Do: "POST manila:/shares", Status: 200,
			Body: `{"share":{"name":"<letters255>","size":1,"share_proto":"NFS","share_type":"<sharetype>","description":"<letters255>",` +
				`"metadata":{"<letters255>":"<letters1023>"}}}`,
			Want: map[string]any{"share.name": "<letters255>"}},
		{Name: "name null, unknown field", Do: "POST manila:/shares", Status: 200,
			Body: `{"share":{"name":null,"size":1,"share_proto":"NFS","share_type":"<sharetype>","colour":"red","metadata":{"K: k/y-_":"ü"}}}`,
			Want: map[string]any{"share.name": nil, "share.metadata.K: k/y-_": "ü"}, Partial: []string{"share.metadata"}},
	}, newShare("same", ""), newShare("twin", ""))
}

// shareMetadata is where fuxi's marks are.
func shareMetadata() Story {
	const at = "manila:/shares/<s>/metadata"
	return story("share-metadata", newShare("s", `,"metadata":{"a":"1"}`), []Case{
		{Name: "add", Do: "POST " + at, Body: `{"metadata":{"b":"2","fuxi:v":"1"}}`, Status: 200,
			Want: map[string]any{"metadata.a": "1", "metadata.b": "2"}},
		{Name: "change", Do: "POST " + at, Body: `{"metadata":{"b":"3"}}`, Status: 200, Want: map[string]any{"metadata.b": "3"}},
		{Name: "read", Do: "GET " + at, Status: 200, Want: map[string]any{"metadata.fuxi:v": "1"}},
		{Name: "delete one", Do: "DELETE " + at + "/fuxi:v", Status: 200},
		{Name: "delete one again", Do: "DELETE " + at + "/fuxi:v", Status: 404},
		{Name: "read one", Do: "GET " + at + "/a", Status: 200, Want: map[string]any{"meta.a": "1"}},
		{Name: "read one that is not there", Do: "GET " + at + "/x", Status: 404},
		{Name: "replace", Do: "PUT " + at, Body: `{"metadata":{"fuxi:subdir":"data"}}`, Status: 200,
			Want: map[string]any{"metadata.a": "absent", "metadata.fuxi:subdir": "data"}},
		{Name: "shown with the share", Do: "GET manila:/shares/<s>", Status: 200,
			Want: map[string]any{"share.metadata.a": "absent", "share.metadata.fuxi:subdir": "data"}},
		{Name: "longest", Do: "POST " + at, Body: `{"metadata":{"<letters255>":"<letters1023>"}}`, Status: 200},
		{Name: "key too long", Do: "POST " + at, Body: `{"metadata":{"<letters256>":"v"}}`, Status: 400, Says: "255"},
		{Name: "value too long", Do: "POST " + at, Body: `{"metadata":{"k":"<letters1024>"}}`, Status: 400, Says: "1023"},
		{Name: "value empty", Do: "POST " + at, Body: `{"metadata":{"k":""}}`, Status: 400, Says: "blank"},
		{Name: "key empty", Do: "POST " + at, Body: `{"metadata":{"":"v"}}`, Status: 400, Says: "blank"},
		{Name: "value a number", Do: "POST " + at, Body: `{"metadata":{"k":1}}`, Status: 400},
		{Name: "no metadata", Do: "POST " + at, Body: `{"meta":{}}`, Status: 400, Says: "Malformed"},
		{Name: "nothing to add", Do: "POST " + at, Body: `{"metadata":{}}`, Status: 200, Want: map[string]any{"metadata.fuxi:subdir": "data"}},
		{Name: "replace by nothing", Do: "PUT " + at, Body: `{"metadata":{}}`, Status: 200},
		{Name: "read nothing", Do: "GET " + at, Status: 200},
		{Name: "of nothing", Do: "GET manila:/shares/<nowhere>/metadata", Status: 404, Says: "Share not found"},
		{Name: "delete one of nothing", Do: "DELETE manila:/shares/<nowhere>/metadata/a", Status: 404},
	})
}

// shareForeign is what another project's member may do: nothing.
func shareForeign() Story {
	as := func(name, do, body string, status int) Case {
		return Case{Name: "other " + name, As: other, Do: do, Body: body, Status: status}
	}
	const one = "manila:/shares/<s>"
	return story("share-foreign", newShare("s", ""), allowed("r", "10.77.9.1"), []Case{
		as("shows", "GET "+one, "", 404),
		as("deletes", "DELETE "+one, "", 404),
		as("reads metadata", "GET "+one+"/metadata", "", 404),
		as("sets metadata", "POST "+one+"/metadata", `{"metadata":{"a":"b"}}`, 404),
		as("extends", "POST "+one+"/action", `{"extend":{"new_size":2}}`, 404),
		as("is let in", "POST "+one+"/action", allowBody("10.77.9.2"), 404),
		as("throws out", "POST "+one+"/action", `{"deny_access":{"access_id":"<r>"}}`, 404),
		as("shows a rule", "GET manila:/share-access-rules/<r>", "", 404),
		as("lists the rules", "GET manila:/share-access-rules?share_id=<s>", "", 400),
		as("marks a rule", "PUT manila:/share-access-rules/<r>/metadata", `{"metadata":{"a":"b"}}`, 404),
		{Name: "other lists", As: other, Do: "GET manila:/shares/detail?all_tenants=1&name=<name>", Status: 200, Want: countShares(0)},
		{Name: "an administrator lists", As: admin, Do: "GET manila:/shares?all_tenants=1&name=<name>", Status: 200, Want: countShares(1)},
		{Name: "a member resets no state", Do: "POST " + one + "/action", Status: 403, Body: `{"reset_status":{"status":"error"}}`,
			Says: "Access was denied"},
		{Name: "a member forces no deletion", Do: "POST " + one + "/action", Status: 403, Body: `{"force_delete":{}}`},
	})
}

// shareVersions are what the API says about itself.
func shareVersions() Story {
	return story("share-versions", []Case{
		{Name: "document", Version: "none", Do: "GET manila:/", Status: 200,
			Want: map[string]any{"versions.0.id": "v2.0", "versions.0.status": "CURRENT", "versions.0.min_version": "2.0"}},
		{Name: "none", Version: "none", Do: "GET manila:/shares?name=<name>", Status: 200, Header: map[string]string{manilaHeader: "2.0"}},
		{Name: "in the header of others", Version: "none", Do: "GET manila:/shares?name=<name>", Status: 200,
			Send: map[string]string{"OpenStack-API-Version": "shared-file-system 2.45"}, Header: map[string]string{manilaHeader: "2.0"}},
		{Name: "too new", Version: "2.99", Do: "GET manila:/shares", Status: 406, Says: "2.99 is not supported"},
		{Name: "too old", Version: "1.0", Do: "GET manila:/shares", Status: 406, Says: "1.0 is not supported"},
		{Name: "no version", Version: "x", Do: "GET manila:/shares", Status: 400, Says: "invalid format"},
		{Name: "rules before they had an address", Version: "2.44", Do: "GET manila:/share-access-rules?share_id=<nowhere>", Status: 404},
		{Name: "messages before there were any", Version: "2.36", Do: "GET manila:/messages", Status: 404},
		{Name: "nobody", As: nobody, Do: "GET manila:/shares", Status: 401},
		{Name: "nowhere", Do: "GET manila:/nowhere", Status: 404},
	})
}

// shareQuotas is room.
func shareQuotas() Story {
	const limits = "manila:/limits"
	return story("share-quotas", newShare("s", ""), []Case{
		{Name: "limits", Do: "GET " + limits, Status: 200, Want: map[string]any{"limits.absolute.maxTotalShareGigabytes": 2000}},
		{Name: "own quota", Do: "GET manila:/quota-sets/<member.projectid>", Status: 200,
			Want: map[string]any{"quota_set.shares": 200, "quota_set.gigabytes": 2000}},
		{Name: "beyond it", Do: "POST manila:/shares", Status: 413, Says: "quota",
			Body: `{"share":{"size":2001,"share_proto":"NFS","share_type":"<sharetype>"}}`},
		{Name: "extended beyond it", Do: "POST manila:/shares/<s>/action", Body: `{"extend":{"new_size":2002}}`, Status: 403, Says: "quota"},
		{Name: "somebody else's", As: other, Do: "GET manila:/quota-sets/<member.projectid>", Status: 403},
		{Name: "set by a member", Do: "PUT manila:/quota-sets/<member.projectid>", Body: `{"quota_set":{"shares":1}}`, Status: 403},
	})
}

// shareStates are what fuxi's calls meet in each state of a share; one story
// for each, because each needs a share.
func shareStates() []Story {
	var all []Story
	for _, status := range []string{"creating", "error", "deleting", "error_deleting", "migrating"} {
		all = append(all, shareInState(status))
	}
	return all
}

func shareInState(status string) Story {
	const act = "POST manila:/shares/<s>/action"
	reset := Case{Name: "reset", As: admin, Do: act, Status: 202, Body: `{"reset_status":{"status":"` + status + `"}}`}
	allow := Case{Name: "let in", Do: act, Status: 400, Says: "invalid state", Body: allowBody("10.77.9.1")}
	if status == "error_deleting" {
		allow.Status, allow.Says = 200, ""
	}
	allowAnyway := allow
	allowAnyway.Name, allowAnyway.Version, allowAnyway.Body = "let in, in a later version", "2.74", allowBody("10.77.9.2")
	if status == "error" {
		allowAnyway.Status, allowAnyway.Says = 200, ""
	}
	deleted := Case{Name: "delete", Do: "DELETE manila:/shares/<s>", Status: 403, Says: "Share status must be one of"}
	if status == "error" {
		deleted.Status, deleted.Says = 202, ""
	}
	return story("share-state-"+status, newShare("s", ""), []Case{
		reset, showShare("shown", "s", status),
		{Name: "listed", Do: "GET manila:/shares?name=<name>&status=" + status, Status: 200, Want: countShares(1)},
		allow, allowAnyway,
		{Name: "set a mark", Do: "POST manila:/shares/<s>/metadata", Status: 200, Body: `{"metadata":{"a":"b"}}`},
		{Name: "extend", Do: act, Status: 400, Body: `{"extend":{"new_size":2}}`, Says: "status must be 'available' to extend"},
		{Name: "snapshot", Do: "POST manila:/snapshots", Status: 400, Body: `{"snapshot":{"share_id":"<s>"}}`},
		deleted,
	})
}
