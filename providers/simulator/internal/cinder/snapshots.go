package cinder

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

type snapshotView struct {
	ID            string            `json:"id"`
	Created       string            `json:"created_at"`
	Updated       *string           `json:"updated_at"`
	Name          *string           `json:"name"`
	Description   *string           `json:"description"`
	VolumeID      string            `json:"volume_id"`
	Status        string            `json:"status"`
	Size          int               `json:"size"`
	Metadata      map[string]string `json:"metadata"`
	Project       string            `json:"os-extended-snapshot-attributes:project_id,omitempty"`
	Progress      string            `json:"os-extended-snapshot-attributes:progress,omitempty"`
	UserID        string            `json:"user_id,omitempty"`
	GroupID       json.RawMessage   `json:"group_snapshot_id,omitempty"`
	ConsumesQuota json.RawMessage   `json:"consumes_quota,omitempty"`
}

// shortSnapshot is the view for the short list.
func shortSnapshot(s *block.Snapshot) snapshotView {
	return snapshotView{
		ID: s.ID, Created: s.Created.Format(timeFormat), Updated: moment(s.Updated),
		Name: s.Name, Description: s.Description, VolumeID: s.VolumeID, Status: s.Status,
		Size: s.Size, Metadata: filled(s.Metadata),
	}
}

// viewSnapshot is the view for the long list and for one snapshot.
func viewSnapshot(c *call, s *block.Snapshot) snapshotView {
	view := plainSnapshot(c, s)
	view.Project, view.Progress = s.Project, "0%"
	if s.Status == block.Available {
		view.Progress = "100%"
	}
	return view
}

// plainSnapshot is the answer to a create, without what an extension adds.
func plainSnapshot(c *call, s *block.Snapshot) snapshotView {
	view := shortSnapshot(s)
	if c.version.has(14) {
		view.GroupID = null()
	}
	if c.version.has(withSnapshotUser) {
		view.UserID = s.User
	}
	if c.version.has(withConsumesQuota) {
		view.ConsumesQuota = json.RawMessage("true")
	}
	return view
}

func (a *API) createSnapshot(c *call) (int, any, error) {
	object, err := c.object("snapshot", []string{"volume_id"}, rules{
		"name": orNull(isText), "display_name": orNull(isText), "description": orNull(isText),
		"volume_id": isUUID, "force": isBool, "metadata": orNull(isMetadata),
	}, false)
	if err != nil {
		return 0, nil, err
	}
	if err := tooLong(object, "name", "description"); err != nil {
		return 0, nil, err
	}
	force, given := boolean(object["force"])
	if given && !force && c.version.has(withSnapshotInUse) {
		return 0, nil, block.Refuse(http.StatusBadRequest, "Since microversion 3.66 the 'force' flag is "+
			"invalid for this request.  For backward compatability, however, when the 'force' flag is "+
			"passed with a value evaluating to True, it is silently ignored.")
	}
	made, err := a.block.CreateSnapshot(c.caller, block.NewSnapshot{
		VolumeID: *text(object, "volume_id"), Name: trimmed(object, "name", "display_name"),
		Description: trimmed(object, "description"), Metadata: metadata(object["metadata"]),
		InUseToo: force || c.version.has(withSnapshotInUse),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, one("snapshot", plainSnapshot(c, made)), nil
}

func (a *API) showSnapshot(c *call) (int, any, error) {
	s, err := a.block.Snapshot(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("snapshot", viewSnapshot(c, s)), nil
}

func (a *API) deleteSnapshot(c *call) (int, any, error) {
	c.bare = true
	return http.StatusAccepted, nil, a.block.DeleteSnapshot(c.caller, c.id())
}

// snapshotList is the answer to a list.
type snapshotList struct {
	Snapshots []snapshotView `json:"snapshots"`
	Links     []link         `json:"snapshots_links,omitempty"`
}

func (a *API) listSnapshots(c *call) (int, any, error) { return a.snapshots(c, shortSnapshot) }

func (a *API) detailSnapshots(c *call) (int, any, error) {
	return a.snapshots(c, func(s *block.Snapshot) snapshotView { return viewSnapshot(c, s) })
}

func (a *API) snapshots(c *call, view func(*block.Snapshot) snapshotView) (int, any, error) {
	query := c.r.URL.Query()
	page, err := takePage(query)
	if err != nil {
		return 0, nil, err
	}
	if err := c.dropFilters(query, "status", "volume_id", "name", "metadata"); err != nil {
		return 0, nil, err
	}
	list := a.block.Snapshots(c.caller, query.Has("all_tenants"))
	list = slices.DeleteFunc(list, func(s *block.Snapshot) bool {
		return query.Has("status") && query.Get("status") != s.Status ||
			query.Has("volume_id") && query.Get("volume_id") != s.VolumeID ||
			query.Has("name") && (s.Name == nil || query.Get("name") != *s.Name)
	})
	list, err = cut(list, page, func(s *block.Snapshot) string { return s.ID },
		func(id string) error { _, err := a.block.Snapshot(c.caller, id); return err })
	if err != nil {
		return 0, nil, err
	}
	answer := snapshotList{Snapshots: views(list, view)}
	if len(list) > 0 && len(list) == page.limit {
		answer.Links = nextLink(c, strings.TrimPrefix(c.r.URL.Path, "/v3/"+c.r.PathValue("project")), list[len(list)-1].ID)
	}
	return http.StatusOK, answer, nil
}
