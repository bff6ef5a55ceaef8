package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/trace"
)

// PartOf tells whether a mount shows the directory that whole shows, or one
// below it.
func (m Mount) PartOf(whole Mount) bool {
	_, is := m.Within(whole)
	return is
}

// Within tells which directory of what whole shows a mount shows: "/" for all of
// it. Exports of one server may share a superblock and so a number, but their
// sources differ.
func (m Mount) Within(whole Mount) (dir string, is bool) {
	shown, all := m.Root, whole.Root
	if m.isNFS() {
		// Here the kernel writes the directory behind the export, and / as root.
		shown, all = m.Source, whole.Source
	} else if m.Source != whole.Source {
		return "", false
	}
	if m.Dev != whole.Dev || !IsBelow(shown, all) {
		return "", false
	}
	return "/" + strings.TrimPrefix(strings.TrimPrefix(shown, strings.TrimSuffix(all, "/")), "/"), true
}

func (m Mount) isNFS() bool { return m.FSType == "nfs" || m.FSType == "nfs4" }

// IsBelow tells whether path is dir or below it. Both are clean.
func IsBelow(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Export returns what a mount of a network filesystem shows, as its server names
// it, "" for other filesystems. A mount of a directory of an export of NFS has
// that directory's name.
func (m Mount) Export() string {
	if m.isNFS() || m.FSType == "ceph" {
		return m.Source
	}
	return ""
}

// Option returns the value of an option of the mounted filesystem, "" when it has
// none of that name.
func (m Mount) Option(name string) string {
	for word := range strings.SplitSeq(m.SuperOptions, ",") {
		if value, found := strings.CutPrefix(word, name+"="); found {
			return value
		}
	}
	return ""
}

// Followers tells which mounts of another process's table go when m, a mount of
// ours, is unmounted: those at the same place below a parent that receives what
// happens to m's parent.
func Followers(m Mount, ours []Mount) func(other Mount, theirs []Mount) bool {
	group := parentOf(m, ours).peerGroup()
	return func(other Mount, theirs []Mount) bool {
		words := strings.Fields(parentOf(other, theirs).Propagation)
		return group != "" && other.Point == m.Point &&
			(slices.Contains(words, "master:"+group) || slices.Contains(words, "shared:"+group))
	}
}

// peerGroup returns the group of mounts that share what is mounted on them, "" when
// this mount is in none.
func (m Mount) peerGroup() string {
	for word := range strings.FieldsSeq(m.Propagation) {
		if group, shared := strings.CutPrefix(word, "shared:"); shared {
			return group
		}
	}
	return ""
}

func parentOf(m Mount, table []Mount) Mount {
	for _, p := range table {
		if p.ID == m.Parent {
			return p
		}
	}
	return Mount{}
}

// Touch runs act, which asks a server that may never answer, beside the caller,
// as one crossing named what. At the end of ctx it returns and leaves act behind;
// when that ends after all, late undoes what it did. Of several calls for one
// target the later wait for the first, so that a dead server costs one thread.
func (h *Host) Touch(ctx context.Context, target, what string, act func() error, late func()) error {
	return h.bounded(ctx, target, what, act, late)
}

// MountExport makes one mount(2) of a network filesystem; Source is in the
// server's words. What comes of it when it was left behind at the end of ctx is
// unmounted.
func (h *Host) MountExport(ctx context.Context, c MountCall) error {
	what := fmt.Sprintf("mount -t %s %s %s", c.FSType, c.Source, c.Target)
	return h.bounded(ctx, c.Target, what, func() error {
		return unix.Mount(c.Source, c.Target, c.FSType, c.Flags, c.Data)
	}, func() { _ = unix.Unmount(c.Target, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH) })
}

// Ways to unmount with UnmountApart.
const (
	Plainly = "" // the kernel writes out what it holds, and waits for that
	Forced  = "--force"
	Lazily  = "--lazy"
)

// UnmountApart unmounts the top layer at target in a process of its own, which
// is killed at the end of ctx: to unmount what a dead server exports may hang,
// and a thread of ours that hangs would keep the daemon from ending. An error
// does not mean that it is still mounted. connector.ErrBusy when in use; not
// mounted is success. Neither target nor server is asked anything else.
func (h *Host) UnmountApart(ctx context.Context, target, way string) error {
	args := []string{"--internal-only", "--no-canonicalize", "--no-mtab"}
	if way != Plainly {
		args = append(args, way)
	}
	cmd := Command{Name: "umount", Args: append(args, target)}
	res, err := h.Run(ctx, cmd)
	switch {
	case err != nil:
		return err
	case res.ExitCode == 0, strings.Contains(string(res.Stderr), "not mounted"):
		return nil
	case strings.Contains(string(res.Stderr), "busy"):
		return fmt.Errorf("umount %s: %w", target, connector.ErrBusy)
	}
	return res.Check(cmd.String())
}

// What a server may say of a mounted filesystem.
var (
	ErrStale   = errors.New("stale file handle: the server does not know the mounted directory any more")
	ErrRefused = errors.New("the server refuses this host")
)

// Usable asks the server of a mounted filesystem about it, in a process of its
// own that is killed at the end of ctx. ErrStale and ErrRefused are told apart.
func (h *Host) Usable(ctx context.Context, target string) error {
	res, err := h.Run(ctx, Command{Name: "stat", Args: []string{"--file-system", "--format=%T", target}})
	said := string(res.Stderr)
	switch {
	case err != nil:
		return fmt.Errorf("no answer about %s: %w", target, err)
	case strings.Contains(said, "Stale file handle"):
		return fmt.Errorf("%s: %w", target, ErrStale)
	case strings.Contains(said, "Permission denied"), strings.Contains(said, "not permitted"):
		return fmt.Errorf("%s: %w", target, ErrRefused)
	}
	return res.Check("statfs " + target)
}

// Reachable opens a connection to address ("10.0.0.1:2049") and ends it. The
// error says what that means: refused, no route, no answer.
func (h *Host) Reachable(ctx context.Context, address string) error {
	conn, err := h.dial(ctx, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (h *Host) dial(ctx context.Context, address string) (net.Conn, error) {
	done := trace.Cross(ctx, trace.Host, "connect to "+address)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	done()
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return nil, fmt.Errorf("connecting to %s: %w", address, context.Canceled)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s refuses the connection: nothing serves there, or a firewall: %w", address, err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return nil, fmt.Errorf("there is no route from this host to %s: %w", address, err)
	}
	return nil, fmt.Errorf("%s does not answer: %w", address, err)
}

// IsMissing tells whether a command was not run because it is not installed.
func IsMissing(err error) bool { return errors.Is(err, exec.ErrNotFound) }
