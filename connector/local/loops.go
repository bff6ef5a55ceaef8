package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// connectFile finds or makes the loop device of a file.
func (c *Connector) connectFile(ctx context.Context, conn connector.Connection, b *backing) (connector.Source, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return connector.Source{}, context.Cause(ctx)
	}
	loops, err := c.withoutOutdated(ctx, conn, b)
	if err != nil {
		return connector.Source{}, err
	}
	loop, err := c.match(conn, b, loops)
	switch {
	case err == nil:
		return c.refresh(ctx, conn, b, loop)
	case !errors.Is(err, connector.ErrNotConnected):
		return connector.Source{}, err
	}
	loop, err = c.host.LoopAttach(ctx, b.file, c.label(conn), conn.Access == connector.ReadOnly)
	if err != nil {
		return connector.Source{}, err
	}
	src, err := c.proveLoop(conn, b, loop)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return connector.Source{}, errors.Join(err, c.host.LoopDetach(context.WithoutCancel(ctx), loop))
	}
	return src, nil
}

// refresh proves a device that was there before. One that is smaller than its
// file is told that the file has grown.
func (c *Connector) refresh(ctx context.Context, conn connector.Connection, b *backing, loop host.Loop) (connector.Source, error) {
	size, err := c.host.DeviceSize(loop.Device)
	if err != nil {
		return connector.Source{}, err
	}
	if size < b.size {
		if err := c.host.LoopResize(ctx, loop.Device); err != nil {
			return connector.Source{}, err
		}
	}
	return c.proveLoop(conn, b, loop)
}

// withoutOutdated takes away our devices of this volume that show an earlier
// file, or that were made for another access, and lists the others.
// connector.ErrBusy when one of them is in use.
func (c *Connector) withoutOutdated(ctx context.Context, conn connector.Connection, b *backing) (others []host.Loop, err error) {
	loops, err := c.host.Loops()
	if err != nil {
		return nil, err
	}
	readOnly := conn.Access == connector.ReadOnly
	for _, loop := range loops {
		if loop.Label != c.label(conn) || b.isBehind(loop) && loop.ReadOnly == readOnly {
			others = append(others, loop)
			continue
		}
		if err := c.host.LoopDetach(ctx, loop); err != nil {
			return nil, fmt.Errorf("%s is an outdated device of this volume: %w", loop.Device, err)
		}
	}
	return others, nil
}

// match returns the one of these loop devices that is ours and shows exactly
// this file.
// connector.ErrNotConnected when there is none; connector.ErrUnsafe when there
// are two, or when somebody else uses the file.
func (c *Connector) match(conn connector.Connection, b *backing, loops []host.Loop) (host.Loop, error) {
	var matches []host.Loop
	var names []string
	for _, loop := range loops {
		switch {
		case !b.isBehind(loop):
		case loop.Label == c.label(conn) && loop.Offset == 0 && loop.SizeLimit == 0:
			matches = append(matches, loop)
			names = append(names, loop.Device)
		case strings.HasPrefix(loop.Label, labelPrefix) && !c.ours(loop):
			// Another fuxi of this machine: who may have the volume is for the cloud to say.
		default:
			return host.Loop{}, fmt.Errorf("%s is in use by %s (labelled %q), which is not this volume's: %w: detach it with `losetup -d %s` if nobody needs it",
				b.path, loop.Device, loop.Label, connector.ErrUnsafe, loop.Device)
		}
	}
	switch len(matches) {
	case 0:
		return host.Loop{}, fmt.Errorf("no loop device shows %s: %w", b.path, connector.ErrNotConnected)
	case 1:
		return matches[0], nil
	}
	return host.Loop{}, fmt.Errorf("%s all show %s: %w: detach all but one", strings.Join(names, ", "), b.path, connector.ErrUnsafe)
}

// isBehind tells whether a loop device shows this file.
func (b *backing) isBehind(loop host.Loop) bool { return loop.Dev == b.dev && loop.Inode == b.inode }

// proveLoop reads size and identity of a matched device once more.
func (c *Connector) proveLoop(conn connector.Connection, b *backing, loop host.Loop) (connector.Source, error) {
	now, err := c.host.LoopStatus(loop.Device)
	if err != nil {
		return connector.Source{}, err
	}
	if !b.isBehind(now) || now.Label != c.label(conn) || now.Offset != 0 || now.SizeLimit != 0 {
		return connector.Source{}, fmt.Errorf("%s changed hands, it now shows inode %d labelled %q: %w", loop.Device, now.Inode, now.Label, connector.ErrUnsafe)
	}
	return c.source(conn, b, loop.Device)
}

// proveDevice checks a block device that was given as such.
func (c *Connector) proveDevice(conn connector.Connection, b *backing) (connector.Source, error) {
	return c.source(conn, b, b.device)
}

func (c *Connector) source(conn connector.Connection, b *backing, device string) (connector.Source, error) {
	size, err := c.host.DeviceSize(device)
	if err != nil {
		return connector.Source{}, err
	}
	if err := conn.CheckSize(size); err != nil {
		return connector.Source{}, fmt.Errorf("%s: %w", device, err)
	}
	return connector.Source{Device: device, SizeBytes: size, Proof: b.proof()}, nil
}
