package manila

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Extend asks for a larger share, while hosts have it mounted or not. Manila
// answers 202 when quota and status allow it and looks for room afterwards.
func (p *Provider) Extend(ctx context.Context, id string, sizeGiB int) error {
	if err := checkID("share", id); err != nil {
		return err
	}
	err := p.call(ctx, openstack.Call{
		Method: http.MethodPost, Path: "shares/" + id + "/action",
		Body:  map[string]any{"extend": map[string]int{"new_size": sizeGiB}},
		Doing: fmt.Sprintf("extend share %s to %d GiB", id, sizeGiB),
	}, nil)
	if r := openstack.RefusalOf(err); r != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Message, "status must be") {
		return openstack.As(volume.ErrConflict, err)
	}
	return err
}

// Complaint asks for the user messages about a share, which are how Manila's
// scheduler and drivers say what went wrong: the share shows nothing of it.
// They stay for a month; only what was said in the last ten minutes counts.
func (p *Provider) Complaint(ctx context.Context, v volume.Volume) string {
	if checkID("share", v.ID) != nil {
		return ""
	}
	return p.complaint(ctx, v.ID)
}

func (p *Provider) complaint(ctx context.Context, share string) string {
	var answer struct {
		Messages openstack.List[messageJSON] `json:"messages"`
	}
	if p.get(ctx, "list the messages about share "+share, "messages", url.Values{"resource_id": {share}}, &answer) != nil {
		return ""
	}
	var newest messageJSON
	for _, m := range answer.Messages {
		if strings.EqualFold(string(m.Of), share) && m.CreatedAt.After(newest.CreatedAt.Time) {
			newest = m
		}
	}
	if time.Since(newest.CreatedAt.Time) > recently {
		return ""
	}
	return strings.Join(strings.Fields(string(newest.Text)), " ")
}

// whyFailed is a complaint, or that there is none.
func (p *Provider) whyFailed(ctx context.Context, share string) string {
	return cmp.Or(p.complaint(ctx, share), "it does not say why")
}

// messageJSON is a user message as GET /messages shows it, since 2.37.
type messageJSON struct {
	Of        openstack.Text `json:"resource_id"`
	Text      openstack.Text `json:"user_message"`
	CreatedAt openstack.Time `json:"created_at"`
}
