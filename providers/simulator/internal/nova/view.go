package nova

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// timeFormat is Nova's: seconds and a Z.
const timeFormat = "2006-01-02T15:04:05Z"

// diskView is a volume attachment in the form of the caller's version.
func diskView(c *call, d *Disk) map[string]any {
	view := map[string]any{"volumeId": d.VolumeID, "serverId": d.ServerID, "device": d.Device}
	if !c.version.has(withoutID) {
		view["id"] = d.VolumeID
	} else {
		view["attachment_id"], view["bdm_uuid"] = d.Attachment, d.ID
	}
	if c.version.has(withTags) {
		view["tag"] = nil
	}
	if c.version.has(withTermination) {
		view["delete_on_termination"] = false
	}
	return view
}

func serverSummary(c *call, s *Server) map[string]any {
	base := keystone.BaseURL(c.r)
	return map[string]any{"id": s.ID, "name": s.Name, "links": []map[string]any{
		{"rel": "self", "href": base + "/v2.1/servers/" + s.ID},
		{"rel": "bookmark", "href": base + "/servers/" + s.ID},
	}}
}

// serverView is a server as far as a client can learn something from it here:
// there is neither flavor nor image nor network behind it.
func serverView(c *call, s *Server, disks []*Disk) map[string]any {
	host := sha256.Sum256([]byte(s.Project + hostName))
	view := serverSummary(c, s)
	attached := make([]map[string]any, 0, len(disks))
	for _, d := range disks {
		volume := map[string]any{"id": d.VolumeID}
		if c.version.has(3) {
			volume["delete_on_termination"] = false
		}
		attached = append(attached, volume)
	}
	var task any
	if s.Task != "" {
		task = s.Task
	}
	power := 1
	if s.Status != Active {
		power = 4
	}
	for key, value := range map[string]any{
		"status": s.Status, "tenant_id": s.Project, "user_id": s.User, "hostId": hex.EncodeToString(host[:28]),
		"created": s.Created.Format(timeFormat), "updated": s.Updated.Format(timeFormat),
		"metadata": map[string]any{}, "addresses": map[string]any{}, "image": "", "config_drive": "True",
		"OS-EXT-STS:vm_state": s.vmState(), "OS-EXT-STS:task_state": task, "OS-EXT-STS:power_state": power,
		"os-extended-volumes:volumes_attached": attached,
	} {
		view[key] = value
	}
	if c.version.has(9) {
		view["locked"] = s.Locked
	}
	return view
}
