package nova

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// Hypervisor host that Nova gives to Cinder as the connector of its servers.
const hostName = "sim-hypervisor"

// Attach begins to attach a volume. Like Nova it reserves the volume before it
// answers, and does the rest afterwards. multi tells whether the caller's version
// knows volumes of several servers.
func (n *Service) Attach(c block.Caller, server, volumeID, device string, multi bool) (*Disk, error) {
	made := &Disk{ID: uuid.NewString(), ServerID: server, VolumeID: volumeID, Device: device, Created: now()}
	err := n.update(func() error {
		s, err := n.server(c, server)
		if err != nil {
			return err
		}
		v, err := n.block.Volume(c, volumeID)
		if err != nil {
			return err
		}
		if err := n.attachable(s, v, multi); err != nil {
			return err
		}
		if made.Device == "" {
			made.Device = n.guess(server)
		}
		a, err := n.block.Reserve(c, block.NewAttachment{VolumeID: volumeID, Instance: &server})
		if err != nil {
			return asInvalid(err)
		}
		made.Attachment = a.ID
		n.disks.Put(diskKey(server, volumeID), made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.later(func() { n.plug(made) })
	return made, nil
}

// attachable refuses what Nova finds out by itself.
func (n *Service) attachable(s *Server, v *block.Volume, multi bool) error {
	if err := s.free("attach_volume", "active", "stopped", "paused", "suspended", "resized", "shelved", "shelved_offloaded"); err != nil {
		return err
	}
	has := n.disksOf(s.ID)
	switch {
	case n.disks.Get(diskKey(s.ID, v.ID)) != nil:
		return block.Refuse(http.StatusBadRequest, "Invalid volume: volume %s already attached", v.ID)
	case v.Multiattach && !multi:
		return block.Refuse(http.StatusBadRequest, "Multiattach volumes are only supported starting with compute API version 2.60.")
	case s.MaxDisks > 0 && len(has)+1 >= s.MaxDisks: // the server has one of its own
		return block.Refuse(http.StatusForbidden,
			"The maximum allowed number of disk devices (%d) to attach to a single instance has been exceeded.", s.MaxDisks)
	}
	return nil
}

// asInvalid is how Nova passes a refusal of Cinder's on.
func asInvalid(err error) error {
	var refusal *block.Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest {
		return block.Refuse(http.StatusBadRequest, "Invalid input received: %s (HTTP 400) (Request-ID: req-%s)", refusal.Message, uuid.NewString())
	}
	return err
}

// guess is the name that Nova thinks the guest gives to its next disk.
func (n *Service) guess(server string) string {
	taken := map[string]bool{}
	for _, d := range n.disksOf(server) {
		taken[d.Device] = true
	}
	for letter := 'b'; ; letter++ {
		if name := "/dev/vd" + string(letter); !taken[name] {
			return name
		}
	}
}

// plug does what Nova does after it has answered: the storage exports, the
// hypervisor plugs, the attachment is complete. On a failure all is taken back
// and nobody is told.
func (n *Service) plug(d *Disk) {
	b := Backing{Path: n.block.Path(d.VolumeID), Serial: d.VolumeID}
	err := n.export(d)
	if err == nil {
		err = n.opts.Hypervisor.Plug(n.ctx, d.ServerID, b)
	}
	if err == nil && n.spend(d.ServerID, func(s *Server) *int { return &s.FailAttach }) {
		err = errors.Join(errors.New("told to fail"), n.opts.Hypervisor.Unplug(n.ctx, d.ServerID, b))
	}
	if err == nil {
		err = n.block.Complete(block.Caller{Admin: true, Compute: true}, d.Attachment)
	}
	if n.ctx.Err() != nil {
		return // the next start finishes it
	}
	if err != nil {
		n.forget(d)
		return
	}
	plugged := *d
	plugged.Plugged = true
	_ = n.update(func() error { // a failed write leaves the step to the next start
		if n.disks.Get(diskKey(d.ServerID, d.VolumeID)) != nil {
			n.disks.Put(diskKey(d.ServerID, d.VolumeID), &plugged)
		}
		return nil
	})
}

// export gives the volume to the hypervisor's host.
func (n *Service) export(d *Disk) error {
	a, err := n.block.Attachment(d.Attachment)
	if err != nil || a.Status == block.Attached {
		return err
	}
	_, err = n.block.Expose(block.Caller{Admin: true, Compute: true}, d.Attachment, map[string]any{
		"host": hostName, "mountpoint": d.Device, "os_type": "linux", "platform": "x86_64", "multipath": false, "do_local_attach": false,
	})
	return err
}

// spend uses up one of a server's counted faults.
func (n *Service) spend(server string, counter func(*Server) *int) (is bool) {
	_ = n.update(func() error {
		s := n.servers.Get(server)
		if s == nil || *counter(s) <= 0 {
			return nil
		}
		is = true
		c := *s
		*counter(&c)--
		n.servers.Put(server, &c)
		return nil
	})
	return is
}

// forget ends an attachment for Nova and Cinder.
func (n *Service) forget(d *Disk) {
	_ = n.update(func() error {
		n.disks.Delete(diskKey(d.ServerID, d.VolumeID))
		return nil
	})
	_, _ = n.block.Release(block.Caller{Admin: true, Compute: true}, d.Attachment)
}
