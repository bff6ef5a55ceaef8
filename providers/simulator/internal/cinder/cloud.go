package cinder

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// typeView is a type. The default one, asked for by that name, lacks what an
// extension adds to the others.
type typeView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Public      bool              `json:"is_public"`
	ExtraSpecs  map[string]string `json:"extra_specs"`
	Description *string           `json:"description"`
	Access      *bool             `json:"os-volume-type-access:is_public,omitempty"`
}

func viewType(t block.Type) typeView {
	public := true
	view := typeView{ID: t.ID, Name: t.Name, Public: true, ExtraSpecs: map[string]string{}, Access: &public}
	if t.Description != "" {
		view.Description = &t.Description
	}
	if t.Multiattach {
		view.ExtraSpecs["multiattach"] = "<is> True"
	}
	return view
}

func (a *API) listTypes(*call) (int, any, error) {
	return http.StatusOK, one("volume_types", views(block.Types(), viewType)), nil
}

func (a *API) showType(c *call) (int, any, error) {
	if c.id() == "default" {
		view := viewType(block.Types()[0])
		view.Access = nil
		return http.StatusOK, one("volume_type", view), nil
	}
	for _, t := range block.Types() {
		if t.ID == c.id() {
			return http.StatusOK, one("volume_type", viewType(t)), nil
		}
	}
	return 0, nil, block.Refuse(http.StatusNotFound, "Volume type %s could not be found.", c.id())
}

func (a *API) listZones(*call) (int, any, error) {
	return http.StatusOK, one("availabilityZoneInfo", []any{map[string]any{
		"zoneName": block.Zone, "zoneState": map[string]any{"available": true},
	}}), nil
}

func (a *API) showLimits(c *call) (int, any, error) {
	quota, usage := a.block.Quota(c.caller.Project), a.block.Usage(c.caller.Project)
	return http.StatusOK, one("limits", map[string]any{
		"rate": []any{},
		"absolute": map[string]any{
			"maxTotalVolumes": quota.Volumes, "totalVolumesUsed": usage.Volumes,
			"maxTotalVolumeGigabytes": quota.Gigabytes, "totalGigabytesUsed": usage.Gigabytes,
			"maxTotalSnapshots": quota.Snapshots, "totalSnapshotsUsed": usage.Snapshots,
			"maxTotalBackups": 10, "totalBackupsUsed": 0,
			"maxTotalBackupGigabytes": 1000, "totalBackupGigabytesUsed": 0,
		},
	}), nil
}

func (a *API) showQuota(c *call) (int, any, error) {
	if c.id() != c.caller.Project && !c.caller.Admin {
		return 0, nil, c.adminOnly("volume_extension:quotas:show")
	}
	quota, usage := a.block.Quota(c.id()), a.block.Usage(c.id())
	set := quotaSet(quota)
	set["id"] = c.id()
	if with, _ := boolean(c.r.URL.Query().Get("usage")); with {
		used := quotaSet(block.Quota(usage))
		for key, limit := range quotaSet(quota) {
			set[key] = map[string]any{"limit": limit, "in_use": used[key], "reserved": 0}
		}
	}
	return http.StatusOK, one("quota_set", set), nil
}

func quotaSet(q block.Quota) map[string]any {
	return map[string]any{"volumes": q.Volumes, "gigabytes": q.Gigabytes, "snapshots": q.Snapshots}
}

func (a *API) updateQuota(c *call) (int, any, error) {
	if err := c.adminOnly("volume_extension:quotas:update"); err != nil {
		return 0, nil, err
	}
	object, err := c.object("quota_set", nil, rules{
		"volumes": isLimit, "gigabytes": isLimit, "snapshots": isLimit,
	}, false)
	if err != nil {
		return 0, nil, err
	}
	quota := a.block.Quota(c.id())
	for key, field := range map[string]*int{
		"volumes": &quota.Volumes, "gigabytes": &quota.Gigabytes, "snapshots": &quota.Snapshots,
	} {
		if limit, ok := limitOf(object[key]); ok {
			*field = limit
		}
	}
	if err := a.block.SetQuota(c.id(), quota); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("quota_set", quotaSet(quota)), nil
}

func isLimit(value any) *flaw {
	if _, ok := limitOf(value); !ok {
		return flawed(value, "must be an integer of at least -1")
	}
	return nil
}

func limitOf(value any) (int, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(number.String())
	return n, err == nil && n >= -1 && n <= maxInt
}
