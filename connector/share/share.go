// Package share keeps the whole export of a share mounted at a private directory
// of this host. It is what connectors of network filesystems have in common: one
// mount for a share, proved by the kernel's mount table, however many containers
// use it; and no server that stays silent may keep anybody else waiting.
package share

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// ErrDenied is what Protocol.Mount answers when the server does not let this
// host in or does not show it the export: for some seconds after the cloud has
// made an access rule that may be because the server lags behind.
var ErrDenied = errors.New("the server does not let this host in")

// ErrOutdated is a mount at the share's directory that is not what is asked for:
// it is replaced when nobody uses it.
var ErrOutdated = errors.New("outdated")

// Protocol is what a kind of share does in its own way. Only Answers and Mount
// may ask a server; both end with ctx.
type Protocol interface {
	// Check returns the export in the one way of writing it that the mount table
	// has, or refuses it.
	Check(export string) (string, error)
	// Answers tells whether the export's server is there. Nothing is mounted.
	Answers(ctx context.Context, conn connector.Connection, export string) error
	// Mount mounts the export at dir, an empty directory, with nosuid and nodev,
	// and read-only when the connection is.
	Mount(ctx context.Context, conn connector.Connection, export, dir string) error
	// Shows tells whether a mount of any process shows the export or a directory
	// of it. whole is our own mount of it, zero when there is none.
	Shows(m host.Mount, export string, whole host.Mount) bool
	// Prove returns what identifies the export behind our own mount of it.
	// connector.ErrUnsafe when that is something else, ErrOutdated when it is
	// something of ours that was right before.
	Prove(conn connector.Connection, m host.Mount, export string) (map[string]string, error)
	// Remains tells what of the proved export the kernel still has although no
	// process shows it: files that are open below a mount which was taken away
	// lazily, data that cannot be written. "" is nothing, as far as is known.
	Remains(ctx context.Context, proof map[string]string) string
	// WritesLate tells whether a file that was closed may still have data to be
	// written, so that nobody but the kernel knows of it.
	WritesLate() bool
}

// Options of a Connector.
type Options struct {
	// Base is the private directory that gets one directory for each share.
	Base string
	// Patience is how long a silent server is waited for when its share is to be
	// disconnected and cannot be: after that it is unmounted by force, and what
	// was not written is lost. 0 is five minutes; below 0 it is waited for as long
	// as it takes.
	Patience time.Duration
	// Notice is told what succeeded but is worth knowing. Nil is nobody.
	Notice func(ctx context.Context, text string)
}

// How long servers and the kernel are waited for.
const (
	answerTime   = 4 * time.Second  // for a server to say that it is there
	usableTime   = 5 * time.Second  // for it to answer for a mounted export
	mountTime    = 30 * time.Second // for one mount
	lagTime      = 20 * time.Second // for a server to hear of an access rule, and for Ceph to miss a busy metadata server no more
	writeOutTime = 2 * time.Minute  // for an unmount by a server that answers
	silentTime   = 5 * time.Second  // for an unmount by a server that does not
	undoTime     = 30 * time.Second // for taking back a failed Connect
)

// Connector implements connector.Connector over a Protocol.
type Connector struct {
	host     *host.Host
	protocol Protocol
	options  Options
	turns    turns
	silent   silences
}

// New returns a Connector. Base must be an absolute path.
func New(h *host.Host, p Protocol, o Options) *Connector {
	o.Patience = cmp.Or(o.Patience, 5*time.Minute)
	return &Connector{host: h, protocol: p, options: o}
}

var _ connector.Connector = (*Connector)(nil)

// Connect mounts the share's export at Base/VolumeID and proves that it is that
// export. Servers are asked first, all at once: one that does not answer within
// four seconds is never mounted from. Of several exports the first that works is
// taken; when none does, the error tells of each. A mount that is there already
// is proved again and its server asked; a stale one, or one of an export or an
// access that was changed, is replaced if nobody uses it (connector.ErrBusy).
func (c *Connector) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.connect(ctx, conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// Find proves from the mount table that the share is mounted. No server is asked.
func (c *Connector) Find(_ context.Context, conn connector.Connection) (connector.Source, error) {
	exports, err := c.exports(conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	layers, err := c.host.MountsAt(c.dir(conn))
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	src, err := c.prove(conn, exports, layers)
	if errors.Is(err, ErrOutdated) {
		err = fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
	}
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

// prove finds out which of the exports is mounted, as asked for and alone.
func (c *Connector) prove(conn connector.Connection, exports []string, layers []host.Mount) (connector.Source, error) {
	dir := c.dir(conn)
	if len(layers) == 0 {
		return connector.Source{}, fmt.Errorf("nothing is mounted at %s: %w", dir, connector.ErrNotConnected)
	}
	if len(layers) > 1 {
		return connector.Source{}, fmt.Errorf("%d mounts lie upon each other at %s: %w", len(layers), dir, ErrOutdated)
	}
	m := layers[0]
	for _, export := range exports {
		if !c.protocol.Shows(m, export, m) {
			continue
		}
		if want := conn.Access == connector.ReadOnly; m.ReadOnly() != want {
			return connector.Source{}, fmt.Errorf("%s is mounted with read-only %t where %t was asked for: %w", export, m.ReadOnly(), want, ErrOutdated)
		}
		proof, err := c.protocol.Prove(conn, m, export)
		if err != nil {
			return connector.Source{}, fmt.Errorf("%s at %s: %w", export, dir, err)
		}
		return connector.Source{Export: cmp.Or(m.Export(), dir), Directory: dir, Proof: proof}, nil
	}
	return connector.Source{}, fmt.Errorf("%s shows %s, which is none of %v: %w", dir, m.Source, exports, ErrOutdated)
}

// dir is where the volume's export is mounted.
func (c *Connector) dir(conn connector.Connection) string {
	return filepath.Join(c.options.Base, conn.VolumeID)
}

func checkID(id string) error {
	if len(id) > 128 || !connector.IsPlain(id, "", "_.-") {
		return fmt.Errorf("the volume id %q is no plain name: %w", id, connector.ErrUnsafe)
	}
	return nil
}

// exports reads the exports of a connection. They come from the cloud as JSON
// and may have any type and say anything.
func (c *Connector) exports(conn connector.Connection) ([]string, error) {
	if err := checkID(conn.VolumeID); err != nil {
		return nil, err
	}
	if conn.Encrypted {
		return nil, fmt.Errorf("a share cannot be encrypted by this host: %w", connector.ErrUnsupported)
	}
	if conn.Access != connector.ReadWrite && conn.Access != connector.ReadOnly {
		return nil, fmt.Errorf("the access %q is neither rw nor ro: %w", conn.Access, connector.ErrUnsupported)
	}
	var exports []string
	for _, item := range list(conn.Data["exports"]) {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("the cloud's export %v is no text: %w", item, connector.ErrUnsupported)
		}
		export, err := c.protocol.Check(text)
		if err != nil {
			return nil, fmt.Errorf("export %q: %w", text, err)
		}
		exports = append(exports, export)
	}
	if len(exports) == 0 {
		return nil, fmt.Errorf("the cloud's connection has no exports but %v: %w", conn.Data["exports"], connector.ErrUnsupported)
	}
	return exports, nil
}

// list returns the elements of a list as Go or as JSON has it.
func list(value any) []any {
	if texts, ok := value.([]string); ok {
		var items []any
		for _, text := range texts {
			items = append(items, text)
		}
		return items
	}
	items, _ := value.([]any)
	return items
}

func (c *Connector) notice(ctx context.Context, format string, args ...any) {
	if c.options.Notice != nil {
		c.options.Notice(ctx, fmt.Sprintf(format, args...))
	}
}
