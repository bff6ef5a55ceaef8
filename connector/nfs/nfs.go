// Package nfs connects shares that a server exports over NFS (Manila's protocol
// "NFS"): the export is mounted as a whole, hard, so that a server that is away
// for a while loses nothing.
package nfs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/share"
)

// Driver is the Connection.Driver this connector serves.
const Driver = "nfs"

// defaultPort is what NFS is served at without a port= option (RFC 7530, 2.1).
const defaultPort = "2049"

// Options of New, those of every share.
type Options = share.Options

// Connector implements connector.Connector for NFS.
type Connector struct{ *share.Connector }

// New returns a connector.
func New(h *host.Host, o Options) *Connector {
	return &Connector{share.New(h, protocol{h}, o)}
}

type protocol struct{ host *host.Host }

// Check implements share.Protocol. The path is cleaned as the kernel does; "/" is
// the root of the whole server and never a share: to mount it would show what is
// not the user's, and take his data to where it is not.
func (protocol) Check(export string) (string, error) {
	server, dir, err := split(export)
	if err != nil {
		return "", err
	}
	dir = path.Clean(dir)
	if dir == "/" {
		return "", fmt.Errorf("it is the server's root and not a share: %w", connector.ErrUnsafe)
	}
	return server + ":" + dir, nil
}

// split takes "10.0.0.1:/path", "[fd00::1]:/path" or "name:/path" apart.
func split(export string) (server, dir string, err error) {
	server, dir, found := strings.Cut(export, ":/")
	if !found || strings.ContainsFunc(dir, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", fmt.Errorf("it is not SERVER:/PATH: %w", connector.ErrUnsafe)
	}
	if inner, is6 := strings.CutPrefix(server, "["); is6 {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || !strings.HasSuffix(inner, "]") {
			return "", "", fmt.Errorf("%s is no IPv6 address in brackets: %w", server, connector.ErrUnsafe)
		}
		return server, "/" + dir, nil
	}
	if !connector.IsPlain(server, "", ".-") {
		return "", "", fmt.Errorf("%q is no server's name or address: %w", server, connector.ErrUnsafe)
	}
	return server, "/" + dir, nil
}

// address returns the server of an export without brackets.
func address(export string) string {
	server, _, _ := split(export)
	return strings.Trim(server, "[]")
}

// Answers implements share.Protocol.
func (p protocol) Answers(ctx context.Context, conn connector.Connection, export string) error {
	port := defaultPort
	for _, word := range words(conn.MountOptions) {
		if value, found := strings.CutPrefix(word, "port="); found {
			port = value
		}
	}
	return p.host.NFSAnswers(ctx, net.JoinHostPort(address(export), port))
}

// Shows implements share.Protocol.
func (protocol) Shows(m host.Mount, export string, _ host.Mount) bool {
	return export != "" && host.IsBelow(m.Export(), export)
}

// Prove implements share.Protocol. The source in the table is what the kernel
// mounted; the server's own id of the filesystem tells the root of its name
// space from an export, and one filesystem from another that came to its place.
func (p protocol) Prove(conn connector.Connection, m host.Mount, export string) (map[string]string, error) {
	if m.Source != export || m.Root != "/" {
		return nil, fmt.Errorf("the kernel shows %s (%s) there: %w", m.Source, m.Root, connector.ErrUnsafe)
	}
	proof := map[string]string{"export": export, "version": m.Option("vers"), "server": m.Option("addr"), "fsid": p.host.NFSFilesystem(m.Dev)}
	want, err := netip.ParseAddr(address(export))
	if have, haveErr := netip.ParseAddr(proof["server"]); err == nil && (haveErr != nil || have.Unmap() != want.Unmap()) {
		return nil, fmt.Errorf("the kernel mounted it from %q: %w", proof["server"], connector.ErrUnsafe)
	}
	is4 := strings.HasPrefix(proof["version"], "4")
	if is4 && proof["fsid"] == "0:0" {
		return nil, fmt.Errorf("the server shows the root of its name space there and no share: %w: compare the export with the share's export locations", connector.ErrUnsafe)
	}
	before := conn.Proven
	if before["export"] == export && before["fsid"] != "" && proof["fsid"] != "" && before["fsid"] != proof["fsid"] &&
		strings.HasPrefix(before["version"], "4") == is4 {
		return nil, fmt.Errorf("the server has another filesystem there (%s) than before (%s): %w: is the share mounted on the server? If it was moved, stop its containers everywhere on this host and start them again after it was disconnected",
			proof["fsid"], before["fsid"], connector.ErrUnsafe)
	}
	return proof, nil
}

// Remains implements share.Protocol. The kernel lists the filesystems of servers
// that it has, mounted or not.
func (p protocol) Remains(ctx context.Context, proof map[string]string) string {
	if p.host.NFSUnmounted(ctx, proof["fsid"]) {
		return "a process still has files of it open or data to write (lsof, ps: state D)"
	}
	return ""
}

// WritesLate implements share.Protocol: close waits until all is written.
func (protocol) WritesLate() bool { return false }
