package mount_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// lengthen makes the device larger under whoever uses it.
func (r *rig) lengthen(gib int64) {
	r.Helper()
	if err := os.Truncate(r.image, gib*hosttest.GiB); err != nil {
		r.Fatal(err)
	}
	if err := r.host.LoopResize(hosttest.Context(r), r.src.Device); err != nil {
		r.Fatal(err)
	}
	r.src.SizeBytes = gib * hosttest.GiB
}

func (r *rig) size() int64 {
	r.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(r.spec.Target, &st); err != nil {
		r.Fatal(err)
	}
	return int64(st.Blocks) * st.Bsize
}

// While it is mounted, whatever directory of it is shown, and with a file open.
func TestGrowMounted(t *testing.T) {
	for _, subdir := range []string{"", "data", "a/b"} {
		t.Run("subdir="+strings.ReplaceAll(subdir, "/", "|"), func(t *testing.T) {
			filesystems(t, func(r *rig, fsType string) {
				r.spec.Subdir = subdir
				r.mount()
				open, err := os.Create(filepath.Join(r.spec.Target, "open"))
				if err != nil {
					r.Fatal(err)
				}
				defer open.Close()
				before := r.size()
				r.lengthen(2)
				err = r.m.Grow(hosttest.Context(r), r.src, r.spec.Target)
				if fsType == "ext4" && !mayGrowMounted(r.T) {
					if err == nil || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE") || r.size() != before {
						r.Errorf("without the capability: %v, %d bytes", err, r.size())
					}
					return
				}
				if err != nil || r.size() < 2*hosttest.GiB*85/100 {
					r.Errorf("Grow: %v; %d bytes, before %d", err, r.size(), before)
				}
				after := r.size()
				if err := r.m.Grow(hosttest.Context(r), r.src, r.spec.Target); err != nil || r.size() != after {
					r.Errorf("again: %v, %d bytes", err, r.size())
				}
				if _, err := open.WriteString("kept"); err != nil {
					r.Error(err)
				}
			})
		})
	}
}

// The tools grow whatever is mounted at a path: it must be the volume's.
func TestGrowRefusesAnotherMount(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.format("xfs")
	if err := other.m.Format(hosttest.Context(t), other.src, connector.FormatSpec{FSType: "xfs", UUID: "0a81c8f2-6f0f-4f5f-8a44-0c1d7a53c001"}); err != nil {
		t.Fatal(err)
	}
	other.spec.FSType = "xfs"
	if err := r.m.Grow(hosttest.Context(t), r.src, r.spec.Target); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("not mounted: %v, want ErrUnsafe", err)
	}
	other.mount()
	before := other.size()
	other.lengthen(2)
	if err := r.m.Grow(hosttest.Context(t), r.src, other.spec.Target); !errors.Is(err, connector.ErrUnsafe) || other.size() != before {
		t.Errorf("another volume's mount point: %v, want ErrUnsafe; it has %d bytes", err, other.size())
	}
	other.unmount()
	other.spec.ReadOnly = true
	other.mount()
	if err := other.m.Grow(hosttest.Context(t), other.src, other.spec.Target); !errors.Is(err, connector.ErrUnsupported) {
		t.Errorf("read-only: %v, want ErrUnsupported", err)
	}
}

// mayGrowMounted: the kernel asks for CAP_SYS_RESOURCE, which a container's root
// usually lacks.
func mayGrowMounted(t *testing.T) bool {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}
