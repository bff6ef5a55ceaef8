package manila

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Kinds of access that fuxi asks for.
const (
	byAddress = "ip"
	byClient  = "cephx"
)

// Metadata of access rules. A rule made by fuxi has ruleMark, and for each host
// that uses it, whoever made it, a hostMark with the host's name.
const (
	ruleMark = "fuxi:v"
	hostMark = "fuxi:host:"
	isSet    = "1"
)

// grant is what an attachment of a share is: access for one address or client.
// Its text, "SHARE/ip/10.0.0.5", is the attachment's id.
type grant struct{ share, kind, to string }

func (g grant) String() string { return g.share + "/" + g.kind + "/" + g.to }

// who is the holder of a grant in words.
func (g grant) who() string {
	if g.kind == byClient {
		return "client " + g.to
	}
	return g.to
}

func parseGrant(attachmentID string) (grant, error) {
	parts := strings.SplitN(attachmentID, "/", 3)
	if len(parts) != 3 || checkID("share", parts[0]) != nil || parts[2] == "" || parts[1] != byAddress && parts[1] != byClient {
		return grant{}, volume.Errorf(volume.ErrInvalid, "%q is not the id of a share's attachment, such as ID/ip/10.0.0.5", attachmentID)
	}
	return grant{parts[0], parts[1], parts[2]}, nil
}

// accessRule is an access rule as GET /share-access-rules shows it.
type accessRule struct {
	ID        openstack.Text  `json:"id"`
	Kind      openstack.Text  `json:"access_type"`
	To        openstack.Text  `json:"access_to"`
	Level     openstack.Text  `json:"access_level"`
	State     openstack.Text  `json:"state"`
	Key       openstack.Text  `json:"access_key"`
	Metadata  openstack.Words `json:"metadata"`
	CreatedAt openstack.Time  `json:"created_at"`
	UpdatedAt openstack.Time  `json:"updated_at"`
}

// ours tells whether fuxi made the rule, on whichever host.
func (r accessRule) ours() bool { return r.Metadata[ruleMark] != "" }

// hosts are those of fuxi that use the rule.
func (r accessRule) hosts() []string {
	var all []string
	for key := range r.Metadata {
		if host, is := strings.CutPrefix(key, hostMark); is && host != "" {
			all = append(all, host)
		}
	}
	return all
}

func (r accessRule) usedBy(host string) bool { return r.Metadata[hostMark+host] != "" }

// leaving tells whether somebody has asked for the rule's removal.
func (r accessRule) leaving() bool {
	return r.State == "queued_to_deny" || r.State == "denying"
}

// is tells whether the rule is for the grant's holder. Manila keeps addresses
// as they were written and takes 10.0.0.5 and 10.0.0.5/32 for the same.
func (r accessRule) is(g grant) bool {
	if string(r.Kind) != g.kind {
		return false
	}
	want := network(g.to)
	return string(r.To) == g.to || g.kind == byAddress && want.IsValid() && network(string(r.To)) == want
}

// network reads an address or a network; what is neither is not valid.
func network(s string) netip.Prefix {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
	}
	return netip.Prefix{}
}

// rules lists a share's access rules. ErrNotFound when there is no such share,
// which Manila says here with 400.
func (p *Provider) rules(ctx context.Context, share string) ([]accessRule, error) {
	doing := "list the access rules of share " + share
	var answer struct {
		Rules *[]accessRule `json:"access_list"`
	}
	err := p.get(ctx, doing, "share-access-rules", url.Values{"share_id": {share}}, &answer)
	if r := openstack.RefusalOf(err); r != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Message, "not found") {
		return nil, openstack.As(volume.ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	if answer.Rules == nil {
		return nil, p.nonsense(doing, "has no list of rules")
	}
	return *answer.Rules, nil
}

// find returns the rule for a grant's holder, nil when there is none.
func (p *Provider) find(ctx context.Context, g grant) (*accessRule, error) {
	all, err := p.rules(ctx, g.share)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].is(g) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// rule reads one rule anew; nil when it is gone.
func (p *Provider) rule(ctx context.Context, id string) (*accessRule, error) {
	if err := checkID("access rule", id); err != nil {
		return nil, err
	}
	doing := "show access rule " + id
	var answer struct {
		Rule accessRule `json:"access"`
	}
	err := p.get(ctx, doing, "share-access-rules/"+id, nil, &answer)
	if errors.Is(err, volume.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if answer.Rule.ID == "" {
		return nil, p.nonsense(doing, "has no id")
	}
	return &answer.Rule, nil
}

// allow makes a rule that says whose it is. The answer comes before the rule is
// applied.
func (p *Provider) allow(ctx context.Context, g grant, level string) (*accessRule, error) {
	doing := "let " + g.who() + " in to share " + g.share
	var answer struct {
		Rule accessRule `json:"access"`
	}
	err := p.callIn(ctx, errorVersion, openstack.Call{
		Method: http.MethodPost, Path: "shares/" + g.share + "/action", Doing: doing,
		Body: map[string]any{"allow_access": map[string]any{
			"access_type": g.kind, "access_to": g.to, "access_level": level,
			"metadata": map[string]string{ruleMark: isSet, hostMark + p.cfg.HostName: isSet},
		}},
	}, &answer)
	if err != nil {
		return nil, p.stateForbids(doing, err)
	}
	if answer.Rule.ID == "" {
		e := p.nonsense(doing, "has no id")
		e.Ambiguous = true
		return nil, e
	}
	return &answer.Rule, nil
}

// alreadyThere tells that Manila refused a rule because there is one for the
// same holder, of whatever level.
func alreadyThere(err error) bool {
	r := openstack.RefusalOf(err)
	return r != nil && (r.Status == http.StatusConflict || r.Status == http.StatusBadRequest && strings.Contains(r.Message, "exists"))
}

// deny asks for a rule's removal; one that is gone, or leaving, is success.
func (p *Provider) deny(ctx context.Context, g grant, id string) error {
	doing := "no longer let " + g.who() + " in to share " + g.share
	err := p.insist(ctx, func() error {
		return p.callIn(ctx, errorVersion, openstack.Call{
			Method: http.MethodPost, Path: "shares/" + g.share + "/action", Doing: doing,
			Body: map[string]any{"deny_access": map[string]string{"access_id": id}},
		}, nil)
	})
	if errors.Is(err, volume.ErrNotFound) {
		return nil
	}
	return p.stateForbids(doing, err)
}

// stateForbids: a share that is being extended, migrated, deleted does not have
// its rules changed, nor does one whose rules are locked. Both pass, and neither
// is the lack of a role, for which Manila's 403 would be taken.
func (p *Provider) stateForbids(doing string, err error) error {
	r := openstack.RefusalOf(err)
	if r == nil || !strings.Contains(r.Message, "invalid state") && (r.Status != http.StatusForbidden || policyForbids(r)) {
		return err
	}
	return volume.Errorf(volume.ErrConflict, "asking manila of cloud %q to %s: %w", p.session.Name(), doing, r)
}

// markHost notes this host in a rule.
func (p *Provider) markHost(ctx context.Context, id string) error {
	if err := checkID("access rule", id); err != nil {
		return err
	}
	return p.insist(ctx, func() error {
		return p.call(ctx, openstack.Call{
			Method: http.MethodPut, Path: "share-access-rules/" + id + "/metadata",
			Body:  map[string]any{"metadata": map[string]string{hostMark + p.cfg.HostName: isSet}},
			Doing: "note this host in access rule " + id,
		}, nil)
	})
}

// unmarkHost takes this host out of a rule; it may be out, or the rule gone.
func (p *Provider) unmarkHost(ctx context.Context, id string) error {
	if err := checkID("access rule", id); err != nil {
		return err
	}
	err := p.insist(ctx, func() error {
		return p.call(ctx, openstack.Call{
			Method: http.MethodDelete, Path: "share-access-rules/" + id + "/metadata/" + url.PathEscape(hostMark+p.cfg.HostName),
			Doing: "take this host out of access rule " + id,
		}, nil)
	})
	if errors.Is(err, volume.ErrNotFound) {
		return nil
	}
	return err
}
