package share

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

func (c *Connector) connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	exports, err := c.exports(conn)
	if err != nil {
		return connector.Source{}, err
	}
	release, err := c.turns.take(ctx, conn.VolumeID)
	if err != nil {
		return connector.Source{}, err
	}
	defer release()
	layers, err := c.host.MountsAt(c.dir(conn))
	if err != nil {
		return connector.Source{}, err
	}
	if len(layers) > 0 {
		src, err := c.keep(ctx, conn, exports, layers)
		if !errors.Is(err, ErrOutdated) && !errors.Is(err, host.ErrStale) {
			return src, err
		}
		if err := c.dismiss(ctx, conn, exports, layers, err); err != nil {
			return connector.Source{}, err
		}
	}
	return c.mountPatiently(ctx, conn, exports)
}

// keep proves the mount that is there and that its server still serves it.
func (c *Connector) keep(ctx context.Context, conn connector.Connection, exports []string, layers []host.Mount) (connector.Source, error) {
	src, err := c.prove(conn, exports, layers)
	if err != nil {
		return connector.Source{}, err
	}
	if err := c.answers(ctx, conn, src.Proof["export"]); err != nil {
		return connector.Source{}, fmt.Errorf("it is mounted at %s, but %w: it goes on by itself when the server is back", src.Directory, err)
	}
	if err := c.usable(ctx, src); err != nil {
		return connector.Source{}, fmt.Errorf("%s is mounted, but %w", src.Export, err)
	}
	c.silent.end(conn.VolumeID)
	return src, nil
}

// usable asks the server for a mounted share, and again for some seconds while it
// refuses: a rule that was made anew may not have reached it yet.
func (c *Connector) usable(ctx context.Context, src connector.Source) error {
	lag, cancel := context.WithTimeout(ctx, lagTime)
	defer cancel()
	var refused error
	err := c.host.Poll(lag, letIn+src.Export, func() (bool, error) {
		limited, cancel := context.WithTimeout(ctx, usableTime)
		defer cancel()
		err := c.host.Usable(limited, src.Directory)
		if errors.Is(err, host.ErrRefused) {
			refused = err
			return false, nil
		}
		return err == nil, err
	})
	return whyRefused(ctx, err, refused)
}

// letIn is what is waited for when a server refuses.
const letIn = "being let in to "

// whyRefused is the error of a wait to be let in.
func whyRefused(ctx context.Context, err, refused error) error {
	if err == nil || refused == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w (asked again for %s): compare the access rules of the share with the address of this host on that network", refused, lagTime)
}

func (c *Connector) answers(ctx context.Context, conn connector.Connection, export string) error {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return c.protocol.Answers(limited, conn, export)
}

// dismiss takes away a mount that is not what is asked for, unless somebody
// still uses it. What is stale goes lazily when it does not go otherwise: there
// is nothing behind it any more.
func (c *Connector) dismiss(ctx context.Context, conn connector.Connection, exports []string, layers []host.Mount, why error) error {
	users, err := c.users(ctx, conn, exports, layers)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fmt.Errorf("%w: it cannot be mounted anew while it is in use (%s): %w: stop the containers that use it", why, listed(users), connector.ErrBusy)
	}
	c.notice(ctx, "share %s is mounted anew: %v", conn.VolumeID, why)
	err = c.unmount(ctx, conn, layers)
	if err != nil && errors.Is(why, host.ErrStale) {
		err = c.host.UnmountApart(ctx, c.dir(conn), host.Lazily)
	}
	return err
}

// mountPatiently mounts one of the exports. A server may lag behind the cloud
// with an access rule: then it is asked again for some seconds.
func (c *Connector) mountPatiently(ctx context.Context, conn connector.Connection, exports []string) (src connector.Source, err error) {
	limited, cancel := context.WithTimeout(ctx, lagTime)
	defer cancel()
	var denied error
	err = c.host.Poll(limited, letIn+exports[0], func() (bool, error) {
		var err error
		src, err = c.mountAny(ctx, conn, exports)
		if errors.Is(err, ErrDenied) && ctx.Err() == nil {
			denied = err
			return false, nil
		}
		return err == nil, err
	})
	return src, whyRefused(ctx, err, denied)
}

// mountAny tries the exports in their order. All servers are asked at once
// before, so that the silent ones cost their time only once.
func (c *Connector) mountAny(ctx context.Context, conn connector.Connection, exports []string) (connector.Source, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make([]chan error, len(exports))
	for i, export := range exports {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- c.answers(asking, conn, export) }()
	}
	var failed []error
	for i, export := range exports {
		err := <-answers[i]
		var src connector.Source
		if err == nil {
			src, err = c.mountOne(ctx, conn, export)
		}
		if err == nil {
			return src, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", export, err))
		if ctx.Err() != nil {
			break
		}
	}
	return connector.Source{}, errors.Join(failed...)
}

// mountOne mounts one export and proves it, or leaves nothing.
func (c *Connector) mountOne(ctx context.Context, conn connector.Connection, export string) (src connector.Source, err error) {
	dir := c.dir(conn)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.takeBack(ctx, dir))
		}
	}()
	if err := os.MkdirAll(c.options.Base, 0o700); err != nil {
		return connector.Source{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return connector.Source{}, err
	}
	limited, cancel := context.WithTimeout(ctx, mountTime)
	defer cancel()
	if err := c.protocol.Mount(limited, conn, export, dir); err != nil {
		return connector.Source{}, err
	}
	layers, err := c.host.MountsAt(dir)
	if err != nil {
		return connector.Source{}, err
	}
	src, err = c.prove(conn, []string{export}, layers)
	if errors.Is(err, ErrOutdated) {
		err = fmt.Errorf("what was mounted is not what was asked for: %w: %w", err, connector.ErrUnsafe)
	}
	return src, err
}

// takeBack removes what a failed mount left: a helper that was killed may have
// come to an end before, and nobody can have used it yet.
func (c *Connector) takeBack(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for {
		layers, err := c.host.MountsAt(dir)
		if err != nil {
			return err
		}
		if len(layers) == 0 {
			return removeDir(dir)
		}
		limited, cancel := context.WithTimeout(ctx, silentTime)
		err = c.host.UnmountApart(limited, dir, host.Plainly)
		cancel()
		if err != nil {
			err = c.host.UnmountApart(ctx, dir, host.Lazily)
		}
		if err != nil {
			return fmt.Errorf("undoing: %w", err)
		}
	}
}

// removeDir removes an empty directory on which nothing is mounted.
func removeDir(dir string) error {
	err := unix.Rmdir(dir)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("rmdir %s: %w", dir, err)
	}
	return nil
}
