package cinder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// typeJSON is a volume type. Plain members see of its extra specs only
// multiattach and RESKEY:availability_zones, and before the Xena release none.
type typeJSON struct {
	ID         openstack.Text  `json:"id"`
	Name       openstack.Text  `json:"name"`
	ExtraSpecs openstack.Words `json:"extra_specs"`
}

// Check asks only about what the request names: one call each for the type (or
// the default type, for multiattach), the zone, the snapshot, the source
// volume. ErrInvalid names what is wrong and the nearest right word.
func (p *Provider) Check(ctx context.Context, req volume.NewVolume) error {
	if req.Type != "" || req.Multiattach {
		if err := p.checkType(ctx, req); err != nil {
			return err
		}
	}
	if req.Zone != "" {
		if err := p.checkZone(ctx, req.Zone); err != nil {
			return err
		}
	}
	if req.SnapshotID != "" {
		if err := p.checkSource(ctx, "snapshot", "snapshots/", req.SnapshotID, req.SizeGiB); err != nil {
			return err
		}
	}
	if req.SourceID != "" {
		return p.checkSource(ctx, "volume", "volumes/", req.SourceID, req.SizeGiB)
	}
	return nil
}

func (p *Provider) checkType(ctx context.Context, req volume.NewVolume) error {
	typ, err := p.findType(ctx, req.Type)
	if err != nil {
		return err
	}
	if req.Multiattach && typ.ExtraSpecs != nil && !isTrue(typ.ExtraSpecs["multiattach"]) {
		return volume.Errorf(volume.ErrInvalid, "volume type %q of cloud %q does not allow multiattach; choose a type that does, or leave multiattach out",
			typ.Name, p.session.Name())
	}
	zones := strings.Split(typ.ExtraSpecs["RESKEY:availability_zones"], ",")
	for i := range zones {
		zones[i] = strings.TrimSpace(zones[i])
	}
	if req.Zone != "" && zones[0] != "" && !slices.Contains(zones, req.Zone) {
		return volume.Errorf(volume.ErrInvalid, "volume type %q of cloud %q is for the zones %s, not for %q",
			typ.Name, p.session.Name(), strings.Join(zones, ", "), req.Zone)
	}
	return nil
}

// findType finds a type by name or id; "" is the default type.
func (p *Provider) findType(ctx context.Context, want string) (typeJSON, error) {
	if want == "" {
		var answer struct {
			Type typeJSON `json:"volume_type"`
		}
		err := p.get(ctx, "show the default volume type", "types/default", nil, &answer)
		if errors.Is(err, volume.ErrNotFound) {
			return typeJSON{}, nil // the cloud has none; then nothing is known
		}
		return answer.Type, err
	}
	var answer struct {
		Types *[]typeJSON `json:"volume_types"`
	}
	if err := p.get(ctx, "list the volume types", "types", nil, &answer); err != nil {
		return typeJSON{}, err
	}
	if answer.Types == nil {
		return typeJSON{}, p.nonsense("list the volume types", "has no list of types")
	}
	var names []string
	for _, t := range *answer.Types {
		if string(t.Name) == want || string(t.ID) == want {
			return t, nil
		}
		names = append(names, string(t.Name))
	}
	return typeJSON{}, unknown("volume type", want, p.session.Name(), names)
}

func (p *Provider) checkZone(ctx context.Context, want string) error {
	var answer struct {
		Zones *[]struct {
			Name  openstack.Text `json:"zoneName"`
			State struct {
				Available openstack.Flag `json:"available"`
			} `json:"zoneState"`
		} `json:"availabilityZoneInfo"`
	}
	doing := "list the availability zones"
	if err := p.get(ctx, doing, "os-availability-zone", nil, &answer); err != nil {
		return err
	}
	if answer.Zones == nil {
		return p.nonsense(doing, "has no list of zones")
	}
	var names []string
	for _, z := range *answer.Zones {
		switch {
		case !bool(z.State.Available):
		case string(z.Name) == want:
			return nil
		default:
			names = append(names, string(z.Name))
		}
	}
	return unknown("availability zone", want, p.session.Name(), names)
}

func (p *Provider) checkSource(ctx context.Context, what, path, id string, sizeGiB int) error {
	if err := checkID(what, id); err != nil {
		return err
	}
	var answer map[string]struct {
		Size openstack.Int `json:"size"`
	}
	err := p.get(ctx, "show "+what+" "+id, path+id, nil, &answer)
	if errors.Is(err, volume.ErrNotFound) {
		return volume.Errorf(volume.ErrInvalid, "cloud %q has no %s %s", p.session.Name(), what, id)
	}
	if err != nil {
		return err
	}
	if has := int(answer[what].Size); sizeGiB != 0 && has > sizeGiB {
		return volume.Errorf(volume.ErrInvalid, "%s %s has %d GiB: a volume made from it cannot have %d", what, id, has, sizeGiB)
	}
	return nil
}

func unknown(what, want, cloud string, names []string) error {
	slices.Sort(names)
	has := "it has none"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return volume.Errorf(volume.ErrInvalid, "%s", fmt.Sprintf("cloud %q has no %s %q; %s%s", cloud, what, want, has, openstack.Suggest(want, names)))
}

// isTrue reads the scheduler's spelling of true.
func isTrue(spec string) bool {
	return strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(spec), "<is>")), "true")
}
