// Package iscsi connects volumes that the cloud exports as units of iSCSI
// targets (driver_volume_type "iscsi"), over one path or over several with
// device-mapper multipath.
//
// What is on the host is read from sysfs every time, never remembered: a
// restart forgets nothing, and what another program changed is seen. Open-iscsi's
// and multipath's own tools make the changes that only they can make.
package iscsi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Driver is the driver_volume_type this connector serves.
const Driver = "iscsi"

// Modes of using several paths.
const (
	Off     = "off"     // one path, the first portal that works
	Auto    = "auto"    // multipath where multipathd runs, else one path
	Require = "require" // multipath, or an error
)

// cleanupLimit is what undoing may take, whatever the caller's deadline: it runs
// when that is usually over.
const cleanupLimit = time.Minute

// Options of a Connector.
type Options struct {
	Multipath string // Off, Auto or Require; "" is Auto
	// Notice is told what went otherwise than wished without failing: a volume
	// that got one path only, a path that did not come. It may be nil.
	Notice func(ctx context.Context, text string)
}

// Connector implements connector.Connector and connector.Resizer for iSCSI.
type Connector struct {
	host    *host.Host
	options Options

	mu     sync.Mutex
	late   map[string]*stragglers // by volume id
	closed bool
}

// New returns a connector. Close it before the process ends, so that no path
// that is still on its way is left half made.
func New(h *host.Host, options Options) *Connector {
	if options.Multipath == "" {
		options.Multipath = Auto
	}
	return &Connector{host: h, options: options, late: map[string]*stragglers{}}
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Resizer   = (*Connector)(nil)
)

// UseMultipath tells whether the cloud is to be asked for all portals of a
// volume (the connector property "multipath"): unless mode is Off, where
// multipathd runs. Require where it does not run is an error.
func UseMultipath(h *host.Host, mode string) (bool, error) {
	if mode == Off {
		return false, nil
	}
	runs, err := h.MultipathdRuns()
	if err != nil || runs || mode != Require {
		return runs, err
	}
	return false, fmt.Errorf("multipath is required and multipathd is not running: start it with `systemctl start multipathd`: %w", connector.ErrUnsupported)
}

// Connect logs in to the volume's portals, has the kernel look for exactly its
// unit, and proves that every path leads to one and the same disk of the cloud's
// size, which no other unit of this host is. With multipath it returns as soon
// as the map is usable over one path; the others join in the background.
func (c *Connector) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := parse(conn)
	var src connector.Source
	if err == nil {
		src, err = c.locked(ctx, v, c.connect)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// Find resolves the connection to its device as sysfs shows it; neither the
// target nor a daemon is asked.
func (c *Connector) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.find(ctx, conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

func (c *Connector) find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	v, err := parse(conn)
	if err != nil {
		return connector.Source{}, err
	}
	var src connector.Source
	waiting, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	_ = c.host.Poll(waiting, "the map of "+v.VolumeID+" to be reloaded", func() (bool, error) {
		var paths []path
		if paths, err = c.paths(v); err == nil {
			src, err = c.source(v, paths)
		}
		return !errors.Is(err, errReloading), nil
	})
	return src, err
}

// errReloading is a map to which multipathd just gives another table, as when a
// path has joined.
var errReloading = errors.New("is suspended or has no table yet")

// reloadTime is for multipathd to do so.
const reloadTime = 3 * time.Second

// Disconnect proves the volume's device idle, flushes it, takes away its map and
// its disks, logs out of every session that has no other disk, and deletes the
// records with the credentials. What is gone already, or cannot be asked any
// more because all its paths are dead, does not stop it; a flush that fails on a
// living path does. A connection that Connect would not have understood is not
// connected.
func (c *Connector) Disconnect(ctx context.Context, conn connector.Connection) error {
	v, err := parsePlace(conn)
	if err != nil && conn.Proven == nil {
		return nil
	}
	if err == nil {
		_, err = c.locked(ctx, v, c.disconnect)
	}
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", conn.VolumeID, err)
	}
	return nil
}

// Resize lets every path and then the map see the size the volume has now.
func (c *Connector) Resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := parse(conn)
	var src connector.Source
	if err == nil {
		src, err = c.locked(ctx, v, c.resize)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("resize %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// locked acts on a volume's targets while no other call of this host does.
// Targets are often one for each volume, but not always.
func (c *Connector) locked(ctx context.Context, v volume, act func(context.Context, volume) (connector.Source, error)) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	release, err := c.lock(ctx, v.targets())
	if err != nil {
		return connector.Source{}, err
	}
	defer release()
	return act(ctx, v)
}

// Close ends what is still on its way in the background and waits for it, no
// longer than ctx: a login that was sent takes some seconds when its portal does
// not answer, and what is undone then some more. What it had to leave is named in
// its error; the next Connect or Disconnect of that volume finds it.
func (c *Connector) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	late := maps.Clone(c.late)
	c.mu.Unlock()
	for _, s := range late {
		s.cancel()
	}
	var left []string
	for id, s := range late {
		select {
		case <-s.done:
			continue
		case <-ctx.Done():
		}
		if c.straggling(id) {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		return fmt.Errorf("logins for %s are still on their way and left to themselves: %w", strings.Join(left, ", "), context.Cause(ctx))
	}
	return nil
}

func (c *Connector) notice(ctx context.Context, format string, args ...any) {
	if c.options.Notice != nil {
		c.options.Notice(ctx, fmt.Sprintf(format, args...))
	}
}

// detached returns a context for undoing: it carries what ctx carries, but lives
// on when ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), cleanupLimit, errors.New("undoing took too long"))
}
