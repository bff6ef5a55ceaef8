package mount_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

func TestStaleLayersGoFirst(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	if err := os.MkdirAll(r.spec.Target, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := unix.Mount("stale", r.spec.Target, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.mount()
	if layers, err := r.host.MountsAt(r.spec.Target); err != nil || len(layers) != 1 || layers[0].FSType != "ext4" {
		t.Errorf("layers: %+v, %v", layers, err)
	}
	// A second layer on top of ours, and a leftover at Staging.
	if err := unix.Mount("stale", r.spec.Target, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.spec.Staging, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.src.Device, r.spec.Staging, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	r.mount()
	r.unmount()
	r.idle()
}

func TestBusyUnmount(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	r.mount()
	f, err := os.Create(filepath.Join(r.spec.Target, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.m.Unmount(hosttest.Context(t), r.spec.Target, r.spec.Staging); !errors.Is(err, connector.ErrBusy) {
		t.Errorf("Unmount: %v, want ErrBusy", err)
	}
	if _, err := os.Stat(f.Name()); err != nil {
		t.Errorf("after a refused Unmount: %v", err)
	}
	f.Close()
	r.unmount()
	r.idle()
}

func TestAnotherNamespaceHoldsTheDevice(t *testing.T) {
	filesystems(t, func(r *rig, _ string) {
		r.mount()
		pid, end := hosttest.OtherNamespace(r)
		r.unmount()
		if err := r.host.Exclusive(hosttest.Context(r), r.src.Device, nil); !errors.Is(err, connector.ErrBusy) {
			r.Errorf("exclusive open: %v, want ErrBusy", err)
		}
		holders, err := r.m.Holders(hosttest.Context(r), r.src)
		if err != nil || len(holders) != 1 || !strings.HasSuffix(holders[0], fmt.Sprintf("[%d]", pid)) {
			r.Errorf("Holders: %v, %v; want pid %d", holders, err, pid)
		}
		// The same volume is wanted again meanwhile.
		r.mount()
		r.unmount()
		end()
		r.idle()
	})
}

func TestEmptyMountPointTakesNoFiles(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	r.mount()
	if err := unix.Unmount(r.spec.Target, 0); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(r.spec.Target)
	if err != nil || st.Mode().Perm() != 0 {
		t.Errorf("mount point: %v, %v", st.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(r.spec.Target, "lost"), nil, 0o600); err == nil {
		t.Error("root could write to the empty mount point")
	}
	r.mount()
}

func TestMountPointWithFilesIsRefused(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	if err := os.MkdirAll(r.spec.Target, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.spec.Target, "only-copy")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.refused(connector.ErrUnsafe)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.mount()
}
