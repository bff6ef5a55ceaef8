package manila

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// exportJSON is a place where a share can be mounted from. Plain members do not
// see those for administrators; an administrator does and must not use them.
type exportJSON struct {
	Path      openstack.Text `json:"path"`
	Preferred openstack.Flag `json:"preferred"`
	AdminOnly openstack.Flag `json:"is_admin_only"`
}

// exports lists where the share can be mounted from, best first: what a rule
// for an address of one family lets in to, then what lies in the configured
// networks, then what the cloud prefers, then the cloud's order. They are asked
// for at each use, for migration and failover change them.
func (p *Provider) exports(ctx context.Context, g grant) ([]string, error) {
	doing := "list the export locations of share " + g.share
	var answer struct {
		Exports *[]exportJSON `json:"export_locations"`
	}
	err := p.callIn(ctx, replicaVersion, openstack.Call{
		Method: http.MethodGet, Path: "shares/" + g.share + "/export_locations", Doing: doing,
	}, &answer)
	if err != nil {
		return nil, err
	}
	if answer.Exports == nil {
		return nil, p.nonsense(doing, "has no list of locations")
	}
	usable := slices.DeleteFunc(*answer.Exports, func(e exportJSON) bool { return bool(e.AdminOnly) || e.Path == "" })
	if len(usable) == 0 {
		return nil, volume.Errorf(volume.ErrUnavailable, "share %s has no export location that this account may use: see openstack share export location list %s", g.share, g.share)
	}
	slices.SortStableFunc(usable, func(a, b exportJSON) int { return cmp.Compare(p.rank(b, g), p.rank(a, g)) })
	paths := make([]string, 0, len(usable))
	for _, e := range usable {
		paths = append(paths, string(e.Path))
	}
	return paths, nil
}

func (p *Provider) rank(e exportJSON, g grant) (points int) {
	hosts := servers(string(e.Path))
	if own, err := netip.ParseAddr(g.to); err == nil && g.kind == byAddress &&
		!slices.ContainsFunc(hosts, func(a netip.Addr) bool { return a.Is4() != own.Is4() }) {
		points += 4
	}
	if slices.ContainsFunc(hosts, p.preferred) {
		points += 2
	}
	if e.Preferred {
		points++
	}
	return points
}

func (p *Provider) preferred(a netip.Addr) bool {
	return slices.ContainsFunc(p.cfg.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// servers are the addresses in an export path: 10.0.0.1:/path, [fd00::1]:/path,
// mon1:6789,[fd00::2]:6789:/volumes/… Host names are left out.
func servers(path string) []netip.Addr {
	at := strings.LastIndex(path, ":/")
	if at < 0 {
		return nil
	}
	var all []netip.Addr
	for _, server := range strings.Split(path[:at], ",") {
		if addr, err := netip.ParseAddr(strings.Trim(server, "[]")); err == nil {
			all = append(all, addr.Unmap())
		} else if pair, err := netip.ParseAddrPort(server); err == nil {
			all = append(all, pair.Addr().Unmap())
		}
	}
	return all
}

// filesystem is which filesystem of a Ceph cluster the share is in, "" when the
// cloud does not say: the option fs of the metadata that drivers leave for
// whoever mounts.
func (p *Provider) filesystem(ctx context.Context, v volume.Volume) (string, error) {
	metadata := v.Metadata
	if metadata == nil {
		fresh, err := p.readMetadata(ctx, v.ID)
		if err != nil {
			return "", err
		}
		metadata = fresh
	}
	for option := range strings.SplitSeq(metadata["__mount_options"], ",") {
		if fs, is := strings.CutPrefix(strings.TrimSpace(option), "fs="); is {
			return fs, nil
		}
	}
	return "", nil
}
