package cinder

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// extendVersion is the first that extends a volume in use; below it Cinder
// wants it available.
const extendVersion = "3.42"

var _ volume.Extender = (*Provider)(nil)

// Extend sends one os-extend. Cinder answers 202 when quota and status allow it
// and looks for room afterwards.
func (p *Provider) Extend(ctx context.Context, id string, sizeGiB int) error {
	if err := checkID("volume", id); err != nil {
		return err
	}
	err := p.call(ctx, openstack.Call{
		Method: http.MethodPost, Path: "volumes/" + id + "/action", Microversion: extendVersion,
		Body:  map[string]any{"os-extend": map[string]int{"new_size": sizeGiB}},
		Doing: fmt.Sprintf("extend volume %s to %d GiB", id, sizeGiB),
	}, nil)
	return extendError(err)
}

// extendError: a status that does not allow it is refused with 400, like a
// request that never will be allowed.
func extendError(err error) error {
	if r := openstack.RefusalOf(err); r != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Message, "status must be") {
		return openstack.As(volume.ErrConflict, err)
	}
	return err
}

// Complaint asks for the user messages about a volume, which are how Cinder's
// scheduler says that no backend has room: the volume shows nothing of it. They
// stay for a month, so only those of its last change count.
func (p *Provider) Complaint(ctx context.Context, v volume.Volume) string {
	if checkID("volume", v.ID) != nil {
		return ""
	}
	var answer struct {
		Messages openstack.List[messageJSON] `json:"messages"`
	}
	if p.get(ctx, "list the messages about volume "+v.ID, "messages", url.Values{"resource_uuid": {v.ID}}, &answer) != nil {
		return ""
	}
	var newest messageJSON
	for _, m := range answer.Messages {
		if strings.EqualFold(string(m.Of), v.ID) && m.CreatedAt.After(newest.CreatedAt.Time) {
			newest = m
		}
	}
	if newest.CreatedAt.Before(v.UpdatedAt.Add(-aboutNow)) {
		return ""
	}
	return strings.Join(strings.Fields(string(newest.Text)), " ")
}

// aboutNow is how much older a message may be than the volume's last change,
// which comes of the same failure.
const aboutNow = 10 * time.Second

// messageJSON is a user message as GET /messages shows it, since 3.3.
type messageJSON struct {
	Of        openstack.Text `json:"resource_uuid"`
	Text      openstack.Text `json:"user_message"`
	CreatedAt openstack.Time `json:"created_at"`
}
