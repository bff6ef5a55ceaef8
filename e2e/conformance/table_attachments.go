package conformance

func listed(n int) map[string]any { return map[string]any{"attachments.#": n} }

// attachLists are the lists of attachments.
func attachLists() Story {
	return story("attach-lists", newVolume("v", ""), newVolume("w", ""), reserve("a", "v"), reserve("b", "w"),
		connect("b", "host-1"), complete("b"), []Case{
			{Name: "of a volume", Do: "GET /attachments?volume_id=<v>", Status: 200, Want: listed(1)},
			{Name: "of a volume in detail", Do: "GET /attachments/detail?volume_id=<v>", Status: 200,
				Want: map[string]any{"attachments.#": 1, "attachments.0.id": "<a>", "attachments.0.status": "reserved"}},
			{Name: "attached in detail", Do: "GET /attachments/detail?volume_id=<w>", Status: 200,
				Want: map[string]any{"attachments.0.status": "attached", "attachments.0.attach_mode": "rw"}},
			{Name: "by status", Do: "GET /attachments?volume_id=<v>&status=reserved", Status: 200, Want: listed(0)},
			{Name: "by attach status", Do: "GET /attachments?volume_id=<v>&attach_status=reserved", Status: 200, Want: listed(1)},
			{Name: "by another status", Do: "GET /attachments?volume_id=<v>&attach_status=attached", Status: 200, Want: listed(0)},
			{Name: "by instance", Do: "GET /attachments?volume_id=<v>&instance_id=<nowhere>", Status: 200, Want: listed(0)},
			{Name: "of no volume", Do: "GET /attachments/detail?volume_id=<nowhere>", Status: 200, Want: listed(0)},
			{Name: "to an administrator", As: admin, Do: "GET /attachments/detail?all_tenants=1&volume_id=<w>", Status: 200,
				Want: listed(1)},
			{Name: "limit", Do: "GET /attachments?volume_id=<v>&limit=1", Status: 200, Want: listed(1)},
			{Name: "nothing", Do: "GET /attachments?limit=0", Status: 200, Want: listed(0)},
			{Name: "unknown marker", Do: "GET /attachments?marker=<nowhere>", Status: 404},
		})
}

// multiattach: a volume that several hosts may have.
func multiattach() Story {
	return story("multiattach", []Case{
		{Name: "create v", Do: "POST /volumes", Status: 202, Keep: map[string]string{"v": "volume.id"},
			Body: `{"volume":{"name":"<name>","size":1,"volume_type":"<multi>"}}`},
		{Name: "v becomes available", Do: "GET /volumes/<v>", Status: 200, Wait: true,
			Want: map[string]any{"volume.status": "available", "volume.multiattach": true}},
	}, reserve("a", "v"), []Case{
		{Name: "a second one while reserved", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400},
	}, connect("a", "host-1"), []Case{
		{Name: "a second one while attaching", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400},
	}, complete("a"), reserve("b", "v"), []Case{
		show("volume reserved by the second", "v", "reserved"),
	}, connect("b", "host-2"), complete("b"), []Case{
		{Name: "in use by two", Do: "GET /volumes/<v>", Status: 200,
			Want: map[string]any{"volume.status": "in-use", "volume.attachments.#": 2}},
		{Name: "both listed", Do: "GET /attachments?volume_id=<v>", Status: 200, Want: listed(2)},
		{Name: "release the first", Do: "DELETE /attachments/<a>", Status: 200,
			Want: map[string]any{"attachments.#": 1, "attachments.0.id": "<b>"}},
		show("in use by one", "v", "in-use"),
	}, reserve("c", "v"), []Case{
		{Name: "release the reservation", Do: "DELETE /attachments/<c>", Status: 200, Want: listed(1)},
		show("in use again", "v", "in-use"),
		{Name: "release the last", Do: "DELETE /attachments/<b>", Status: 200, Want: listed(0)},
		show("available again", "v", "available"),
	})
}

// instances: attachments with an instance, which is what a lock must not have.
func instances() Story {
	const server = "11111111-2222-4333-8444-555555555555"
	const body = `{"attachment":{"volume_uuid":"<v>","instance_uuid":"` + server + `"}}`
	return story("instances", newVolume("v", ""), []Case{
		{Name: "reserve", Do: "POST /attachments", Body: body, Status: 200, Keep: map[string]string{"a": "attachment.id"},
			Want: map[string]any{"attachment.instance": server}},
		{Name: "for the same instance again", Do: "POST /attachments", Body: body, Status: 200, Keep: map[string]string{"b": "attachment.id"}},
		{Name: "for none", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400},
		{Name: "listed by instance", Do: "GET /attachments?instance_id=" + server, Status: 200, Want: listed(2)},
	}, connect("a", "host-1"), []Case{
		{Name: "connect both", Do: "PUT /attachments/<b>", Status: 500, Body: connectBody("host-2"), Says: "duplicate connectors"},
		{Name: "release the reserved", Do: "DELETE /attachments/<b>", Status: 200, Want: listed(1)},
		show("attaching", "v", "attaching"),
		{Name: "complete", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "shown with its server", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.attachments.0.server_id": server}},
		{Name: "release what a server has, where no Nova can be asked", Do: "DELETE /attachments/<a>", Status: 500},
		{Name: "so does an administrator", As: admin, Do: "DELETE /attachments/<a>", Status: 500},
		show("after it", "v", "in-use"),
	})
}

// targets: volumes that are iSCSI targets, where a cloud has such.
func targets() Story {
	return story("targets", []Case{
		{Name: "create v", Do: "POST /volumes", Status: 202, Keep: map[string]string{"v": "volume.id"},
			Body: `{"volume":{"name":"<name>","size":1,"volume_type":"<target>"}}`},
		{Name: "v becomes available", Do: "GET /volumes/<v>", Status: 200, Wait: true, Want: is("available")},
	}, reserve("a", "v"), connect("a", "host-1"), []Case{
		{Name: "shown", Do: "GET /attachments/<a>", Status: 200, Want: attachmentIs("attaching")},
	}, complete("a"), []Case{
		{Name: "release", Do: "DELETE /attachments/<a>", Status: 200, Want: listed(0)},
		show("available again", "v", "available"),
	})
}
