package nova

import (
	"net/http"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// Detach begins to detach a volume. Like Nova it marks the volume before it
// answers, does the rest afterwards, and says nothing when that fails: the volume
// is in use again.
func (n *Service) Detach(c block.Caller, server, volumeID string) error {
	var d *Disk
	err := n.update(func() error {
		s, err := n.server(c, server)
		if err != nil {
			return err
		}
		if _, err := n.block.Volume(c, volumeID); err != nil {
			return err
		}
		if d = n.disks.Get(diskKey(server, volumeID)); d == nil {
			return notAttached(server, volumeID)
		}
		if err := s.free("detach_volume", "active", "stopped", "paused", "suspended", "resized", "shelved", "shelved_offloaded"); err != nil {
			return err
		}
		return asInvalid(n.block.BeginDetaching(volumeID))
	})
	if err != nil {
		return err
	}
	n.later(func() { n.unplug(d) })
	return nil
}

// unplug does what Nova does after it has answered.
func (n *Service) unplug(d *Disk) {
	ignored := n.spend(d.ServerID, func(s *Server) *int { return &s.IgnoreDetach })
	if !ignored {
		err := n.opts.Hypervisor.Unplug(n.ctx, d.ServerID, Backing{Path: n.block.Path(d.VolumeID), Serial: d.VolumeID})
		if n.ctx.Err() != nil {
			return // the next start finishes it
		}
		ignored = err != nil
	}
	if ignored {
		_ = n.block.RollDetaching(d.VolumeID) // a failed write leaves the step to the next start
		return
	}
	n.forget(d)
}

// Delete ends a server; its volumes are detached with it.
func (n *Service) Delete(c block.Caller, id string) error {
	var disks []*Disk
	err := n.update(func() error {
		s, err := n.server(c, id)
		if err != nil {
			return err
		}
		if s.Locked && !c.Admin {
			return block.Refuse(http.StatusConflict, "Instance %s is locked", id)
		}
		disks = n.disksOf(id)
		n.servers.Delete(id)
		return nil
	})
	for _, d := range disks {
		_ = n.opts.Hypervisor.Unplug(n.ctx, id, Backing{Path: n.block.Path(d.VolumeID), Serial: d.VolumeID})
		n.forget(d)
	}
	return err
}
