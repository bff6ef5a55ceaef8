package cinder

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

type attachmentView struct {
	ID       string  `json:"id"`
	Status   string  `json:"status"`
	Instance *string `json:"instance"`
	VolumeID string  `json:"volume_id"`
}

// attachmentDetail shows times as empty strings when there are none.
type attachmentDetail struct {
	attachmentView
	AttachedAt string         `json:"attached_at"`
	DetachedAt string         `json:"detached_at"`
	Mode       string         `json:"attach_mode"`
	Connection map[string]any `json:"connection_info"`
}

func summarize(a *block.Attachment) attachmentView {
	return attachmentView{ID: a.ID, Status: a.Status, Instance: a.Instance, VolumeID: a.VolumeID}
}

func detail(a *block.Attachment) attachmentDetail {
	d := attachmentDetail{attachmentView: summarize(a), Mode: a.Mode, Connection: a.Connection}
	if d.Connection == nil {
		d.Connection = map[string]any{}
	}
	if !a.AttachedTime.IsZero() {
		d.AttachedAt = a.AttachedTime.Format(timeFormat)
	}
	return d
}

func one(name string, view any) map[string]any { return map[string]any{name: view} }

func (a *API) createAttachment(c *call) (int, any, error) {
	if err := c.need(withAttachments); err != nil {
		return 0, nil, err
	}
	allowed := rules{"volume_uuid": isUUID, "instance_uuid": isUUID, "connector": orNull(isObject)}
	if c.version.has(withMode) {
		allowed["mode"] = isMode
	}
	object, err := c.object("attachment", []string{"volume_uuid"}, allowed, false)
	if err != nil {
		return 0, nil, err
	}
	connector, _ := object["connector"].(map[string]any)
	mode, _ := object["mode"].(string)
	made, err := a.block.Reserve(c.caller, block.NewAttachment{
		VolumeID: *text(object, "volume_uuid"), Instance: text(object, "instance_uuid"),
		Mode: cmp.Or(mode, block.ModeUnset), Connector: connector,
	})
	if err != nil {
		return 0, nil, err
	}
	shown := *made // as it was reserved, but with the connection
	shown.Status, shown.AttachedTime = block.Reserved, time.Time{}
	return http.StatusOK, one("attachment", detail(&shown)), nil
}

func (a *API) updateAttachment(c *call) (int, any, error) {
	if err := c.need(withAttachments); err != nil {
		return 0, nil, err
	}
	object, err := c.object("attachment", []string{"connector"}, rules{"connector": isFilledObject}, false)
	if err != nil {
		return 0, nil, err
	}
	updated, err := a.block.Expose(c.caller, c.id(), object["connector"].(map[string]any))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("attachment", detail(updated)), nil
}

func (a *API) attachmentAction(c *call) (int, any, error) {
	if err := c.need(withComplete); err != nil {
		return 0, nil, err
	}
	if _, ok := c.body["os-complete"]; !ok || len(c.body) != 1 {
		return 0, nil, c.noAction()
	}
	return http.StatusNoContent, nil, a.block.Complete(c.caller, c.id())
}

func (a *API) deleteAttachment(c *call) (int, any, error) {
	if err := c.need(withAttachments); err != nil {
		return 0, nil, err
	}
	left, err := a.block.Release(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("attachments", views(left, summarize)), nil
}

func (a *API) showAttachment(c *call) (int, any, error) {
	if err := c.need(withAttachments); err != nil {
		return 0, nil, err
	}
	found, err := a.block.Attachment(c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("attachment", detail(found)), nil
}

func (a *API) listAttachments(c *call) (int, any, error) {
	list, err := a.attachments(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("attachments", views(list, summarize)), nil
}

func (a *API) detailAttachments(c *call) (int, any, error) {
	list, err := a.attachments(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("attachments", views(list, detail)), nil
}

// attachments filters and pages; like Cinder's it gives no link to a next page.
func (a *API) attachments(c *call) ([]*block.Attachment, error) {
	if err := c.need(withAttachments); err != nil {
		return nil, err
	}
	query := c.r.URL.Query()
	page, err := takePage(query)
	if err != nil {
		return nil, err
	}
	if err := c.dropFilters(query, "volume_id", "status", "instance_id", "attach_status"); err != nil {
		return nil, err
	}
	list := a.block.Attachments(c.caller, query.Has("all_tenants"), query.Get("volume_id"))
	list = slices.DeleteFunc(list, func(x *block.Attachment) bool { return !attachmentMatches(x, query) })
	return cut(list, page, func(x *block.Attachment) string { return x.ID },
		func(id string) error { _, err := a.block.Attachment(id); return err })
}

// attachmentMatches: status is a filter that Cinder accepts, but attachments have
// no such column, so it finds nothing.
func attachmentMatches(x *block.Attachment, query url.Values) bool {
	if query.Has("status") || query.Has("attach_status") && query.Get("attach_status") != x.Status {
		return false
	}
	return !query.Has("instance_id") || x.Instance != nil && *x.Instance == query.Get("instance_id")
}

// views puts a list into its form; an empty one is [] and not null.
func views[T, V any](list []T, view func(T) V) []V {
	out := make([]V, 0, len(list))
	for _, x := range list {
		out = append(out, view(x))
	}
	return out
}
