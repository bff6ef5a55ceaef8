package manila

import (
	"net/http"

	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

func (a *API) createSnapshot(c *call) (int, any, error) {
	object, ok := c.body["snapshot"].(map[string]any)
	if !ok {
		return 0, nil, share.Refuse(http.StatusUnprocessableEntity, "Unable to process the contained instructions")
	}
	of := text(object, "share_id")
	if of == nil {
		return 0, nil, crashed()
	}
	made, err := a.shares.CreateSnapshot(c.caller, *of, text(object, "name", "display_name"), text(object, "description", "display_description"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, one("snapshot", viewSnapshot(c, made)), nil
}

func (a *API) showSnapshot(c *call) (int, any, error) {
	s, err := a.shares.Snapshot(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("snapshot", viewSnapshot(c, s)), nil
}

func (a *API) deleteSnapshot(c *call) (int, any, error) {
	return http.StatusAccepted, nil, a.shares.DeleteSnapshot(c.caller, c.id())
}

func (a *API) listSnapshots(c *call) (int, any, error) {
	query := c.r.URL.Query()
	everybody, of := c.caller.Admin && truth(query.Get("all_tenants")), query.Get("share_id")
	views := []any{}
	for _, s := range a.shares.Snapshots(func(s *share.Snapshot) bool {
		return (everybody || s.Project == c.caller.Project) && (of == "" || s.ShareID == of)
	}) {
		views = append(views, map[string]any{"id": s.ID, "name": s.Name, "links": links(c, "snapshots", s.ID)})
	}
	return http.StatusOK, one("snapshots", views), nil
}

func (a *API) listTypes(c *call) (int, any, error) {
	views := []any{}
	for _, t := range share.Types() {
		views = append(views, viewType(c, t))
	}
	return http.StatusOK, map[string]any{"share_types": views, "volume_types": views}, nil
}

func (a *API) defaultType(c *call) (int, any, error) {
	view := viewType(c, share.Types()[0])
	return http.StatusOK, map[string]any{"share_type": view, "volume_type": view}, nil
}

func (a *API) listNetworks(c *call) (int, any, error) {
	views := []any{}
	for _, n := range a.shares.Networks(c.caller.Project) {
		views = append(views, map[string]any{"id": n.ID, "name": n.Name})
	}
	return http.StatusOK, one("share_networks", views), nil
}

func (a *API) createNetwork(c *call) (int, any, error) {
	object, ok := c.body["share_network"].(map[string]any)
	if !ok {
		return 0, nil, share.Refuse(http.StatusUnprocessableEntity, "Unable to process the contained instructions")
	}
	n, err := a.shares.CreateNetwork(c.caller, text(object, "name"), text(object, "description"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("share_network", viewNetwork(n)), nil
}

func (a *API) deleteNetwork(c *call) (int, any, error) {
	return http.StatusAccepted, nil, a.shares.DeleteNetwork(c.caller, c.id())
}

func (a *API) listZones(*call) (int, any, error) {
	return http.StatusOK, one("availability_zones", []any{map[string]any{
		"id": share.ZoneID, "name": share.Zone, "created_at": "2026-01-01T00:00:00.000000", "updated_at": nil,
	}}), nil
}

func (a *API) listMessages(c *call) (int, any, error) {
	if err := c.need(withMessages); err != nil {
		return 0, nil, err
	}
	views := []any{}
	for _, m := range a.shares.Messages(c.caller.Project, c.r.URL.Query().Get("resource_id")) {
		views = append(views, viewMessage(c, m))
	}
	return http.StatusOK, one("messages", views), nil
}

func (a *API) showLimits(c *call) (int, any, error) {
	quota, usage := a.shares.Quota(c.caller.Project), a.shares.Usage(c.caller.Project)
	absolute := map[string]any{
		"maxTotalShares": quota.Shares, "totalSharesUsed": usage.Shares,
		"maxTotalShareGigabytes": quota.Gigabytes, "totalShareGigabytesUsed": usage.Gigabytes,
		"maxTotalShareSnapshots": quota.Snapshots, "totalShareSnapshotsUsed": usage.Snapshots,
		"maxTotalSnapshotGigabytes": quota.SnapshotGigabytes, "totalSnapshotGigabytesUsed": usage.SnapshotGigabytes,
		"maxTotalShareNetworks": 10, "totalShareNetworksUsed": len(a.shares.Networks(c.caller.Project)),
	}
	return http.StatusOK, one("limits", map[string]any{"rate": []any{}, "absolute": absolute}), nil
}

func (a *API) showQuota(c *call) (int, any, error) {
	if c.id() != c.caller.Project {
		if err := c.adminOnly(); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, one("quota_set", viewQuota(c.id(), a.shares.Quota(c.id()))), nil
}

func viewQuota(project string, q share.Quota) map[string]any {
	return map[string]any{
		"id": project, "shares": q.Shares, "gigabytes": q.Gigabytes, "snapshots": q.Snapshots,
		"snapshot_gigabytes": q.SnapshotGigabytes, "share_networks": 10,
		"share_groups": 50, "share_group_snapshots": 50,
	}
}

func (a *API) updateQuota(c *call) (int, any, error) {
	if err := c.adminOnly(); err != nil {
		return 0, nil, err
	}
	object, ok := c.body["quota_set"].(map[string]any)
	if !ok {
		return 0, nil, malformed()
	}
	quota := a.shares.Quota(c.id())
	for key, into := range map[string]*int{
		"shares": &quota.Shares, "gigabytes": &quota.Gigabytes, "snapshots": &quota.Snapshots, "snapshot_gigabytes": &quota.SnapshotGigabytes,
	} {
		if n, ok := integer(object[key]); ok && n >= -1 {
			*into = n
		}
	}
	if err := a.shares.SetQuota(c.id(), quota); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("quota_set", viewQuota(c.id(), quota)), nil
}
