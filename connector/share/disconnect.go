package share

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

// mostUsers is how many users a message has room for.
const mostUsers = 5

// Disconnect unmounts the share if nobody uses it, in this mount namespace or in
// another: connector.ErrBusy else, and nothing was changed. Unmounting writes out
// what the kernel still holds. It takes a bounded time whatever the server does,
// and holds up no other volume.
//
// When the server does not answer, a share that is known to have no unwritten
// data goes all the same. Any other stays until the server is back or Patience
// has passed; only then is it unmounted by force, which loses that data, and as a
// last resort lazily.
func (c *Connector) Disconnect(ctx context.Context, conn connector.Connection) error {
	if err := c.disconnect(ctx, conn); err != nil {
		return fmt.Errorf("disconnect %s: %w", conn.VolumeID, err)
	}
	return nil
}

func (c *Connector) disconnect(ctx context.Context, conn connector.Connection) error {
	if err := checkID(conn.VolumeID); err != nil {
		return err
	}
	exports, _ := c.exports(conn) // the directory is ours whatever the cloud says
	release, err := c.turns.take(ctx, conn.VolumeID)
	if err != nil {
		return err
	}
	defer release()
	layers, err := c.host.MountsAt(c.dir(conn))
	if err != nil {
		return err
	}
	if err := c.idle(ctx, conn, exports, layers); err != nil {
		return err
	}
	proof := conn.Proven
	if src, err := c.prove(conn, exports, layers); err == nil {
		proof = src.Proof
	}
	if err := c.unmount(ctx, conn, layers); err != nil {
		return err
	}
	// A container that was starting may have copied the mount meanwhile.
	if err := c.idle(ctx, conn, exports, nil); err != nil {
		return err
	}
	if err := c.gone(ctx, conn, proof); err != nil {
		return err
	}
	c.silent.end(conn.VolumeID)
	return removeDir(c.dir(conn))
}

// gone proves that the kernel has nothing left of a share that is unmounted
// everywhere: to take its access away would lose what is still to be written.
func (c *Connector) gone(ctx context.Context, conn connector.Connection, proof map[string]string) error {
	remains := c.protocol.Remains(ctx, proof)
	if remains == "" {
		return nil
	}
	silence := c.answers(ctx, conn, proof["export"])
	if silence == nil {
		return fmt.Errorf("the share is unmounted, but %s: %w", remains, connector.ErrBusy)
	}
	if err := c.patience(conn, fmt.Errorf("%w, and %s", silence, remains)); err != nil {
		return err
	}
	c.notice(ctx, "share %s is given up, %s, and its server does not answer; what was not written is lost if this host's access ends: %v", conn.VolumeID, remains, silence)
	return nil
}

// patience is an error as long as a silent server is waited for.
func (c *Connector) patience(conn connector.Connection, why error) error {
	silent := c.silent.begin(conn.VolumeID)
	if c.options.Patience < 0 {
		return fmt.Errorf("%w: data that was not written is kept for the server's return; whoever gives that data up: umount --force %s", why, c.dir(conn))
	}
	left := c.options.Patience - time.Since(silent)
	if left <= 0 {
		return nil
	}
	return fmt.Errorf("%w: data that was not written is kept for the server's return; if it stays away the share is given up in %s, and that data is lost",
		why, left.Round(time.Second))
}

// idle proves that nobody but us has the export mounted.
func (c *Connector) idle(ctx context.Context, conn connector.Connection, exports []string, layers []host.Mount) error {
	users, err := c.users(ctx, conn, exports, layers)
	if err != nil || len(users) == 0 {
		return err
	}
	return fmt.Errorf("the share is still %s: %w", listed(users), connector.ErrBusy)
}

// users names who shows the export beside our own mount of it. A copy of that
// mount which goes together with it is nobody: services with a namespace of
// their own have them.
func (c *Connector) users(ctx context.Context, conn connector.Connection, exports []string, layers []host.Mount) ([]string, error) {
	ours, err := c.host.Mounts()
	if err != nil {
		return nil, err
	}
	var whole host.Mount
	follows := func(host.Mount, []host.Mount) bool { return false }
	if len(layers) > 0 {
		whole = layers[0]
		follows = host.Followers(whole, ours)
	}
	uses := func(m host.Mount) bool {
		return slices.ContainsFunc(exports, func(e string) bool { return c.protocol.Shows(m, e, whole) }) ||
			slices.ContainsFunc(layers, func(l host.Mount) bool { return c.protocol.Shows(m, l.Export(), l) })
	}
	var found []string
	for _, m := range ours {
		if m.Point != c.dir(conn) && uses(m) {
			found = append(found, "mounted at "+m.Point)
		}
	}
	others, err := c.host.Elsewhere(ctx, func(host.Mount) bool { return true })
	for _, other := range others {
		if slices.ContainsFunc(other.Mounts, func(m host.Mount) bool { return uses(m) && !follows(m, other.Mounts) }) {
			found = append(found, "mounted in the namespace of "+other.String())
		}
	}
	return found, err
}

func listed(users []string) string { return strings.Join(users[:min(len(users), mostUsers)], ", ") }

// unmount takes all layers at the volume's directory away.
func (c *Connector) unmount(ctx context.Context, conn connector.Connection, layers []host.Mount) error {
	for i := len(layers) - 1; i >= 0; i-- {
		var silence error
		if export := layers[i].Export(); export != "" { // else there is no server to ask
			silence = c.answers(ctx, conn, export)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		switch {
		case silence == nil:
			c.silent.end(conn.VolumeID)
			err = c.away(ctx, conn, i, host.Plainly, writeOutTime)
		case c.protocol.WritesLate():
			err = c.giveUp(ctx, conn, i, silence)
		default:
			err = c.away(ctx, conn, i, host.Plainly, silentTime)
			if err != nil && ctx.Err() == nil {
				err = c.giveUp(ctx, conn, i, errors.Join(silence, err))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// away unmounts one layer, so that below are left, and believes only the mount
// table: the kernel takes a mount out of the table first and asks the server to
// forget it afterwards, and when that hangs the rest goes on without us.
func (c *Connector) away(ctx context.Context, conn connector.Connection, below int, way string, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.host.UnmountApart(limited, c.dir(conn), way)
	layers, tableErr := c.host.MountsAt(c.dir(conn))
	switch {
	case tableErr != nil:
		return errors.Join(err, tableErr)
	case len(layers) > below:
		return err
	case err != nil && limit == writeOutTime:
		return fmt.Errorf("it is unmounted, but not all was written within %s; the kernel goes on with it: %w", limit, err)
	case err != nil:
		c.notice(ctx, "share %s is unmounted, but its server did not answer in the end: %v", conn.VolumeID, err)
	}
	return nil
}

// giveUp unmounts by force what a silent server keeps, after Patience.
func (c *Connector) giveUp(ctx context.Context, conn connector.Connection, below int, why error) error {
	if err := c.patience(conn, why); err != nil {
		return err
	}
	err := c.away(ctx, conn, below, host.Forced, silentTime)
	if err != nil { // force ends what waits for the server, and then is busy no more
		err = c.away(ctx, conn, below, host.Plainly, silentTime)
	}
	if err != nil {
		err = c.away(ctx, conn, below, host.Lazily, silentTime)
	}
	if err == nil {
		c.notice(ctx, "share %s was unmounted by force because its server did not answer for %s; data that was not written is lost: %v",
			conn.VolumeID, c.options.Patience, why)
	}
	return err
}
