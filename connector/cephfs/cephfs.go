// Package cephfs connects shares that a Ceph cluster serves itself (Manila's
// protocol "CEPHFS"), with the kernel's client. No program of Ceph is needed.
package cephfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/share"
)

// Driver is the Connection.Driver this connector serves.
const Driver = "cephfs"

// Options of New, those of every share.
type Options = share.Options

// Connector implements connector.Connector for CephFS.
type Connector struct{ *share.Connector }

// New returns a connector.
func New(h *host.Host, o Options) *Connector {
	return &Connector{share.New(h, protocol{h}, o)}
}

type protocol struct{ host *host.Host }

// kernelTimeout is how long the kernel waits for the cluster at a mount, seconds.
const kernelTimeout = "20"

// Answers implements share.Protocol: one monitor that takes connections is
// enough, as it is for the kernel.
func (p protocol) Answers(ctx context.Context, _ connector.Connection, export string) error {
	monitors, _, err := split(export)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(monitors))
	for _, m := range monitors {
		go func() { answers <- p.host.Reachable(ctx, m.address()) }()
	}
	var failed []error
	for range monitors {
		err := <-answers
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// Mount implements share.Protocol. The key goes to the kernel with the call: it
// is in no command line, no file and no table.
func (p protocol) Mount(ctx context.Context, conn connector.Connection, export, dir string) error {
	id, err := identityOf(conn)
	if err != nil {
		return err
	}
	key, _ := conn.Secret["access_key"].(string)
	if !connector.IsPlain(strings.TrimRight(key, "="), "+/", "") {
		return fmt.Errorf("the cloud gave no access key for %s: %w: is the access rule active?", id.client, connector.ErrUnsupported)
	}
	flags, own := host.SplitOptions(conn.MountOptions)
	flags |= unix.MS_NOSUID | unix.MS_NODEV
	if conn.Access == connector.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	var words []string
	if own != "" {
		words = append(words, own) // first, so that it undoes nothing of ours
	}
	words = append(words, "name="+id.client, "mount_timeout="+kernelTimeout, "secret="+key)
	if id.fs != "" {
		words = append(words, "mds_namespace="+id.fs) // newer kernels also call it fs
	}
	if newProtocol(export) && !strings.Contains(own, "ms_mode=") {
		words = append(words, "ms_mode=prefer-crc")
	}
	return explain(p.host.MountExport(ctx, host.MountCall{Source: export, Target: dir, FSType: "ceph", Flags: flags, Data: strings.Join(words, ",")}), id)
}

// explain tells what the kernel's numbers mean.
func explain(err error, id identity) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %w: the cluster does not take the key of client.%s, or its access ends above", share.ErrDenied, err, id.client)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: %w: there is no such directory in the filesystem %q for client.%s", share.ErrDenied, err, id.fs, id.client)
	case errors.Is(err, unix.EHOSTUNREACH): // also for a wrong key
		return fmt.Errorf("%w: %w: the cluster does not take the key of client.%s, it has no filesystem %q, or no metadata server for it", share.ErrDenied, err, id.client, id.fs)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: this kernel has no CephFS client: %w", connector.ErrUnsupported, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel does not take one of the mount options (its log says which): %w", connector.ErrUnsupported, err)
	}
	return err
}

// Shows implements share.Protocol.
func (protocol) Shows(m host.Mount, export string, _ host.Mount) bool {
	return export != "" && m.FSType == "ceph" && m.Source == export
}

// Prove implements share.Protocol. Two filesystems of one cluster have the same
// paths: the table must name the one that was asked for.
func (p protocol) Prove(conn connector.Connection, m host.Mount, export string) (map[string]string, error) {
	id, err := identityOf(conn)
	if err != nil {
		return nil, err
	}
	if m.Source != export || m.Root != "/" {
		return nil, fmt.Errorf("the kernel shows %s (%s) there: %w", m.Source, m.Root, connector.ErrUnsafe)
	}
	if client := m.Option("name"); client != id.client {
		return nil, fmt.Errorf("it is mounted as client.%s where client.%s was asked for: %w", client, id.client, share.ErrOutdated)
	}
	if fs := cmp.Or(m.Option("mds_namespace"), m.Option("fs")); fs != id.fs {
		return nil, fmt.Errorf("it is of the filesystem %q where %q was asked for: %w", fs, id.fs, share.ErrOutdated)
	}
	return map[string]string{"export": export, "client": id.client, "fs": id.fs}, nil
}

// Remains implements share.Protocol: the kernel does not tell.
func (protocol) Remains(context.Context, map[string]string) string { return "" }

// WritesLate implements share.Protocol: a client may buffer until the cluster
// wants its capability back.
func (protocol) WritesLate() bool { return true }
