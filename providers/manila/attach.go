package manila

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

var (
	_ volume.Provider = (*Provider)(nil)
	_ volume.Attacher = (*Provider)(nil)
	_ volume.Extender = (*Provider)(nil)
)

// Reserve names the access that Expose will grant and claims nothing: a share is
// for many hosts, and one grant serves readers and writers of this host. It is "SHARE/ip/ADDRESS", and for CephFS "SHARE/cephx/CLIENT".
// The cloud is asked only about a share that was not read since the start.
func (p *Provider) Reserve(ctx context.Context, shareID string, _ bool) (string, error) {
	if err := checkID("share", shareID); err != nil {
		return "", err
	}
	proto, known := p.protocols.Load(shareID)
	if !known {
		v, err := p.Get(ctx, shareID)
		if err != nil {
			return "", err
		}
		proto = v.Share
	}
	g, err := p.grantFor(shareID, proto.(string))
	if err != nil {
		return "", err
	}
	return g.String(), nil
}

// grantFor is what this host needs for a share of a protocol.
func (p *Provider) grantFor(share, proto string) (grant, error) {
	if p.cfg.HostName == "" {
		return grant{}, volume.Errorf(volume.ErrInvalid, "this host has no name, without which nobody could tell whose its access to share %s is: set host.name in fuxi.toml", share)
	}
	switch proto {
	case NFS:
		ip, err := netip.ParseAddr(p.cfg.HostIP)
		if err != nil {
			return grant{}, volume.Errorf(volume.ErrInvalid, "share %s is let in to by address, and %q is none: set host.ip in fuxi.toml to this host's address on the storage network", share, p.cfg.HostIP)
		}
		return grant{share, byAddress, ip.Unmap().String()}, nil
	case CephFS:
		return grant{share, byClient, client(p.cfg.HostName)}, nil
	}
	return grant{}, volume.Errorf(volume.ErrInvalid, "share %s is of protocol %s: fuxi mounts %s and %s", share, proto, NFS, CephFS)
}

// client is the CephFS client of a host. Manila does not allow periods in it.
func client(host string) string { return "fuxi-" + strings.ReplaceAll(host, ".", "_") }

// Complete looks once more, now that the share is mounted, whether this host is
// still let in: another behind the same address may have been taking the rule
// away when this one joined it. ErrUnavailable then: beginning anew helps.
func (p *Provider) Complete(ctx context.Context, attachmentID string) error {
	g, err := parseGrant(attachmentID)
	if err != nil {
		return err
	}
	rule, err := p.find(ctx, g)
	if err == nil && (rule == nil || rule.leaving()) {
		return volume.Errorf(volume.ErrUnavailable, "the access rule for %s on share %s was taken away at the moment this host joined it: try again", g.who(), g.share)
	}
	return err
}

// Attachments tells who is let in to a share: one row for each host of fuxi that
// uses an access rule, and one for each rule that none of them uses, whose
// holder is then what the rule lets in. Hosts behind one address have rows with
// one id. Manila does not know who is connected.
func (p *Provider) Attachments(ctx context.Context, shareID string) ([]volume.Attachment, error) {
	if err := checkID("share", shareID); err != nil {
		return nil, err
	}
	rules, err := p.rules(ctx, shareID)
	if err != nil {
		return nil, err
	}
	var rows []volume.Attachment
	for _, r := range rules {
		row := volume.Attachment{
			ID: grant{shareID, string(r.Kind), spelled(r)}.String(), Status: attachStatus(r.State), UpdatedAt: r.UpdatedAt.Time,
		}
		if row.UpdatedAt.IsZero() {
			row.UpdatedAt = r.CreatedAt.Time
		}
		hosts := r.hosts()
		slices.Sort(hosts)
		for _, host := range hosts {
			row.Holder = host
			rows = append(rows, row)
		}
		if len(hosts) == 0 && !r.ours() { // ours without a host is what a failed Release left
			row.Holder, row.Foreign = string(r.To), true
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// spelled is a rule's holder as an attachment's id spells it: an operator may
// have written this host's address another way.
func spelled(r accessRule) string {
	if n := network(string(r.To)); string(r.Kind) == byAddress && n.IsValid() && n.IsSingleIP() {
		return n.Addr().String()
	}
	return string(r.To)
}

// attachStatus is a rule's state in the words of attachments.
func attachStatus(state openstack.Text) string {
	switch state {
	case "active":
		return "attached"
	case "queued_to_apply", "applying", "new":
		return "attaching"
	case "queued_to_deny", "denying":
		return "detaching"
	case "error":
		return "error_attaching"
	}
	return string(state)
}
