//go:build lab

package nfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// An export that is withdrawn and given back: the handle of the mount is stale,
// or its access is refused, until the server knows this host again.
func TestWithdrawn(t *testing.T) {
	withdraw, allow := os.Getenv("FUXI_NFS_WITHDRAW"), os.Getenv("FUXI_NFS_ALLOW")
	if withdraw == "" || allow == "" {
		hosttest.Skip(t, "needs FUXI_NFS_WITHDRAW and FUXI_NFS_ALLOW")
	}
	b := newBench(t)
	b.show(b.connect())
	ctx := hosttest.Context(t)
	run(t, withdraw)
	allowed := false
	t.Cleanup(func() {
		if !allowed {
			run(t, allow)
		}
	})
	err := b.within(15*time.Second, "connect, in use", func() error { _, err := b.c.Connect(ctx, b.conn); return err })
	if err == nil {
		t.Error("a share that was withdrawn was connected")
	}
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Fatal(err)
	}
	err = b.within(25*time.Second, "connect, not in use", func() error { _, err := b.c.Connect(ctx, b.conn); return err })
	if err == nil || !strings.Contains(err.Error(), "access rules") {
		t.Errorf("a share that was withdrawn: %v", err)
	}
	run(t, allow)
	allowed = true
	_ = b.within(15*time.Second, "connect, allowed again", func() error { b.show(b.connect()); return nil })
}

// A helper that is killed at any moment leaves no mount.
func TestKilledHelper(t *testing.T) {
	b := newBench(t)
	whole := 0
	for after := 5 * time.Millisecond; after < time.Second && whole < 3; after = after * 5 / 4 {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		_, err := b.c.Connect(ctx, b.conn)
		cancel()
		if err == nil {
			whole++
			if err := b.c.Disconnect(hosttest.Context(t), b.conn); err != nil {
				t.Fatal(err)
			}
		}
		left, _ := os.ReadDir(b.base)
		layers, _ := b.h.MountsAt(filepath.Join(b.base, b.conn.VolumeID))
		if len(left) > 0 || len(layers) > 0 || b.kernelHas() {
			t.Fatalf("after %s: %v, left %v, %+v", after, err, left, layers)
		}
	}
	if whole == 0 {
		t.Error("no attempt came to its end")
	}
}

// A server that takes root for nobody says so when an owner is asked for.
func TestSquashedRoot(t *testing.T) {
	export := os.Getenv("FUXI_NFS_SQUASHED")
	if export == "" {
		hosttest.Skip(t, "needs FUXI_NFS_SQUASHED")
	}
	b := newBench(t)
	b.conn = connection(export)
	src := b.connect()
	uid := 1000
	b.spec.Subdir, b.spec.Owner = "fuxi-squashed", connector.Owner{UID: &uid}
	err := b.m.Mount(hosttest.Context(t), src, b.spec)
	if err == nil || !strings.Contains(err.Error(), "no_root_squash") {
		t.Errorf("Mount with an owner: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(src.Directory, "fuxi-squashed")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that nobody can use was left: %v", err)
	}
}

// A directory that the server does not know any more is mounted anew, but not
// under those who use it.
func TestStale(t *testing.T) {
	b := newBench(t)
	export, parent := os.Getenv("FUXI_NFS_EXPORT"), t.TempDir()
	run(t, "mount.nfs4 "+export+" "+parent+" && mkdir "+parent+"/stale")
	t.Cleanup(func() { run(t, "rm -r "+parent+"/stale; umount "+parent) })
	b.conn.Data = map[string]any{"exports": []any{export + "/stale"}}
	b.show(b.connect())
	run(t, "rm -r "+parent+"/stale && mkdir "+parent+"/stale")
	ctx := hosttest.Context(t)
	if _, err := b.c.Connect(ctx, b.conn); !errors.Is(err, connector.ErrBusy) || !errors.Is(err, host.ErrStale) {
		t.Errorf("Connect of a stale share in use: %v, want ErrBusy and ErrStale", err)
	}
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Fatal(err)
	}
	b.show(b.connect())
	if err := os.WriteFile(filepath.Join(b.spec.Target, "x"), nil, 0o600); err != nil {
		t.Errorf("after it was mounted anew: %v", err)
	}
	if err := errors.Join(b.m.Unmount(ctx, b.spec.Target, b.spec.Staging), b.c.Disconnect(ctx, b.conn)); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}
