package conformance

// snapshots and what is made from them.
func snapshots() Story {
	return story("snapshots", []Case{
		{Name: "create v", Do: "POST /volumes", Status: 202, Keep: map[string]string{"v": "volume.id"},
			Body: `{"volume":{"name":"<name>","size":2,"volume_type":"<type>"}}`},
		{Name: "v becomes available", Do: "GET /volumes/<v>", Status: 200, Wait: true, Want: is("available")},
		{Name: "create", Do: "POST /snapshots", Status: 202, Keep: map[string]string{"s": "snapshot.id"},
			Body: `{"snapshot":{"volume_id":"<v>","name":"<name>","description":"d","metadata":{"a":"b"}}}`,
			Want: map[string]any{"snapshot.status": "creating", "snapshot.size": 2, "snapshot.volume_id": "<v>"}},
		{Name: "becomes available", Do: "GET /snapshots/<s>", Status: 200, Wait: true,
			Want: map[string]any{"snapshot.status": "available"}},
		{Name: "in the newest version", Version: "latest", Do: "GET /snapshots/<s>", Status: 200},
		{Name: "short list", Do: "GET /snapshots?volume_id=<v>", Status: 200, Want: map[string]any{"snapshots.#": 1}},
		{Name: "long list", Do: "GET /snapshots/detail?volume_id=<v>", Status: 200, Want: map[string]any{"snapshots.0.id": "<s>"}},
		{Name: "the volume stays", Do: "GET /volumes/<v>", Status: 200, Want: is("available")},
		{Name: "delete the volume", Do: "DELETE /volumes/<v>", Status: 400, Says: "have snapshots"},
		{Name: "too small a volume", Do: "POST /volumes", Status: 400, Body: `{"volume":{"snapshot_id":"<s>","size":1}}`,
			Says: "cannot be smaller than"},
		{Name: "a volume from it", Do: "POST /volumes", Status: 202, Keep: map[string]string{"copy": "volume.id"},
			Body: `{"volume":{"snapshot_id":"<s>"}}`,
			Want: map[string]any{"volume.snapshot_id": "<s>", "volume.size": 2, "volume.volume_type": "<type>"}},
		{Name: "the copy becomes available", Do: "GET /volumes/<copy>", Status: 200, Wait: true, Want: is("available")},
		{Name: "delete the copy", Do: "DELETE /volumes/<copy>", Status: 202},
		{Name: "the copy is gone", Do: "GET /volumes/<copy>", Status: 404, Wait: true},
		{Name: "of nothing", Do: "POST /snapshots", Body: `{"snapshot":{"volume_id":"<nowhere>"}}`, Status: 404},
		{Name: "without volume", Do: "POST /snapshots", Body: `{"snapshot":{"name":"x"}}`, Status: 400},
		{Name: "somebody else's", As: other, Do: "GET /snapshots/<s>", Status: 404},
		{Name: "delete", Do: "DELETE /snapshots/<s>", Status: 202},
		{Name: "gone", Do: "GET /snapshots/<s>", Status: 404, Wait: true},
		{Name: "delete again", Do: "DELETE /snapshots/<s>", Status: 404},
		{Name: "reserve", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 200},
		{Name: "of a reserved volume", Do: "POST /snapshots", Body: `{"snapshot":{"volume_id":"<v>"}}`, Status: 400},
	})
}

// clones are volumes made from volumes.
func clones() Story {
	return story("clones", []Case{
		{Name: "create v", Do: "POST /volumes", Status: 202, Keep: map[string]string{"v": "volume.id"},
			Body: `{"volume":{"name":"<name>","size":2,"volume_type":"<type>"}}`},
		{Name: "v becomes available", Do: "GET /volumes/<v>", Status: 200, Wait: true, Want: is("available")},
		{Name: "too small", Do: "POST /volumes", Status: 400, Body: `{"volume":{"source_volid":"<v>","size":1}}`,
			Says: "cannot be smaller than"},
		{Name: "clone", Do: "POST /volumes", Status: 202, Keep: map[string]string{"copy": "volume.id"},
			Body: `{"volume":{"source_volid":"<v>","name":"<name>","size":3}}`,
			Want: map[string]any{"volume.source_volid": "<v>", "volume.size": 3, "volume.volume_type": "<type>"}},
		{Name: "the clone becomes available", Do: "GET /volumes/<copy>", Status: 200, Wait: true,
			Want: map[string]any{"volume.status": "available", "volume.size": 3}},
		{Name: "delete the clone", Do: "DELETE /volumes/<copy>", Status: 202},
		{Name: "the clone is gone", Do: "GET /volumes/<copy>", Status: 404, Wait: true},
	})
}

func growTo(size string) string { return `{"os-extend":{"new_size":` + size + `}}` }

// extend grows what nobody has attached.
func extend() Story {
	const act = "POST /volumes/<v>/action"
	return story("extend", newVolume("v", ""), []Case{
		{Name: "grow", Do: act, Body: growTo("2"), Status: 202},
		{Name: "grown", Do: "GET /volumes/<v>", Status: 200, Wait: true, Want: map[string]any{"volume.status": "available", "volume.size": 2}},
		{Name: "smaller", Do: act, Body: growTo("1"), Status: 400, Says: "must be greater than current size"},
		{Name: "no larger", Do: act, Body: growTo("2"), Status: 400, Says: "must be greater than current size"},
		{Name: "zero", Do: act, Body: growTo("0"), Status: 400, Says: "new_size"},
		{Name: "negative", Do: act, Body: growTo("-2"), Status: 400, Says: "new_size"},
		{Name: "text", Do: act, Body: growTo(`"x"`), Status: 400, Says: "new_size"},
		{Name: "null", Do: act, Body: growTo("null"), Status: 400, Says: "new_size"},
		{Name: "no size", Do: act, Body: `{"os-extend":{}}`, Status: 400, Says: "new_size"},
		{Name: "beyond the quota", Do: act, Body: growTo("100000"), Status: 413, Says: "quota"},
		{Name: "digits", Do: act, Body: growTo(`"3"`), Status: 202},
		{Name: "grown again", Do: "GET /volumes/<v>", Status: 200, Wait: true, Want: map[string]any{"volume.status": "available", "volume.size": 3}},
		{Name: "nothing", Do: "POST /volumes/<nowhere>/action", Body: growTo("2"), Status: 404},
		{Name: "no such action", Do: act, Body: `{"os-shrink":{}}`, Status: 400, Says: "There is no such action"},
		{Name: "no action", Do: act, Body: `{}`, Status: 400},
		{Name: "reserve", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 200},
		{Name: "reserved", Do: act, Body: growTo("4"), Status: 400, Says: "status must be"},
		{Name: "reserved, later version", Version: "3.42", Do: act, Body: growTo("4"), Status: 400, Says: "status must be"},
	})
}

// extendInUse grows what a host has attached.
func extendInUse() Story {
	const act = "POST /volumes/<v>/action"
	return story("extend-in-use", newVolume("v", ""), reserve("a", "v"), connect("a", "host-1"), []Case{
		{Name: "attaching", Version: "3.42", Do: act, Body: growTo("2"), Status: 400, Says: "status must be"},
		{Name: "complete", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "before 3.42", Version: "3.41", Do: act, Body: growTo("2"), Status: 400, Says: "status must be"},
		{Name: "grow", Version: "3.42", Do: act, Body: growTo("2"), Status: 202},
		{Name: "grown", Do: "GET /volumes/<v>", Status: 200, Wait: true,
			Want: map[string]any{"volume.status": "in-use", "volume.size": 2, "volume.attachments.#": 1}},
		{Name: "smaller", Do: act, Body: growTo("1"), Status: 400},
		{Name: "the attachment stays", Do: "GET /attachments/<a>", Status: 200, Want: map[string]any{"attachment.status": "attached"}},
	})
}
