package rbd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// fenceSeconds is how long a client stays shut out: a year. By default it would
// be an hour, and what the client still has in flight could be written then.
const fenceSeconds = "31536000"

// Fence puts the holder's client on the cluster's blocklist and reads it back:
// from then on no storage daemon takes anything from that client, for a year.
// Every mapping has a client of its own here, so nothing else of that host is
// touched; of a virtual machine it is the whole client of its hypervisor process.
func (c *Connector) Fence(ctx context.Context, conn connector.Connection, holder connector.Holder) error {
	err := c.fence(ctx, conn, holder)
	if err != nil {
		return fmt.Errorf("shut %s at %s out of %s: %w", holder.Client, holder.Address, conn.VolumeID, err)
	}
	return nil
}

func (c *Connector) fence(ctx context.Context, conn connector.Connection, holder connector.Holder) error {
	own, err := c.self(holder)
	if err != nil {
		return err
	}
	if own || holder.Self {
		return fmt.Errorf("it is this host: %w", connector.ErrUnsafe)
	}
	v, a, err := c.fencing(ctx, conn, holder)
	if err != nil {
		return err
	}
	if err := c.blocklist(ctx, v, a, "add", holder.Address, fenceSeconds); err != nil {
		return err
	}
	listed, err := c.blocklisted(ctx, v, a, holder.Address)
	if err == nil && !listed {
		err = fmt.Errorf("the cluster took it and does not list it: look at `ceph osd blocklist ls`")
	}
	return err
}

// Unfence takes the holder's client off the blocklist. A host that maps anew has
// a new client, and needs none of it.
func (c *Connector) Unfence(ctx context.Context, conn connector.Connection, holder connector.Holder) error {
	v, a, err := c.fencing(ctx, conn, holder)
	var listed bool
	if err == nil {
		listed, err = c.blocklisted(ctx, v, a, holder.Address)
	}
	if err == nil && listed {
		err = c.blocklist(ctx, v, a, "rm", holder.Address)
	}
	if err != nil {
		return fmt.Errorf("let %s at %s in to %s again: %w", holder.Client, holder.Address, conn.VolumeID, err)
	}
	return nil
}

// fencing checks what goes to the cluster as an argument.
func (c *Connector) fencing(ctx context.Context, conn connector.Connection, holder connector.Holder) (volume, access, error) {
	if _, err := netip.ParseAddrPort(bareAddress(holder.Address)); err != nil || !strings.Contains(holder.Address, "/") {
		return volume{}, access{}, fmt.Errorf("%q is no address of a client: %w: one is written 10.0.0.5:0/1234567", holder.Address, connector.ErrUnsupported)
	}
	return c.parseAndReach(ctx, conn)
}

// bareAddress is the network half of a client's address: "10.0.0.5:0" of
// "v1:10.0.0.5:0/1234567".
func bareAddress(address string) string {
	address, _, _ = strings.Cut(address, "/")
	return strings.TrimPrefix(strings.TrimPrefix(address, "v1:"), "v2:")
}

// blocklist changes the list.
func (c *Connector) blocklist(ctx context.Context, v volume, a access, args ...string) error {
	res, err := c.tool(ctx, v, a, "ceph", append([]string{"osd", "blocklist"}, args...)...)
	if err != nil {
		return err
	}
	return denied(v, res, "ceph osd blocklist "+strings.Join(args, " "), "mon 'allow command \"osd blocklist\"' beside profile rbd")
}

// denied explains a refusal by what is missing.
func denied(v volume, res host.Result, what, capability string) error {
	err := res.Check(what)
	if err != nil && strings.Contains(err.Error(), "EACCES") {
		return fmt.Errorf("%w: client.%s lacks the capability: it needs %s (%s): %w", err, v.user, v.capabilities(), capability, connector.ErrUnsupported)
	}
	return err
}

func (c *Connector) blocklisted(ctx context.Context, v volume, a access, address string) (bool, error) {
	var list []struct {
		Address string `json:"addr"`
	}
	if err := c.ask(ctx, v, a, &list, "ceph", "osd", "blocklist", "ls"); err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(e struct {
		Address string `json:"addr"`
	}) bool {
		return e.Address == address
	}), nil
}
