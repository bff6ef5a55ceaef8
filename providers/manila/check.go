package manila

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// typeJSON is a share type. Plain members see of its extra specs those that
// every type must have.
type typeJSON struct {
	ID       openstack.Text  `json:"id"`
	Name     openstack.Text  `json:"name"`
	Required openstack.Words `json:"required_extra_specs"`
	Extra    openstack.Words `json:"extra_specs"`
}

// snapshotJSON is a snapshot of a share.
type snapshotJSON struct {
	ID      openstack.Text `json:"id"`
	ShareID openstack.Text `json:"share_id"`
	Size    openstack.Int  `json:"share_size"`
	Proto   openstack.Text `json:"share_proto"`
}

// Check asks only about what the request names or the defaults put into it: one
// call each for the type, the network, the zone and the snapshot. ErrInvalid
// names what is wrong and the nearest right word. Which protocols a cloud has it
// tells nobody: only those that fuxi mounts are known.
func (p *Provider) Check(ctx context.Context, req volume.NewVolume) error {
	if req.SnapshotID != "" {
		if err := p.checkSnapshot(ctx, req); err != nil {
			return err
		}
	}
	body, err := p.asked(ctx, req)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{NFS, CephFS}, body.Proto) {
		return unknown("protocol of shares", body.Proto, "fuxi", []string{NFS, CephFS})
	}
	if err := errors.Join(checkMetadata(req.Metadata), p.checkNetwork(ctx, body.Network)); err != nil {
		return err
	}
	if err := p.checkType(ctx, body); err != nil {
		return err
	}
	return p.checkZone(ctx, body.Zone)
}

func (p *Provider) checkType(ctx context.Context, body createBody) error {
	if body.SnapshotID != "" && body.Type == "" {
		return nil
	}
	typ, err := p.findType(ctx, body.Type)
	if err != nil || typ.Name == "" {
		return err
	}
	servers := openstack.Text(typ.Required["driver_handles_share_servers"])
	if strings.EqualFold(string(servers), "true") && body.Network == "" && body.SnapshotID == "" {
		return volume.Errorf(volume.ErrInvalid, "share type %q of cloud %q makes share servers of its own and needs a share network: give share_network=ID (openstack share network list)", typ.Name, p.session.Name())
	}
	return checkTypeZones(typ, body.Zone, p.session.Name())
}

func checkTypeZones(typ typeJSON, zone, cloud string) error {
	var zones []string
	for z := range strings.SplitSeq(typ.Extra["availability_zones"], ",") {
		if z = strings.TrimSpace(z); z != "" {
			zones = append(zones, z)
		}
	}
	if zone != "" && len(zones) > 0 && !slices.Contains(zones, zone) {
		return volume.Errorf(volume.ErrInvalid, "share type %q of cloud %q is for the zones %s, not for %q", typ.Name, cloud, strings.Join(zones, ", "), zone)
	}
	return nil
}

// findType finds a type by name or id; "" is the default type, and the zero
// typeJSON means that the cloud has none.
func (p *Provider) findType(ctx context.Context, want string) (typeJSON, error) {
	if want == "" {
		var answer struct {
			Type typeJSON `json:"share_type"`
		}
		err := p.get(ctx, "show the default share type", "types/default", nil, &answer)
		if errors.Is(err, volume.ErrNotFound) {
			return typeJSON{}, nil
		}
		return answer.Type, err
	}
	var answer struct {
		Types *[]typeJSON `json:"share_types"`
	}
	doing := "list the share types"
	if err := p.get(ctx, doing, "types", nil, &answer); err != nil {
		return typeJSON{}, err
	}
	if answer.Types == nil {
		return typeJSON{}, p.nonsense(doing, "has no list of types")
	}
	var names []string
	for _, t := range *answer.Types {
		if string(t.Name) == want || string(t.ID) == want {
			return t, nil
		}
		names = append(names, string(t.Name))
	}
	return typeJSON{}, unknown("share type", want, p.inCloud(), names)
}

func (p *Provider) checkNetwork(ctx context.Context, want string) error {
	if want == "" {
		return nil
	}
	var answer struct {
		Networks *[]struct {
			ID   openstack.Text `json:"id"`
			Name openstack.Text `json:"name"`
		} `json:"share_networks"`
	}
	doing := "list the share networks"
	if err := p.get(ctx, doing, "share-networks", nil, &answer); err != nil {
		return err
	}
	if answer.Networks == nil {
		return p.nonsense(doing, "has no list of networks")
	}
	var ids []string
	for _, n := range *answer.Networks {
		if string(n.ID) == want {
			return nil
		}
		if string(n.Name) == want {
			return volume.Errorf(volume.ErrInvalid, "share networks are given by id: %s is %s", want, n.ID)
		}
		ids = append(ids, string(n.ID))
	}
	return unknown("share network", want, p.inCloud(), ids)
}

func (p *Provider) checkZone(ctx context.Context, want string) error {
	if want == "" {
		return nil
	}
	var answer struct {
		Zones *[]struct {
			Name openstack.Text `json:"name"`
		} `json:"availability_zones"`
	}
	doing := "list the availability zones"
	if err := p.get(ctx, doing, "availability-zones", nil, &answer); err != nil {
		return err
	}
	if answer.Zones == nil {
		return p.nonsense(doing, "has no list of zones")
	}
	var names []string
	for _, z := range *answer.Zones {
		if string(z.Name) == want {
			return nil
		}
		names = append(names, string(z.Name))
	}
	return unknown("availability zone", want, p.inCloud(), names)
}

func (p *Provider) checkSnapshot(ctx context.Context, req volume.NewVolume) error {
	snap, err := p.snapshot(ctx, req.SnapshotID)
	if errors.Is(err, volume.ErrNotFound) {
		return volume.Errorf(volume.ErrInvalid, "%s has no snapshot %s of a share", p.inCloud(), req.SnapshotID)
	}
	if err != nil {
		return err
	}
	if has := int(snap.Size); req.SizeGiB != 0 && has > req.SizeGiB {
		return volume.Errorf(volume.ErrInvalid, "snapshot %s has %d GiB: a share made from it cannot have %d", req.SnapshotID, has, req.SizeGiB)
	}
	return nil
}

// Origin tells which share a snapshot was made from (GET /snapshots/{id}).
func (p *Provider) Origin(ctx context.Context, snapshotID string) (string, error) {
	snap, err := p.snapshot(ctx, snapshotID)
	return string(snap.ShareID), err
}

func (p *Provider) snapshot(ctx context.Context, id string) (snapshotJSON, error) {
	if err := checkID("snapshot", id); err != nil {
		return snapshotJSON{}, err
	}
	doing := "show snapshot " + id
	var answer struct {
		Snapshot snapshotJSON `json:"snapshot"`
	}
	if err := p.get(ctx, doing, "snapshots/"+id, nil, &answer); err != nil {
		return snapshotJSON{}, err
	}
	if answer.Snapshot.ID == "" {
		return snapshotJSON{}, p.nonsense(doing, "has no id")
	}
	return answer.Snapshot, nil
}

func (p *Provider) inCloud() string { return "cloud \"" + p.session.Name() + "\"" }

// unknown says that something of a kind is not there, and what is.
func unknown(kind, want, where string, names []string) error {
	slices.Sort(names)
	has := "it has none"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return volume.Errorf(volume.ErrInvalid, "%s has no %s %q; %s%s", where, kind, want, has, openstack.Suggest(want, names))
}
