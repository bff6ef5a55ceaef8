package nova

import (
	"context"
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Disconnect has the volume's disk written out and proves it idle; it is Nova
// that takes the disk away afterwards, so a virtio disk stays until then. A SCSI
// disk is taken out of the kernel first, because a guest that is not told of the
// removal would keep it as a dead one; a Connect that comes instead finds it
// again.
//
// A disk is asked for by its serial alone: one whose size is another, or two of
// them, are all proved idle before Nova is let near any.
func (c *Connector) Disconnect(ctx context.Context, conn connector.Connection) error {
	if err := c.disconnect(ctx, conn); err != nil {
		return fmt.Errorf("disconnect %s: %w", conn.VolumeID, err)
	}
	return nil
}

func (c *Connector) disconnect(ctx context.Context, conn connector.Connection) error {
	v, err := parse(conn)
	if err != nil {
		return err
	}
	drives, err := c.host.Drives()
	if err != nil {
		return err
	}
	all := v.matches(drives)
	for _, m := range all {
		if err := c.quiet(ctx, m.drive); err != nil {
			return err
		}
	}
	for _, m := range all {
		if m.drive.SCSI == nil || m.cut || len(all) > 1 {
			continue
		}
		if err := c.host.RemoveSCSIDisk(ctx, host.SCSIDisk{Address: *m.drive.SCSI, Name: m.drive.Name}, false); err != nil {
			return err
		}
	}
	return nil
}

// quiet proves that nobody uses a disk and that nothing of it is only in memory.
func (c *Connector) quiet(ctx context.Context, d host.Drive) error {
	device, err := c.host.BlockNode(d.Name)
	if err != nil {
		return err
	}
	if err := c.host.Exclusive(ctx, device, nil); err != nil {
		return err
	}
	return c.host.Settle(ctx, device)
}

// growth is how long a disk may take to show its new size after the cloud has
// extended the volume: the hypervisor tells the guest by an interrupt.
const growth = 20 * time.Second

// Resize waits until the disk has the size that the volume has now. virtio disks
// are told by the hypervisor; a SCSI disk is asked again.
func (c *Connector) Resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.resize(ctx, conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("resize %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

func (c *Connector) resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	v, err := parse(conn)
	if err != nil {
		return connector.Source{}, err
	}
	m, err := c.only(v)
	if err != nil {
		return connector.Source{}, err
	}
	small := int64(v.SizeGiB) << 30
	if m.drive.Size < small && m.drive.SCSI != nil {
		if err := c.host.RescanSCSI(ctx, *m.drive.SCSI); err != nil {
			return connector.Source{}, err
		}
	}
	patience, cancel := context.WithTimeout(ctx, growth)
	defer cancel()
	err = c.host.Poll(patience, fmt.Sprintf("%s to have %d GiB", m.drive.Device(), v.SizeGiB), func() (bool, error) {
		m, err = c.only(v)
		return m.drive.Size >= small, err
	})
	if err != nil && patience.Err() == nil || ctx.Err() != nil {
		return connector.Source{}, err
	}
	if m, err = c.look(v); err != nil { // too small still: its size says so
		return connector.Source{}, err
	}
	return c.source(v, m)
}
