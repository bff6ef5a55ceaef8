package cinder

import (
	"context"

	"github.com/openstack/fuxi/providers/openstack"
)

// Origin tells which volume a snapshot was made from (GET /snapshots/{id}).
func (p *Provider) Origin(ctx context.Context, snapshotID string) (string, error) {
	if err := checkID("snapshot", snapshotID); err != nil {
		return "", err
	}
	var answer struct {
		Snapshot struct {
			VolumeID openstack.Text `json:"volume_id"`
		} `json:"snapshot"`
	}
	if err := p.get(ctx, "show snapshot "+snapshotID, "snapshots/"+snapshotID, nil, &answer); err != nil {
		return "", err
	}
	return string(answer.Snapshot.VolumeID), nil
}
