package conformance

func allowBody(to string) string {
	return `{"allow_access":{"access_type":"ip","access_to":"` + to + `","access_level":"rw","metadata":{"fuxi:v":"1","fuxi:host:node1":"1"}}}`
}

func ruleIs(state string) map[string]any { return map[string]any{"access.state": state} }

// allowed lets an address in to the share <s> and waits until it is.
func allowed(rule, to string) []Case {
	return []Case{
		{Name: "let " + to + " in", Do: "POST manila:/shares/<s>/action", Body: allowBody(to), Status: 200,
			Keep: map[string]string{rule: "access.id"}, Want: map[string]any{"access.access_to": to, "access.share_id": "<s>"}},
		{Name: to + " is in", Do: "GET manila:/share-access-rules/<" + rule + ">", Status: 200, Wait: true, Want: ruleIs("active")},
	}
}

// denied throws it out and waits until it is.
func denied(rule, to string) []Case {
	return []Case{
		{Name: "throw " + to + " out", Do: "POST manila:/shares/<s>/action", Body: `{"deny_access":{"access_id":"<` + rule + `>"}}`, Status: 202},
		{Name: to + " is out", Do: "GET manila:/share-access-rules/<" + rule + ">", Status: 404, Wait: true, Says: "not found"},
	}
}

// shareAccess is the life of access rules.
func shareAccess() Story {
	const act = "POST manila:/shares/<s>/action"
	again := func(name, to, level string) Case {
		return Case{Name: name, Do: act, Status: 400, Says: "exists",
			Body: `{"allow_access":{"access_type":"ip","access_to":"` + to + `","access_level":"` + level + `"}}`}
	}
	return story("share-access", newShare("s", ""), []Case{
		{Name: "no rules", Do: "GET manila:/share-access-rules?share_id=<s>", Status: 200, Want: map[string]any{"access_list.#": 0}},
	}, allowed("r", "10.77.9.1"), []Case{
		{Name: "active", Do: "GET manila:/shares/<s>", Status: 200, Wait: true, Want: map[string]any{"share.access_rules_status": "active", "share.status": "available"}},
		{Name: "listed", Do: "GET manila:/share-access-rules?share_id=<s>", Status: 200,
			Want: map[string]any{"access_list.#": 1, "access_list.0.id": "<r>", "access_list.0.metadata.fuxi:host:node1": "1"}},
		{Name: "listed by metadata", Do: "GET manila:/share-access-rules?share_id=<s>&metadata={'fuxi:v':'1'}", Status: 200,
			Want: map[string]any{"access_list.#": 1}},
		{Name: "listed by other metadata", Do: "GET manila:/share-access-rules?share_id=<s>&metadata={'fuxi:v':'2'}", Status: 200,
			Want: map[string]any{"access_list.#": 0}},
		again("again", "10.77.9.1", "rw"),
		again("again for reading", "10.77.9.1", "ro"),
		again("again as a network", "10.77.9.1/32", "rw"),
		{Name: "note a second host", Do: "PUT manila:/share-access-rules/<r>/metadata", Status: 200,
			Body: `{"metadata":{"fuxi:host:node2":"1"}}`, Want: map[string]any{"metadata.fuxi:host:node1": "absent"}},
		{Name: "both are noted", Do: "GET manila:/share-access-rules/<r>", Status: 200,
			Want: map[string]any{"access.metadata.fuxi:host:node1": "1", "access.metadata.fuxi:host:node2": "1"}},
		{Name: "take the first out", Do: "DELETE manila:/share-access-rules/<r>/metadata/fuxi:host:node1", Status: 200},
		{Name: "take it out again", Do: "DELETE manila:/share-access-rules/<r>/metadata/fuxi:host:node1", Status: 404},
		{Name: "one is noted", Do: "GET manila:/share-access-rules/<r>", Status: 200,
			Want: map[string]any{"access.metadata.fuxi:host:node1": "absent", "access.metadata.fuxi:host:node2": "1"}},
		{Name: "note something empty", Do: "PUT manila:/share-access-rules/<r>/metadata", Status: 400, Body: `{"metadata":{"k":""}}`},
		{Name: "note something long", Do: "PUT manila:/share-access-rules/<r>/metadata", Status: 400, Body: `{"metadata":{"<letters256>":"v"}}`},
		{Name: "note nothing", Do: "PUT manila:/share-access-rules/<r>/metadata", Status: 400, Body: `{}`},
		{Name: "a network for reading", Do: act, Status: 200, Keep: map[string]string{"n": "access.id"},
			Body: `{"allow_access":{"access_type":"ip","access_to":"10.77.8.0/24","access_level":"ro"}}`,
			Want: map[string]any{"access.access_level": "ro"}},
		{Name: "no level", Do: act, Status: 200, Keep: map[string]string{"l": "access.id"},
			Body: `{"allow_access":{"access_type":"ip","access_to":"10.77.9.7"}}`},
		{Name: "three rules", Do: "GET manila:/share-access-rules?share_id=<s>", Status: 200, Wait: true,
			Want: map[string]any{"access_list.#": 3, "access_list.0.state": "active", "access_list.1.state": "active", "access_list.2.state": "active"}},
	}, denied("r", "10.77.9.1"), []Case{
		{Name: "throw out again", Do: act, Status: 404, Body: `{"deny_access":{"access_id":"<r>"}}`},
		{Name: "note in what is gone", Do: "PUT manila:/share-access-rules/<r>/metadata", Status: 404, Body: `{"metadata":{"a":"b"}}`},
		{Name: "take out of what is gone", Do: "DELETE manila:/share-access-rules/<r>/metadata/a", Status: 404},
	}, allowed("other", "10.77.9.4"), []Case{
		{Name: "a share with rules is deleted", Do: "DELETE manila:/shares/<s>", Status: 202},
		{Name: "gone with its rules", Do: "GET manila:/shares/<s>", Status: 404, Wait: true},
		{Name: "the rule is gone", Do: "GET manila:/share-access-rules/<other>", Status: 404},
	})
}

// shareAccessRefusals are rules that come to nothing.
func shareAccessRefusals() Story {
	refuse := func(name, fields string, status int, says string) Case {
		return Case{Name: name, Do: "POST manila:/shares/<s>/action", Status: status, Says: says, Body: `{"allow_access":{` + fields + `}}`}
	}
	act := func(name, body string, status int, says string) Case {
		return Case{Name: name, Do: "POST manila:/shares/<s>/action", Status: status, Says: says, Body: body}
	}
	old := refuse("metadata in an old version", `"access_type":"ip","access_to":"10.77.9.9","metadata":{"k":"v"}`, 200, "")
	old.Version = "2.44"
	return story("share-access-refusals", newShare("s", ""), []Case{
		refuse("level", `"access_type":"ip","access_to":"10.77.9.1","access_level":"all"`, 400, "Invalid share access level"),
		refuse("no address", `"access_type":"ip","access_to":"","access_level":"rw"`, 400, "does not appear to be"),
		refuse("no holder", `"access_type":"ip","access_level":"rw"`, 500, ""),
		refuse("a name", `"access_type":"ip","access_to":"node1","access_level":"rw"`, 400, "does not appear to be"),
		refuse("host bits", `"access_type":"ip","access_to":"10.77.9.1/24","access_level":"rw"`, 400, "has host bits set"),
		refuse("kind", `"access_type":"pigeon","access_to":"10.77.9.1","access_level":"rw"`, 400, "access types are supported"),
		refuse("client with a period", `"access_type":"cephx","access_to":"node1.example","access_level":"rw"`, 400, "may not contain periods"),
		refuse("client empty", `"access_type":"cephx","access_to":"","access_level":"rw"`, 400, "may not be empty"),
		refuse("metadata empty", `"access_type":"ip","access_to":"10.77.9.1","metadata":{"k":""}`, 400, "blank"),
		refuse("metadata long", `"access_type":"ip","access_to":"10.77.9.1","metadata":{"k":"<letters1024>"}`, 400, "1023"),
		act("no such action", `{"let_in":{}}`, 400, "There is no such action"),
		act("no action", `{}`, 400, "Malformed"),
		act("deny nothing", `{"deny_access":{"access_id":"<nowhere>"}}`, 404, ""),
		{Name: "let in to nothing", Do: "POST manila:/shares/<nowhere>/action", Body: allowBody("10.77.9.1"), Status: 404},
		{Name: "rules of no share", Do: "GET manila:/share-access-rules", Status: 400, Says: "has to be specified"},
		{Name: "rules of nothing", Do: "GET manila:/share-access-rules?share_id=<nowhere>", Status: 400, Says: "not found"},
		{Name: "no rule", Do: "GET manila:/share-access-rules/<nowhere>", Status: 404, Says: "not found"},
		old,
		{Name: "the metadata was dropped", Do: "GET manila:/share-access-rules?share_id=<s>", Status: 200, Wait: true,
			Want: map[string]any{"access_list.0.state": "active", "access_list.0.metadata.k": "absent"}},
	})
}

// shareAccessErrors is a rule that the storage refuses: a share by NFS knows no
// clients of Ceph.
func shareAccessErrors() Story {
	const act = "POST manila:/shares/<s>/action"
	return story("share-access-errors", newShare("s", ""), []Case{
		{Name: "let a client in", Do: act, Status: 200, Keep: map[string]string{"r": "access.id"},
			Body: `{"allow_access":{"access_type":"cephx","access_to":"fuxi-node1","access_level":"rw"}}`, Want: ruleIs("queued_to_apply")},
		{Name: "it fails", Do: "GET manila:/share-access-rules/<r>", Status: 200, Wait: true, Want: ruleIs("error")},
		{Name: "the share shows it", Do: "GET manila:/shares/<s>", Status: 200, Wait: true,
			Want: map[string]any{"share.access_rules_status": "error", "share.status": "available"}},
		{Name: "an old version lets nobody in now", Version: "2.27", Do: act, Body: allowBody("10.77.9.1"), Status: 400, Says: "Deny any rules in error state"},
	}, allowed("ok", "10.77.9.1"), denied("r", "fuxi-node1"), []Case{
		{Name: "the share has recovered", Do: "GET manila:/shares/<s>", Status: 200, Wait: true,
			Want: map[string]any{"share.access_rules_status": "active"}},
	}, denied("ok", "10.77.9.1"))
}

// shareExports are where shares are mounted from.
func shareExports() Story {
	const at = "manila:/shares/<s>/export_locations"
	return story("share-exports", newShare("s", ""), []Case{
		{Name: "list", Do: "GET " + at, Status: 200, Want: map[string]any{"export_locations.0.path": "*"},
			Keep: map[string]string{"e": "export_locations.0.id"}},
		{Name: "list of the active replica", Version: "2.47", Do: "GET " + at, Status: 200, Want: map[string]any{"export_locations.0.preferred": false}},
		{Name: "to an administrator", As: admin, Version: "2.47", Do: "GET " + at, Status: 200,
			Want: map[string]any{"export_locations.0.is_admin_only": false}},
		{Name: "one", Do: "GET " + at + "/<e>", Status: 200},
		{Name: "none", Do: "GET " + at + "/<nowhere>", Status: 404},
		{Name: "of nothing", Do: "GET manila:/shares/<nowhere>/export_locations", Status: 404},
		{Name: "before they had an address", Version: "2.8", Do: "GET manila:/shares/<s>", Status: 200, Want: map[string]any{"share.export_locations.#": 1}},
	})
}

// shareExtend grows shares, mounted or not: Manila does not know.
func shareExtend() Story {
	const act = "POST manila:/shares/<s>/action"
	grow := func(name, size string, status int, says string) Case {
		return Case{Name: name, Do: act, Body: `{"extend":{"new_size":` + size + `}}`, Status: status, Says: says}
	}
	return story("share-extend", newShare("s", ""), allowed("r", "10.77.9.1"), []Case{
		grow("grow", "2", 202, ""),
		{Name: "grown", Do: "GET manila:/shares/<s>", Status: 200, Wait: true, Want: map[string]any{"share.status": "available", "share.size": 2}},
		grow("no larger", "2", 400, "must be greater than current size"),
		grow("smaller", "1", 400, "must be greater than current size"),
		grow("zero", "0", 400, "must be greater than current size"),
		grow("a word", `"x"`, 400, "must be specified as an integer"),
		grow("null", `null`, 400, "must be specified as an integer"),
		{Name: "no size", Do: act, Body: `{"extend":{}}`, Status: 400, Says: "must be specified as an integer"},
		grow("digits", `"3"`, 202, ""),
		{Name: "grown again", Do: "GET manila:/shares/<s>", Status: 200, Wait: true, Want: map[string]any{"share.status": "available", "share.size": 3}},
		{Name: "the rule stays", Do: "GET manila:/share-access-rules/<r>", Status: 200, Want: ruleIs("active")},
		{Name: "nothing", Do: "POST manila:/shares/<nowhere>/action", Body: `{"extend":{"new_size":2}}`, Status: 404},
	})
}

// shareSnapshots and what is made from them.
func shareSnapshots() Story {
	from := func(name, fields string, status int, says string) Case {
		return Case{Name: name, Do: "POST manila:/shares", Status: status, Says: says,
			Body: `{"share":{"name":"<name>-copy","share_proto":"NFS","snapshot_id":"<snap>",` + fields + `}}`}
	}
	copied := from("a share from it", `"size":1`, 200, "")
	copied.Keep = map[string]string{"copy": "share.id"}
	copied.Want = map[string]any{"share.snapshot_id": "<snap>", "share.size": 1, "share.share_type_name": "<sharetype>"}
	return story("share-snapshots", newShare("s", ""), []Case{
		{Name: "create", Do: "POST manila:/snapshots", Status: 202, Keep: map[string]string{"snap": "snapshot.id"},
			Body: `{"snapshot":{"share_id":"<s>","name":"<name>","description":"d"}}`,
			Want: map[string]any{"snapshot.share_id": "<s>", "snapshot.share_size": 1, "snapshot.share_proto": "NFS", "snapshot.status": "creating"}},
		{Name: "becomes available", Do: "GET manila:/snapshots/<snap>", Status: 200, Wait: true,
			Want: map[string]any{"snapshot.status": "available"}},
		{Name: "listed", Do: "GET manila:/snapshots?share_id=<s>", Status: 200, Want: map[string]any{"snapshots.#": 1}},
		{Name: "delete the share", Do: "DELETE manila:/shares/<s>", Status: 403, Says: "dependent snapshots"},
		from("of another type", `"size":1,"share_type":"no-such-type"`, 404, ""),
		copied,
		shareBecomes("the copy becomes available", "copy", "available"),
		{Name: "of nothing", Do: "POST manila:/snapshots", Body: `{"snapshot":{"share_id":"<nowhere>"}}`, Status: 404},
		{Name: "somebody else's", As: other, Do: "GET manila:/snapshots/<snap>", Status: 404},
		{Name: "delete the copy", Do: "DELETE manila:/shares/<copy>", Status: 202},
		{Name: "the copy is gone", Do: "GET manila:/shares/<copy>", Status: 404, Wait: true},
		{Name: "delete", Do: "DELETE manila:/snapshots/<snap>", Status: 202},
		{Name: "gone", Do: "GET manila:/snapshots/<snap>", Status: 404, Wait: true},
		{Name: "delete again", Do: "DELETE manila:/snapshots/<snap>", Status: 404},
	})
}
