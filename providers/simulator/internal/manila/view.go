package manila

import (
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

// viewShare is a share in the version asked for: each has added fields, and some
// have taken away or renamed.
func (a *API) viewShare(c *call, s *share.Share) map[string]any {
	kind := share.FindType(s.Type)
	v := map[string]any{
		"id": s.ID, "size": s.Size, "availability_zone": s.Zone, "created_at": s.Created.Format(timeFormat), "status": shownStatus(c, s),
		"name": s.Name, "description": s.Description, "project_id": s.Project, "snapshot_id": s.SnapshotID,
		"share_network_id": s.NetworkID, "share_proto": s.Proto, "metadata": filled(s.Metadata),
		"share_type": kind.Name, "volume_type": kind.Name, "links": links(c, "shares", s.ID), "is_public": s.Public,
	}
	if !c.version.has(withExports) {
		paths := []string{}
		for _, e := range s.Exports {
			paths = append(paths, e.Path)
		}
		v["export_locations"], v["export_location"] = paths, nil
		if len(paths) > 0 {
			v["export_location"] = paths[0]
		}
	}
	for _, f := range a.addedFields(s, kind) {
		if c.version.has(f.since) {
			v[f.name] = f.value
		}
	}
	if c.version.has(10) && !c.version.has(withRulesOnError) && v["access_rules_status"] == "syncing" {
		v["access_rules_status"] = "out_of_sync"
	}
	if c.caller.Admin {
		v["share_server_id"], v["host"] = nil, share.Host
	}
	return v
}

type field struct {
	since int
	name  string
	value any
}

func (a *API) addedFields(s *share.Share, kind *share.Type) []field {
	progress := any(nil)
	if s.Status != share.Creating {
		progress = "100%"
	}
	return []field{
		{2, "snapshot_support", true},
		{5, "task_state", nil},
		{6, "share_type_name", kind.Name},
		{6, "share_type", kind.ID},
		{10, "access_rules_status", a.shares.RulesStatus(s.ID)},
		{11, "replication_type", nil},
		{11, "has_replicas", false},
		{16, "user_id", s.User},
		{24, "create_share_from_snapshot_support", kind.Snapshots},
		{27, "revert_to_snapshot_support", false},
		{31, "share_group_id", nil},
		{31, "source_share_group_snapshot_member_id", nil},
		{32, "mount_snapshot_support", false},
		{withProgress, "progress", progress},
		{withRecycleBin, "is_soft_deleted", s.InBin},
		{withRecycleBin, "scheduled_to_be_deleted_at", nil},
		{withBackups, "source_backup_id", nil},
	}
}

// shownStatus: one status is newer than some clients.
func shownStatus(c *call, s *share.Share) string {
	if s.Status == "creating_from_snapshot" && !c.version.has(withProgress) {
		return share.Creating
	}
	return s.Status
}

func viewExport(c *call, e share.Export, detail bool) map[string]any {
	v := map[string]any{"id": e.ID, "path": e.Path}
	if c.version.has(withPreferred) {
		v["preferred"] = e.Preferred
	}
	if c.version.has(withExportMetadata) {
		v["metadata"] = map[string]string{}
	}
	if c.caller.Admin {
		v["share_instance_id"], v["is_admin_only"] = e.ID, e.AdminOnly
	}
	if detail {
		v["created_at"], v["updated_at"] = e.Created.Format(timeFormat), e.Created.Format(timeFormat)
	}
	return v
}

// viewRule: lists leave out the share, which they are of.
func viewRule(c *call, r *share.Rule, listed bool) map[string]any {
	v := map[string]any{"id": r.ID, "access_level": r.Level, "access_to": r.To, "access_type": r.Kind, "state": r.State}
	if !listed {
		v["share_id"] = r.ShareID
	}
	if c.version.has(21) {
		v["access_key"] = r.Key
	}
	if !c.version.has(withRulesOnError) && r.State != share.Active && r.State != share.Failed {
		v["state"] = "new"
	}
	if c.version.has(33) {
		v["created_at"], v["updated_at"] = r.Created.Format(timeFormat), moment(r.Updated)
	}
	if c.version.has(withRuleMetadata) {
		v["metadata"] = filled(r.Metadata)
	}
	return v
}

func viewSnapshot(c *call, s *share.Snapshot) map[string]any {
	v := map[string]any{
		"id": s.ID, "share_id": s.ShareID, "share_size": s.Size, "created_at": s.Created.Format(timeFormat), "status": s.Status,
		"name": s.Name, "description": s.Description, "size": s.Size, "share_proto": s.Proto, "links": links(c, "snapshots", s.ID),
	}
	if c.version.has(12) && c.caller.Admin {
		v["provider_location"] = nil
	}
	if c.version.has(17) {
		v["user_id"], v["project_id"] = s.User, s.Project
	}
	if c.version.has(withSnapshotMarks) {
		v["metadata"] = map[string]string{}
	}
	return v
}

func viewMessage(c *call, m *share.Message) map[string]any {
	return map[string]any{
		"id": m.ID, "project_id": m.Project, "action_id": "001", "detail_id": "001", "message_level": "ERROR",
		"created_at": m.Created.Format(timeFormat), "expires_at": m.Created.AddDate(0, 1, 0).Format(timeFormat), "request_id": nil,
		"links": links(c, "messages", m.ID), "resource_type": "SHARE", "resource_id": m.ShareID, "user_message": m.Text,
	}
}

func viewNetwork(n *share.Network) map[string]any {
	v := map[string]any{"id": n.ID, "name": n.Name, "project_id": n.Project, "created_at": n.Created.Format(timeFormat), "description": n.Description}
	for _, key := range []string{"updated_at", "neutron_net_id", "neutron_subnet_id", "network_type", "segmentation_id", "cidr", "ip_version", "gateway", "mtu"} {
		v[key] = nil
	}
	return v
}

// viewType: plain members see what shares of the type can do.
func viewType(c *call, t share.Type) map[string]any {
	servers := "False"
	if t.Servers {
		servers = "True"
	}
	extra := map[string]any{"snapshot_support": "True", "driver_handles_share_servers": servers}
	if t.Snapshots {
		extra["create_share_from_snapshot_support"] = "True"
	}
	if !c.caller.Admin && c.version.has(24) {
		for _, key := range []string{"create_share_from_snapshot_support", "revert_to_snapshot_support", "mount_snapshot_support"} {
			if extra[key] == nil {
				extra[key] = false
			}
		}
	}
	return map[string]any{
		"id": t.ID, "name": t.Name, "extra_specs": extra, "required_extra_specs": map[string]any{"driver_handles_share_servers": servers},
		"share_type_access:is_public": true, "description": nil,
	}
}

func nextLink(c *call, collection, marker string) []map[string]string {
	query := c.r.URL.Query()
	query.Set("marker", marker)
	return []map[string]string{{"rel": "next", "href": keystone.BaseURL(c.r) + Root + collection + "?" + query.Encode()}}
}
