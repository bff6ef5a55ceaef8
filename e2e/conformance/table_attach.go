package conformance

import "fmt"

func reserve(name, volume string) []Case {
	return []Case{{Name: "reserve " + name, Do: "POST /attachments", Status: 200, Keep: map[string]string{name: "attachment.id"},
		Body: `{"attachment":{"volume_uuid":"<` + volume + `>"}}`, Want: attachmentIs("reserved")}}
}

// connectorOf is what fuxi sends of a host.
func connectorOf(host string) string {
	return fmt.Sprintf(`{"host":"%[1]s","mountpoint":"fuxi:%[1]s","initiator":"iqn.2026-01.org.example:%[1]s","ip":"192.0.2.1",`+
		`"os_type":"linux","platform":"x86_64","multipath":false,"do_local_attach":true}`, host)
}

func connectBody(host string) string {
	return `{"attachment":{"connector":` + connectorOf(host) + `}}`
}

func connect(name, host string) []Case {
	return []Case{{Name: "connect " + name + " to " + host, Do: "PUT /attachments/<" + name + ">", Status: 200, Body: connectBody(host), Want: attachmentIs("reserved")}}
}

func complete(name string) []Case {
	return []Case{{Name: "complete " + name, Do: "POST /attachments/<" + name + ">/action", Body: `{"os-complete":{}}`, Status: 204}}
}

func attachmentIs(status string) map[string]any { return map[string]any{"attachment.status": status} }

// attach is the life of an attachment as fuxi leads it.
func attach() Story {
	return story("attach", newVolume("v", ""), reserve("a", "v"), []Case{
		{Name: "volume reserved", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.status": "reserved", "volume.attachments.#": 0}},
		{Name: "shown reserved", Do: "GET /attachments/<a>", Status: 200, Want: map[string]any{"attachment.status": "reserved",
			"attachment.attach_mode": "null", "attachment.attached_at": "", "attachment.instance": nil}},
		{Name: "a second one", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400, Says: "status must be"},
		{Name: "delete the reserved volume", Do: "DELETE /volumes/<v>", Status: 400},
		{Name: "connect", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-1"),
			Want: map[string]any{"attachment.connection_info.attachment_id": "<a>", "attachment.connection_info.access_mode": "rw"}},
		{Name: "volume attaching", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.status": "attaching", "volume.attachments.#": 0}},
		{Name: "shown attaching", Do: "GET /attachments/<a>", Status: 200, Want: map[string]any{"attachment.status": "attaching",
			"attachment.attach_mode": "rw"}},
		{Name: "a second one while attaching", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400},
		{Name: "connect again", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-1"), Want: attachmentIs("attaching")},
		{Name: "connect another host", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-2")},
		{Name: "connect the first host", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-1")},
		{Name: "still attaching", Do: "GET /volumes/<v>", Status: 200, Want: is("attaching")},
		{Name: "complete", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "volume in use", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.status": "in-use",
			"volume.attachments.#": 1, "volume.attachments.0.attachment_id": "<a>", "volume.attachments.0.id": "<v>",
			"volume.attachments.0.device": "fuxi:host-1", "volume.attachments.0.host_name": nil, "volume.attachments.0.server_id": nil}},
		{Name: "to an administrator", As: admin, Do: "GET /volumes/<v>", Status: 200,
			Want: map[string]any{"volume.attachments.0.host_name": "host-1"}},
		{Name: "in a list", Do: "GET /volumes/detail?name=<name>", Status: 200, Want: map[string]any{"volumes.0.attachments.0.device": "fuxi:host-1"}},
		{Name: "shown attached", Do: "GET /attachments/<a>", Status: 200, Want: attachmentIs("attached")},
		{Name: "shown to an administrator", As: admin, Do: "GET /attachments/<a>", Status: 200, Want: attachmentIs("attached")},
		{Name: "complete again", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "a second one while in use", Do: "POST /attachments", Body: `{"attachment":{"volume_uuid":"<v>"}}`, Status: 400},
		{Name: "connect what is attached", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-1"),
			Want: attachmentIs("attached")},
		{Name: "the volume then", Do: "GET /volumes/<v>", Status: 200, Want: is("attaching")},
		{Name: "complete it again", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "delete the volume in use", Do: "DELETE /volumes/<v>", Status: 400, Says: "must not be"},
		{Name: "when it was changed", Do: "GET /volumes/<v>", Status: 200, Keep: map[string]string{"t": "volume.updated_at"}},
		{Name: "release", After: tick, Do: "DELETE /attachments/<a>", Status: 200, Want: map[string]any{"attachments.#": 0}},
		{Name: "available again", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.status": "available",
			"volume.attachments.#": 0, "volume.updated_at": "!<t>"}},
		{Name: "release again", Do: "DELETE /attachments/<a>", Status: 404},
		{Name: "show what is released", Do: "GET /attachments/<a>", Status: 404},
		{Name: "connect what is released", Do: "PUT /attachments/<a>", Status: 404, Body: connectBody("host-1")},
		{Name: "complete what is released", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 404},
	})
}

// released are the ends an attachment may take without ever being in use.
func released() Story {
	return story("released", newVolume("v", ""), reserve("b", "v"), []Case{
		{Name: "complete what is reserved", Do: "POST /attachments/<b>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "the volume of it", Do: "GET /volumes/<v>", Status: 200, Want: is("in-use")},
		{Name: "release it", Do: "DELETE /attachments/<b>", Status: 200},
		{Name: "and it is available", Do: "GET /volumes/<v>", Status: 200, Want: is("available")},
	}, reserve("c", "v"), []Case{
		{Name: "when it was reserved", Do: "GET /volumes/<v>", Status: 200, Keep: map[string]string{"t": "volume.updated_at"}},
		{Name: "release the reserved", After: tick, Do: "DELETE /attachments/<c>", Status: 200, Want: map[string]any{"attachments.#": 0}},
		{Name: "releasing a reservation is a change", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.updated_at": "!<t>"}},
	}, reserve("d", "v"), connect("d", "host-1"), []Case{
		{Name: "when it was connected", Do: "GET /volumes/<v>", Status: 200, Keep: map[string]string{"t": "volume.updated_at"}},
		{Name: "release the attaching", After: tick, Do: "DELETE /attachments/<d>", Status: 200},
		{Name: "available in the end", Do: "GET /volumes/<v>", Status: 200, Want: map[string]any{"volume.status": "available",
			"volume.updated_at": "!<t>"}},
	})
}

// attachRefusals are attachments that are not made or not changed.
func attachRefusals() Story {
	refuse := func(name, fields string, status int, says string) Case {
		return Case{Name: name, Do: "POST /attachments", Body: `{"attachment":{` + fields + `}}`, Status: status, Says: says}
	}
	return story("attach-refusals", newVolume("v", ""), []Case{
		refuse("no volume", ``, 400, "volume_uuid"),
		refuse("unknown volume", `"volume_uuid":"<nowhere>"`, 404, "could not be found"),
		refuse("malformed volume", `"volume_uuid":"x"`, 400, "volume_uuid"),
		refuse("empty instance", `"volume_uuid":"<v>","instance_uuid":""`, 400, "instance_uuid"),
		refuse("null instance", `"volume_uuid":"<v>","instance_uuid":null`, 400, "instance_uuid"),
		refuse("malformed instance", `"volume_uuid":"<v>","instance_uuid":"x"`, 400, "instance_uuid"),
		refuse("connector a text", `"volume_uuid":"<v>","connector":"h"`, 400, "connector"),
		{Name: "unknown field", Do: "POST /attachments", Status: 400, Says: "colour", Loose: inOrder,
			Body: `{"attachment":{"volume_uuid":"<v>","colour":"red"}}`},
		{Name: "mode before 3.54", Do: "POST /attachments", Status: 400, Says: "mode", Loose: inOrder,
			Body: `{"attachment":{"volume_uuid":"<v>","mode":"ro"}}`},
		{Name: "unknown mode", Version: "3.54", Do: "POST /attachments", Status: 400, Says: "mode",
			Body: `{"attachment":{"volume_uuid":"<v>","mode":"rx"}}`},
		{Name: "no attachment", Do: "POST /attachments", Body: `{}`, Status: 400},
		{Name: "none of it reserved", Do: "GET /volumes/<v>", Status: 200, Want: is("available")},
	}, reserve("a", "v"), []Case{
		{Name: "no connector", Do: "PUT /attachments/<a>", Body: `{"attachment":{}}`, Status: 400},
		{Name: "empty connector", Do: "PUT /attachments/<a>", Body: `{"attachment":{"connector":{}}}`, Status: 400},
		{Name: "null connector", Do: "PUT /attachments/<a>", Body: `{"attachment":{"connector":null}}`, Status: 400},
		{Name: "text connector", Do: "PUT /attachments/<a>", Body: `{"attachment":{"connector":"h"}}`, Status: 400},
		{Name: "connector without host", Do: "PUT /attachments/<a>", Status: 500,
			Body: `{"attachment":{"connector":{"initiator":"iqn.2026-01.org.example:x"}}}`},
		{Name: "no such action", Do: "POST /attachments/<a>/action", Body: `{"os-nothing":{}}`, Status: 400},
		{Name: "complete before 3.44", Version: "3.43", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 404},
		{Name: "connect nothing", Do: "PUT /attachments/<nowhere>", Status: 404, Body: connectBody("host-1")},
		{Name: "complete nothing", Do: "POST /attachments/<nowhere>/action", Body: `{"os-complete":{}}`, Status: 404},
		{Name: "delete nothing", Do: "DELETE /attachments/<nowhere>", Status: 404},
		{Name: "delete malformed id", Do: "DELETE /attachments/x", Status: 404},
		{Name: "error", As: admin, Do: "POST /volumes/<v>/action", Status: 202, Body: `{"os-reset_status":{"status":"error"}}`},
		{Name: "connect in error", Do: "PUT /attachments/<a>", Status: 500, Body: connectBody("host-1"), Says: "error state"},
		{Name: "complete in error", Do: "POST /attachments/<a>/action", Body: `{"os-complete":{}}`, Status: 204},
		{Name: "volume after completing", Do: "GET /volumes/<v>", Status: 200, Want: is("in-use")},
		{Name: "error again", As: admin, Do: "POST /volumes/<v>/action", Status: 202, Body: `{"os-reset_status":{"status":"error"}}`},
		{Name: "release in error", Do: "DELETE /attachments/<a>", Status: 200},
		{Name: "volume after releasing", Do: "GET /volumes/<v>", Status: 200, Want: is("available")},
	})
}

// attachModes: read-only ones, and a connector in the first call.
func attachModes() Story {
	return story("attach-modes", newVolume("v", ""), []Case{
		{Name: "read-only", Version: "3.54", Do: "POST /attachments", Status: 200, Keep: map[string]string{"a": "attachment.id"},
			Body: `{"attachment":{"volume_uuid":"<v>","mode":"ro"}}`, Want: map[string]any{"attachment.attach_mode": "ro"}},
		{Name: "connect", Version: "3.54", Do: "PUT /attachments/<a>", Status: 200, Body: connectBody("host-1"),
			Want: map[string]any{"attachment.attach_mode": "ro", "attachment.connection_info.access_mode": "rw"}},
		{Name: "shown", Do: "GET /attachments/<a>", Status: 200, Want: map[string]any{"attachment.attach_mode": "ro"}},
		{Name: "release", Do: "DELETE /attachments/<a>", Status: 200},
		{Name: "writable", Version: "3.54", Do: "POST /attachments", Status: 200, Keep: map[string]string{"b": "attachment.id"},
			Body: `{"attachment":{"volume_uuid":"<v>","mode":"rw"}}`, Want: map[string]any{"attachment.attach_mode": "rw"}},
		{Name: "release the writable", Do: "DELETE /attachments/<b>", Status: 200},
		{Name: "connected at once", Do: "POST /attachments", Status: 200, Keep: map[string]string{"c": "attachment.id"},
			Body: `{"attachment":{"volume_uuid":"<v>","connector":` + connectorOf("host-1") + `}}`,
			Want: attachmentIs("reserved")},
		{Name: "volume connected at once", Do: "GET /volumes/<v>", Status: 200, Want: is("attaching")},
		{Name: "shown connected at once", Do: "GET /attachments/<c>", Status: 200, Want: attachmentIs("attaching")},
		{Name: "release the connected", Do: "DELETE /attachments/<c>", Status: 200},
		{Name: "null connector", Do: "POST /attachments", Status: 200, Keep: map[string]string{"d": "attachment.id"},
			Body: `{"attachment":{"volume_uuid":"<v>","connector":null}}`, Want: attachmentIs("reserved")},
		{Name: "release it", Do: "DELETE /attachments/<d>", Status: 200},
		{Name: "empty connector", Do: "POST /attachments", Status: 200, Keep: map[string]string{"e": "attachment.id"},
			Body: `{"attachment":{"volume_uuid":"<v>","connector":{}}}`, Want: attachmentIs("reserved")},
	})
}
