package conformance

import (
	"slices"
	"strings"
)

// resets are the administrator's ways to set a state.
func resets() Story {
	const act = "POST /volumes/<v>/action"
	reset := func(name, fields string, status int) Case {
		return Case{Name: name, As: admin, Do: act, Body: `{"os-reset_status":{` + fields + `}}`, Status: status}
	}
	return story("resets", newVolume("v", ""), []Case{
		reset("unknown status", `"status":"asleep"`, 400),
		reset("nothing", ``, 400),
		reset("deleting", `"status":"deleting"`, 400),
		reset("in-use without attachment", `"status":"in-use"`, 400),
	}, reserve("a", "v"), []Case{
		reset("drop the attachments", `"status":"available","attach_status":"detached"`, 202),
		show("available", "v", "available"),
		{Name: "the attachment is gone", Do: "GET /attachments/<a>", Status: 404},
	})
}

// states are what the calls of fuxi meet in each state of a volume; one story
// for each, because each needs a volume.
func states() []Story {
	var all []Story
	for _, status := range []string{"creating", "error", "error_deleting", "error_extending", "error_restoring",
		"error_backing-up", "error_managing", "maintenance", "detaching", "attaching", "reserved", "backing-up", "restoring-backup", "downloading",
		"uploading", "retyping", "extending", "awaiting-transfer", "managing"} {
		all = append(all, inState(status))
	}
	return all
}

// deletable are the states in which a member may delete a volume.
func deletable() []string {
	return []string{"available", "error", "error_restoring", "error_extending", "error_managing"}
}

// shownAs: of volumes that are taken over from elsewhere Cinder hides it.
func shownAs(status string) string {
	switch status {
	case "managing":
		return "creating"
	case "error_managing":
		return "error"
	}
	return status
}

func inState(status string) Story {
	const volume = "/volumes/<v>"
	reset := Case{As: admin, Do: "POST " + volume + "/action", Status: 202, Body: `{"os-reset_status":{"status":"` + status + `"}}`}
	again := func(name string) Case {
		c := reset
		c.Name = name
		return c
	}
	cases := slices.Concat(newVolume("v", ""), []Case{
		again("reset"),
		show("shown", "v", shownAs(status)),
		{Name: "listed", Do: "GET /volumes?name=<name>&status=" + status, Status: 200, Want: count(1)},
	})
	reserved := Case{Name: "reserve", Do: "POST /attachments", Status: 400, Body: `{"attachment":{"volume_uuid":"<v>"}}`}
	reserved.Says = "status must be"
	if strings.Contains(status, "error") {
		reserved.Says = "error state"
	}
	if status == "downloading" {
		reserved.Says = ""
		reserved.Status, reserved.Keep = 200, map[string]string{"a": "attachment.id"}
		cases = append(cases, reserved,
			Case{Name: "release", Do: "DELETE /attachments/<a>", Status: 200},
			show("volume after releasing", "v", "available"), again("reset once more"))
	} else {
		cases = append(cases, reserved)
	}
	marked := Case{Name: "set a mark", Do: "POST " + volume + "/metadata", Status: 200, Body: `{"metadata":{"a":"b"}}`}
	if status == "maintenance" || status == "uploading" {
		marked.Status, marked.Says = 400, "not allowed for volumes in"
	}
	deleted := Case{Name: "delete", Do: "DELETE " + volume, Status: 400}
	if slices.Contains(deletable(), status) {
		deleted.Status = 202
	}
	return story("state-"+status, cases, []Case{
		marked,
		{Name: "extend", Version: "3.42", Do: "POST " + volume + "/action", Status: 400, Body: growTo("2"), Says: "status must be"},
		{Name: "snapshot", Do: "POST /snapshots", Status: 400, Body: `{"snapshot":{"volume_id":"<v>"}}`},
		{Name: "clone", Do: "POST /volumes", Status: 400, Body: `{"volume":{"source_volid":"<v>"}}`},
		deleted,
	})
}
