package nfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/share"
)

// errVersion is a server or kernel that does not speak a version of NFS.
var errVersion = errors.New("does not speak this version of NFS")

// versions of NFS in the order in which they are tried.
func versions() []string { return []string{"4.2", "4.1", "4.0", "3"} }

// Mount implements share.Protocol. The newest version that both sides speak is
// taken, the one that the user names, or none. mount.nfs does it, in a process
// that can be killed: it also finds the ports of a version 3 server and starts
// statd for its locks.
func (p protocol) Mount(ctx context.Context, conn connector.Connection, export, dir string) error {
	given := words(conn.MountOptions)
	try := versions()
	if namesVersion(given) {
		try = []string{""}
	}
	var err error
	for _, version := range try {
		err = p.mount(ctx, export, dir, mountOptions(given, version, conn.Access))
		if !errors.Is(err, errVersion) {
			return err
		}
	}
	return fmt.Errorf("%w (tried %s)", err, strings.Join(try, ", "))
}

// mountOptions is what mount.nfs is told: retry=0 because whether to try again is
// decided by us, the rest so that the user's words cannot undo it.
func mountOptions(given []string, version, access string) string {
	options := append([]string{"hard"}, given...)
	options = append(options, "nosuid", "nodev", "retry=0")
	if version != "" {
		options = append(options, "vers="+version)
	}
	if access == connector.ReadOnly {
		return strings.Join(append(options, "ro"), ",")
	}
	return strings.Join(append(options, "rw"), ",")
}

func namesVersion(options []string) bool {
	for _, word := range options {
		name, _, _ := strings.Cut(word, "=")
		if name == "vers" || name == "nfsvers" || name == "minorversion" {
			return true
		}
	}
	return false
}

// words splits options that may be lists themselves.
func words(options []string) []string {
	return strings.FieldsFunc(strings.Join(options, ","), func(r rune) bool { return r == ',' })
}

func (p protocol) mount(ctx context.Context, export, dir, options string) error {
	res, err := p.host.Run(ctx, host.Command{Name: "mount.nfs", Args: []string{export, dir, "-n", "-o", options}})
	if host.IsMissing(err) {
		return fmt.Errorf("%w: %w: it is in nfs-common or nfs-utils", err, connector.ErrUnsupported)
	}
	if err != nil || res.ExitCode == 0 {
		return err
	}
	return explain(res)
}

// explain sorts the ways in which mount.nfs (nfs-utils 1.3 to 2.8) says no.
func explain(res host.Result) error {
	said := string(res.Stderr)
	has := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(said, text) {
				return true
			}
		}
		return false
	}
	err := res.Check("mount.nfs")
	switch {
	case has("NFS version or transport protocol is not supported", "Protocol not supported"):
		return fmt.Errorf("%w: %w", errVersion, err)
	case has("access denied", "Permission denied", "Operation not permitted"):
		return fmt.Errorf("%w: %w", share.ErrDenied, err)
	case has("No such file or directory"):
		// A version 4 server hides exports from those who have no access.
		return fmt.Errorf("there is no such export, or it is hidden from this host: %w: %w", share.ErrDenied, err)
	case has("unknown filesystem type", "No such device"):
		return fmt.Errorf("this kernel has no NFS client: %w: %w", connector.ErrUnsupported, err)
	case has("incorrect mount option"):
		return fmt.Errorf("the kernel does not take one of the mount options: %w: %w", connector.ErrUnsupported, err)
	}
	return err
}
