package conformance

import "slices"

const marks = `{"volume_from":"fuxi","fstype":"ext4","fuxi:v":"1","fuxi:created":"2026-01-02T03:04:05Z","fuxi:opts":"{\"a\": 1}"}`

// newVolume makes a volume of 1 GiB and waits for it. Fields are more of the
// body, with a comma before each.
func newVolume(name, fields string) []Case {
	return []Case{
		{Name: "create " + name, Do: "POST /volumes", Status: 202, Keep: map[string]string{name: "volume.id"},
			Body: `{"volume":{"name":"<name>","size":1,"volume_type":"<type>"` + fields + `}}`},
		{Name: name + " becomes available", Do: "GET /volumes/<" + name + ">", Status: 200, Wait: true,
			Want: map[string]any{"volume.status": "available"}},
	}
}

// inOrder is why a message may differ.
const inOrder = "Python shows the fields in the order of the request"

func story(name string, parts ...[]Case) Story { return Story{name, slices.Concat(parts...)} }

func is(status string) map[string]any { return map[string]any{"volume.status": status} }

func show(name, volume, status string) Case {
	return Case{Name: name, Do: "GET /volumes/<" + volume + ">", Status: 200, Want: is(status)}
}

// volumes is one volume's life, with all that fuxi sends.
func volumes() Story {
	return story("volumes", []Case{
		{Name: "create", Do: "POST /volumes", Status: 202,
			Body: `{"volume":{"name":"<name>","size":1,"volume_type":"<type>","availability_zone":"<zone>",` +
				`"description":"data of a test","metadata":` + marks + `}}`,
			Want: map[string]any{"volume.status": "creating", "volume.name": "<name>", "volume.size": 1,
				"volume.volume_type": "<type>", "volume.availability_zone": "<zone>", "volume.metadata.fuxi:v": "1",
				"volume.metadata.fuxi:opts": `{"a": 1}`, "volume.attachments.#": 0, "volume.updated_at": nil,
				"volume.multiattach": false, "volume.bootable": "false"},
			Keep: map[string]string{"v": "volume.id"}},
		{Name: "becomes available", Do: "GET /volumes/<v>", Status: 200, Wait: true,
			Want: map[string]any{"volume.status": "available", "volume.description": "data of a test", "volume.updated_at": "*"}},
		{Name: "to an administrator", As: admin, Do: "GET /volumes/<v>", Status: 200},
		{Name: "in the oldest version", Version: "none", Do: "GET /volumes/<v>", Status: 200},
		{Name: "in the newest version", Version: "latest", Do: "GET /volumes/<v>", Status: 200},
		{Name: "in the newest version to an administrator", As: admin, Version: "latest", Do: "GET /volumes/<v>", Status: 200},
		{Name: "rename", Do: "PUT /volumes/<v>", Body: `{"volume":{"name":"<name>-2"}}`, Status: 200,
			Want: map[string]any{"volume.name": "<name>-2"}},
		{Name: "delete", Do: "DELETE /volumes/<v>", Status: 202},
		{Name: "gone", Do: "GET /volumes/<v>", Status: 404, Wait: true, Says: "could not be found"},
		{Name: "delete again", Do: "DELETE /volumes/<v>", Status: 404},
		{Name: "reserve what is gone", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 404},
		{Name: "metadata of what is gone", Do: "GET /volumes/<v>/metadata", Status: 404},
		{Name: "set metadata of what is gone", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"a":"b"}}`, Status: 404},
		{Name: "malformed id", Do: "GET /volumes/x", Status: 404},
		{Name: "delete malformed id", Do: "DELETE /volumes/x", Status: 404},
		{Name: "malformed attachment id", Do: "GET /attachments/x", Status: 404},
	})
}

// createRefusals are volumes that are not made.
func createRefusals() Story {
	refuse := func(name, fields string, status int, says string) Case {
		return Case{Name: name, Do: "POST /volumes", Body: `{"volume":{` + fields + `}}`, Status: status, Says: says}
	}
	return story("create-refusals", []Case{
		refuse("no size", `"name":"x"`, 400, "malformed or otherwise incorrect"),
		refuse("size null", `"size":null`, 400, "malformed or otherwise incorrect"),
		refuse("size 0", `"size":0`, 400, "size"),
		refuse("size -1", `"size":-1`, 400, "size"),
		refuse("size 1.5", `"size":1.5`, 400, "size"),
		refuse("size x", `"size":"x"`, 400, "size"),
		refuse("size beyond the quota", `"size":100000,"volume_type":"<type>"`, 413, "quota"),
		refuse("size beyond numbers", `"size":9999999999`, 400, "size"),
		refuse("type", `"size":1,"volume_type":"no-such-type"`, 404, "no-such-type"),
		refuse("type by id", `"size":1,"volume_type":"<nowhere>"`, 404, "<nowhere>"),
		refuse("zone", `"size":1,"volume_type":"<type>","availability_zone":"mars"`, 400, "mars"),
		refuse("snapshot", `"snapshot_id":"<nowhere>"`, 404, "Snapshot"),
		refuse("malformed snapshot", `"snapshot_id":"x"`, 400, "snapshot_id"),
		refuse("source", `"source_volid":"<nowhere>"`, 404, "Volume"),
		refuse("malformed source", `"source_volid":"x"`, 400, "source_volid"),
		refuse("name too long", `"size":1,"name":"<letters256>"`, 400, "255"),
		refuse("name a number", `"size":1,"name":7`, 400, "name"),
		refuse("description too long", `"size":1,"description":"<letters256>"`, 400, "255"),
		refuse("metadata key too long", `"size":1,"metadata":{"<letters256>":"v"}`, 400, "does not match"),
		refuse("metadata key empty", `"size":1,"metadata":{"":"v"}`, 400, "does not match"),
		refuse("metadata key with umlaut", `"size":1,"metadata":{"ä":"v"}`, 400, "does not match"),
		refuse("metadata value too long", `"size":1,"metadata":{"k":"<letters256>"}`, 400, "too long"),
		refuse("metadata value a number", `"size":1,"metadata":{"k":1}`, 400, "not of type 'string'"),
		refuse("metadata value null", `"size":1,"metadata":{"k":null}`, 400, "not of type 'string'"),
		refuse("metadata a list", `"size":1,"metadata":[]`, 400, "not of type 'object'"),
		refuse("multiattach", `"size":1,"multiattach":true`, 400, "multiattach"),
		{Name: "unknown field", Do: "POST /volumes", Version: "3.53", Body: `{"volume":{"size":1,"colour":"red"}}`,
			Status: 400, Says: "colour", Loose: inOrder},
		{Name: "no volume", Do: "POST /volumes", Body: `{"x":{}}`, Status: 400},
		{Name: "volume a text", Do: "POST /volumes", Body: `{"volume":"x"}`, Status: 400},
	})
}

// createEdges are volumes that are just about made, and two of one name.
func createEdges() Story {
	return story("create-edges", []Case{
		{Name: "longest name, key and value", Do: "POST /volumes", Status: 202,
			Body: `{"volume":{"name":"<letters255>","size":1,"volume_type":"<type>","description":"<letters255>",` +
				`"metadata":{"<letters255>":"<letters255>"}}}`,
			Want: map[string]any{"volume.name": "<letters255>"}},
		{Name: "size as text, name null, unknown field", Do: "POST /volumes", Status: 202,
			Body: `{"volume":{"name":null,"size":"1","volume_type":"<type>","colour":"red","metadata":{"empty":"","K: k/y.-_":"ü"}}}`,
			Want: map[string]any{"volume.name": nil, "volume.size": 1}},
		{Name: "name with space around", Do: "POST /volumes", Status: 202,
			Body: `{"volume":{"name":" <name> ","size":1,"volume_type":"<type>"}}`,
			Want: map[string]any{"volume.name": "<name>"}},
	}, newVolume("same", ""))
}

// metadata is where fuxi's marks are.
func metadata() Story {
	at := func(want string) map[string]any { return map[string]any{"volume.updated_at": want} }
	return story("metadata", newVolume("v", `,"metadata":{"a":"1"}`), []Case{
		{Name: "when it was changed", Do: "GET /volumes/<v>", Status: 200, Keep: map[string]string{"t0": "volume.updated_at"}},
		{Name: "add", After: tick, Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"b":"2"}}`, Status: 200,
			Want: map[string]any{"metadata.a": "1", "metadata.b": "2"}},
		{Name: "adding is no change of the volume", Do: "GET /volumes/<v>", Status: 200, Want: at("<t0>")},
		{Name: "replace", Do: "PUT /volumes/<v>/metadata", Body: `{"metadata":{"fuxi:subdir":"data"}}`, Status: 200,
			Want: map[string]any{"metadata.a": "absent", "metadata.fuxi:subdir": "data"}},
		{Name: "replacing is none", Do: "GET /volumes/<v>", Status: 200, Want: at("<t0>")},
		{Name: "read", Do: "GET /volumes/<v>/metadata", Status: 200, Want: map[string]any{"metadata.fuxi:subdir": "data"}},
		{Name: "put one", Do: "PUT /volumes/<v>/metadata/one", Body: `{"meta":{"one":"1"}}`, Status: 200,
			Want: map[string]any{"meta.one": "1"}},
		{Name: "put one under another key", Do: "PUT /volumes/<v>/metadata/one", Body: `{"meta":{"two":"1"}}`, Status: 400},
		{Name: "read one", Do: "GET /volumes/<v>/metadata/one", Status: 200, Want: map[string]any{"meta.one": "1"}},
		{Name: "delete one", Do: "DELETE /volumes/<v>/metadata/one", Status: 200},
		{Name: "delete one again", Do: "DELETE /volumes/<v>/metadata/one", Status: 404},
		{Name: "deleting is none", Do: "GET /volumes/<v>", Status: 200, Want: at("<t0>")},
		{Name: "longest", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"<letters255>":"<letters255>"}}`, Status: 200},
		{Name: "key too long", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"<letters256>":"v"}}`, Status: 400},
		{Name: "value too long", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"k":"<letters256>"}}`, Status: 400},
		{Name: "value a number", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"k":1}}`, Status: 400},
		{Name: "empty key", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"":"v"}}`, Status: 400},
		{Name: "no metadata", Do: "POST /volumes/<v>/metadata", Body: `{"meta":{}}`, Status: 400},
		{Name: "nothing to add", Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{}}`, Status: 200},
		{Name: "replace by nothing", Do: "PUT /volumes/<v>/metadata", Body: `{"metadata":{}}`, Status: 200,
			Want: map[string]any{"metadata.fuxi:subdir": "absent"}},
		{Name: "read nothing", Do: "GET /volumes/<v>/metadata", Status: 200},
		{Name: "rename", Do: "PUT /volumes/<v>", Body: `{"volume":{"name":"<name>-2"}}`, Status: 200},
		{Name: "renaming is a change", Do: "GET /volumes/<v>", Status: 200, Want: at("!<t0>")},
	})
}

// foreign is what another project's member may do: nothing.
func foreign() Story {
	return story("foreign", newVolume("v", ""), []Case{
		{Name: "reserve", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 200,
			Keep: map[string]string{"a": "attachment.id"}},
		{Name: "other shows", As: other, Do: "GET /volumes/<v>", Status: 404},
		{Name: "other deletes", As: other, Do: "DELETE /volumes/<v>", Status: 404},
		{Name: "other sets metadata", As: other, Do: "POST /volumes/<v>/metadata", Body: `{"metadata":{"a":"b"}}`, Status: 404},
		{Name: "other extends", As: other, Do: "POST /volumes/<v>/action", Body: `{"os-extend":{"new_size":2}}`, Status: 404},
		{Name: "other reserves", As: other, Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 404},
		{Name: "other clones", As: other, Do: "POST /volumes", Body: `{"volume":{"size":1,"source_volid":"<v>"}}`, Status: 404},
		{Name: "other shows attachment", As: other, Do: "GET /attachments/<a>", Status: 200, Want: attachmentIs("reserved")},
		{Name: "other deletes attachment", As: other, Do: "DELETE /attachments/<a>", Status: 403, Says: "Policy doesn't allow"},
		{Name: "other connects", As: other, Do: "PUT /attachments/<a>", Status: 403, Says: "Policy doesn't allow",
			Body: `{"attachment":{"connector":{"host":"thief","initiator":"iqn.2026-01.org.example:thief"}}}`},
		{Name: "other completes", As: other, Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 404},
		{Name: "other lists attachments", As: other, Do: "GET /attachments?volume_id=<v>", Status: 200,
			Want: map[string]any{"attachments.#": 0}},
		{Name: "other lists", As: other, Do: "GET /volumes/detail?all_tenants=1&name=<name>", Status: 200, Want: map[string]any{"volumes.#": 0}},
		{Name: "a member resets no state", Do: "POST /volumes/<v>/action", Status: 403,
			Body: `{"os-reset_status":{"status":"error"}}`, Says: "Policy doesn't allow"},
		{Name: "a member forces no deletion", Do: "POST /volumes/<v>/action", Status: 403, Body: `{"os-force_delete":{}}`},
	})
}
