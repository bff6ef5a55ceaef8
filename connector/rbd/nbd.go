package rbd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// nbdLimit is how long rbd-nbd may take to map an image: a dead client that has
// its lock is waited for.
const nbdLimit = time.Minute

// nbd tells whether the volume is, or is to be, mapped by rbd-nbd. What was
// mapped before the setting changed stays what it is.
func (c *Connector) nbd(v volume) bool {
	if mapper := v.Proven[proofMapper]; mapper != "" {
		return mapper == NBD
	}
	return c.options.Mapper == NBD
}

// nbdMark is what a process of ours has in its environment: the volume, and who
// the image was when it was opened. As long as the process has it open, it cannot
// be deleted, nor made anew.
type nbdMark struct{ volume, fsid, imageID string }

func (m nbdMark) String() string { return strings.Join([]string{m.volume, m.fsid, m.imageID}, " ") }

func parseMark(text string) (m nbdMark, ok bool) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return m, false
	}
	return nbdMark{words[0], words[1], words[2]}, true
}

// served returns the devices of the image that rbd-nbd serves for this volume,
// and those for somebody else.
func (c *Connector) served(v volume) (mine, others []host.NBDDevice, err error) {
	all, err := c.host.RBDOverNBD()
	for _, d := range all {
		if !slices.Contains(d.Args, v.image.String()) {
			continue
		}
		if mark, ok := parseMark(d.Mark); ok && mark.volume == v.VolumeID {
			mine = append(mine, d)
		} else {
			others = append(others, d)
		}
	}
	return mine, others, err
}

func (c *Connector) findNBD(v volume) (connector.Source, error) {
	mine, _, err := c.served(v)
	if err != nil {
		return connector.Source{}, err
	}
	return c.nbdSource(v, mine)
}

// nbdSource proves that the one device is the volume.
func (c *Connector) nbdSource(v volume, mine []host.NBDDevice) (connector.Source, error) {
	if len(mine) == 0 {
		return connector.Source{}, connector.ErrNotConnected
	}
	if len(mine) > 1 {
		return connector.Source{}, fmt.Errorf("%s is mapped %d times on this host: %w: unmap all but the one in use, by `rbd-nbd unmap`", v.image, len(mine), connector.ErrUnsafe)
	}
	d := mine[0]
	mark, _ := parseMark(d.Mark)
	if err := v.prove(host.RBDDevice{Image: v.image, FSID: mark.fsid, ImageID: mark.imageID, Name: d.Name}); err != nil {
		return connector.Source{}, err
	}
	if d.ReadOnly != (v.Access == connector.ReadOnly) {
		return connector.Source{}, fmt.Errorf("%s is mapped for another access than %s: %w", d.Device(), v.Access, connector.ErrNotConnected)
	}
	size, err := c.host.BlockSize(d.Name)
	if err != nil {
		return connector.Source{}, err
	}
	if err := v.CheckSize(size); err != nil {
		return connector.Source{}, fmt.Errorf("%s %w", d.Device(), err)
	}
	device, err := c.host.BlockNode(d.Name)
	if err != nil {
		return connector.Source{}, err
	}
	exclusive := fmt.Sprint(slices.Contains(d.Args, "--exclusive"))
	return connector.Source{Device: device, SizeBytes: size, Proof: map[string]string{proofMapper: NBD, proofFSID: mark.fsid,
		proofImage: v.image.String(), proofImageID: mark.imageID, proofExclusive: exclusive}}, nil
}

// connectNBD does the work of Connect with rbd-nbd.
func (c *Connector) connectNBD(ctx context.Context, v volume) (connector.Source, error) {
	mine, others, err := c.served(v)
	if err != nil {
		return connector.Source{}, err
	}
	mapped, strangers, err := c.mapped(v)
	if err != nil {
		return connector.Source{}, err
	}
	if kernel := append(mapped, strangers...); len(kernel) > 0 {
		return connector.Source{}, fmt.Errorf("%w: %w: unmap it there first", strangerError(v, kernel), connector.ErrUnsafe)
	}
	if len(others) > 0 {
		return connector.Source{}, nbdStranger(v, others[0])
	}
	src, err := c.nbdSource(v, mine)
	if err == nil || !errors.Is(err, connector.ErrNotConnected) {
		return src, err
	}
	if err := c.disconnectNBD(ctx, v); err != nil {
		return connector.Source{}, err
	}
	if src, err = c.mapNBD(ctx, v); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return src, nil
	}
	undo, cancel := detached(ctx)
	defer cancel()
	return connector.Source{}, errors.Join(err, c.disconnectNBD(undo, v))
}

func nbdStranger(v volume, d host.NBDDevice) error {
	return fmt.Errorf("%s is %w as %s, by rbd-nbd (pid %d): %w: unmap it there first", v.image, errStranger, d.Device(), d.PID, connector.ErrUnsafe)
}

// mapNBD starts the process that serves the image.
func (c *Connector) mapNBD(ctx context.Context, v volume) (connector.Source, error) {
	a, err := c.reach(ctx, v)
	if err != nil {
		return connector.Source{}, err
	}
	mark, err := c.identify(ctx, v, a)
	if err != nil {
		return connector.Source{}, err
	}
	args := []string{"map", v.image.String()}
	switch {
	case v.Access == connector.ReadOnly:
		args = append(args, "--read-only")
	case !c.options.Shared:
		args = append(args, "--exclusive")
	}
	if !v.discard {
		args = append(args, "--notrim")
	}
	limited, cancel := context.WithTimeoutCause(ctx, nbdLimit, fmt.Errorf("not mapped within %s", nbdLimit))
	defer cancel()
	cmd := c.command(v, a, "rbd-nbd", args...)
	cmd.Env = append(cmd.Env, host.NBDMark+"="+mark.String())
	res, err := c.host.Run(limited, cmd)
	if host.IsMissing(err) {
		return connector.Source{}, fmt.Errorf("%w: %w", err, connector.ErrUnsupported)
	}
	if err == nil {
		err = res.Check("rbd-nbd map " + v.image.String())
	}
	if err != nil {
		if strings.Contains(err.Error(), "Read-only file system") {
			err = fmt.Errorf("%w: %s has it for writing and does not give it up: %w", err, c.owner(ctx, v, a), connector.ErrBusy)
		}
		return connector.Source{}, err
	}
	return c.findNBD(v)
}

// identify asks the cluster who it and the image are.
func (c *Connector) identify(ctx context.Context, v volume, a access) (nbdMark, error) {
	var info struct {
		ID string `json:"id"`
	}
	var cluster struct {
		FSID string `json:"fsid"`
	}
	if err := c.ask(ctx, v, a, &info, "rbd", "info", v.image.String()); err != nil {
		return nbdMark{}, err
	}
	if err := c.ask(ctx, v, a, &cluster, "ceph", "fsid"); err != nil {
		return nbdMark{}, err
	}
	return nbdMark{v.VolumeID, cluster.FSID, info.ID}, nil
}

// disconnectNBD proves the devices idle, flushes them and ends their processes.
// rbd-nbd itself would not ask whether anybody uses them.
func (c *Connector) disconnectNBD(ctx context.Context, v volume) error {
	mine, _, err := c.served(v)
	if err != nil {
		return err
	}
	for _, d := range mine {
		device, err := c.host.BlockNode(d.Name)
		if err != nil {
			return err
		}
		if err := c.host.Exclusive(ctx, device, nil); err != nil {
			return err
		}
		if err := c.host.Settle(ctx, device); err != nil {
			return fmt.Errorf("flush %s: %w: what was written last may not be on the storage", device, err)
		}
		limited, cancel := context.WithTimeout(ctx, commandLimit)
		res, err := c.host.Run(limited, host.Command{Name: "rbd-nbd", Args: []string{"unmap", device}})
		if err == nil {
			err = res.Check("rbd-nbd unmap " + device)
		}
		if err == nil {
			err = c.host.Poll(limited, "the process of "+device+" to end", func() (bool, error) {
				left, err := c.host.RBDOverNBD()
				return !slices.ContainsFunc(left, func(o host.NBDDevice) bool { return o.PID == d.PID }), err
			})
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// resizeNBD waits for the process to hear of the new size: it watches the image.
func (c *Connector) resizeNBD(ctx context.Context, v volume) (connector.Source, error) {
	patience, cancel := context.WithTimeout(ctx, growLimit)
	defer cancel()
	mine, _, err := c.served(v)
	if err != nil || len(mine) != 1 {
		return connector.Source{}, errors.Join(err, connector.ErrNotConnected)
	}
	want := int64(v.SizeGiB) << 30
	err = c.host.Poll(patience, fmt.Sprintf("%s to have %d bytes", mine[0].Device(), want), func() (bool, error) {
		size, err := c.host.BlockSize(mine[0].Name)
		return size >= want, err
	})
	if err != nil {
		return connector.Source{}, err
	}
	return c.nbdSource(v, mine)
}
