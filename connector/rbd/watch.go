package rbd

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/openstack/fuxi/connector"
)

// Holders asks the storage which clients have the image open for writing: those
// that watch it. Mappings for reading only do not watch and are not seen. The
// mirroring daemon, which only copies, is no holder. A client that died without
// a word is one for 30 s more.
func (c *Connector) Holders(ctx context.Context, conn connector.Connection) ([]connector.Holder, error) {
	holders, err := c.holders(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("who has %s: %w", conn.VolumeID, err)
	}
	return holders, nil
}

func (c *Connector) holders(ctx context.Context, conn connector.Connection) ([]connector.Holder, error) {
	v, a, err := c.parseAndReach(ctx, conn)
	if err != nil {
		return nil, err
	}
	watchers, err := c.watchers(ctx, v, a)
	if err != nil {
		return nil, err
	}
	holders := []connector.Holder{}
	var mirrors map[string]bool
	for _, w := range watchers {
		holder := connector.Holder{Client: w.name(), Address: w.Address}
		if holder.Self, err = c.self(holder); err != nil {
			return nil, err
		}
		if !holder.Self && mirrors == nil {
			mirrors = c.mirrors(ctx, v, a)
		}
		if !mirrors[w.Address] {
			holders = append(holders, holder)
		}
	}
	return holders, nil
}

func (c *Connector) parseAndReach(ctx context.Context, conn connector.Connection) (volume, access, error) {
	if ctx.Err() != nil {
		return volume{}, access{}, context.Cause(ctx)
	}
	v, err := parsePlace(conn)
	if err == nil {
		err = c.checkOptions()
	}
	if err != nil {
		return v, access{}, err
	}
	a, err := c.reach(ctx, v)
	return v, a, err
}

// self tells whether a client is of this host: one of the kernel's, or any other
// program's from an address that is this host's.
func (c *Connector) self(holder connector.Holder) (bool, error) {
	mapped, err := c.host.RBDClients()
	if err != nil {
		return false, err
	}
	for _, d := range mapped {
		if d.Client == holder.Client && d.Address == holder.Address {
			return true, nil
		}
	}
	client, err := netip.ParseAddrPort(bareAddress(holder.Address))
	if err != nil {
		return false, nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	for _, o := range own {
		if ip, ok := o.(*net.IPNet); ok && ip.IP.Equal(client.Addr().AsSlice()) {
			return true, nil
		}
	}
	return false, nil
}

// mirrors are the addresses of the cluster's mirroring daemons. Who may not ask
// for them takes them for holders, which is the safe mistake.
func (c *Connector) mirrors(ctx context.Context, v volume, a access) map[string]bool {
	var dump struct {
		Services map[string]struct {
			Daemons map[string]any `json:"daemons"` // "summary" is a text
		} `json:"services"`
	}
	found := map[string]bool{}
	if err := c.ask(ctx, v, a, &dump, "ceph", "service", "dump"); err != nil {
		return found
	}
	for _, daemon := range dump.Services["rbd-mirror"].Daemons {
		if fields, ok := daemon.(map[string]any); ok {
			address, _ := fields["addr"].(string)
			found[address] = true
		}
	}
	return found
}
