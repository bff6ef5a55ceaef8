package mount_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	googleuuid "github.com/google/uuid"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
)

// uuid differs by run: mkfs.btrfs refuses one that any device of the machine
// has, another run's among them. A variable, because it is one for all tests.
var uuid = googleuuid.NewString()

// rig is one blank device of a GiB and a place to mount it.
type rig struct {
	*testing.T
	host  *host.Host
	m     *mount.Mounter
	image string
	src   connector.Source
	spec  connector.MountSpec
}

func newRig(t *testing.T) *rig {
	hosttest.NeedRoot(t)
	h := host.New()
	image := hosttest.Image(t, hosttest.GiB)
	r := &rig{T: t, host: h, m: mount.New(h), image: image,
		src: connector.Source{Device: hosttest.Loop(t, h, image), SizeBytes: hosttest.GiB}}
	base := t.TempDir()
	r.spec = connector.MountSpec{FSType: "ext4", Target: filepath.Join(base, "volumes", "v"),
		Staging: filepath.Join(base, "staging", "v"), Subdir: "data"}
	t.Cleanup(func() {
		if err := r.m.Unmount(hosttest.Context(t), r.spec.Target, r.spec.Staging); err != nil {
			t.Errorf("clean up: %v", err)
		}
		hosttest.ClearImmutable(r.spec.Target)
	})
	return r
}

func (r *rig) format(fsType string) {
	r.Helper()
	hosttest.NeedTools(r, "mkfs."+fsType)
	if err := r.m.Format(hosttest.Context(r), r.src, connector.FormatSpec{FSType: fsType, UUID: uuid}); err != nil {
		r.Fatal(err)
	}
	r.spec.FSType = fsType
}

func (r *rig) mount() {
	r.Helper()
	if err := r.m.Mount(hosttest.Context(r), r.src, r.spec); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) unmount() {
	r.Helper()
	if err := r.m.Unmount(hosttest.Context(r), r.spec.Target, r.spec.Staging); err != nil {
		r.Fatal(err)
	}
}

// refused expects an error of the kind and that nothing is left mounted.
func (r *rig) refused(kind error) {
	r.Helper()
	err := r.m.Mount(hosttest.Context(r), r.src, r.spec)
	if !errors.Is(err, kind) {
		r.Errorf("Mount: %v, want %v", err, kind)
	}
	r.idle()
}

// idle expects that neither Target nor Staging nor anybody has the device.
func (r *rig) idle() {
	r.Helper()
	for _, point := range []string{r.spec.Target, r.spec.Staging} {
		if layers, err := r.host.MountsAt(point); err != nil || len(layers) > 0 {
			r.Errorf("%s: %v, %v", point, layers, err)
		}
	}
	if err := r.host.Exclusive(hosttest.Context(r), r.src.Device, nil); err != nil {
		r.Error(err)
	}
}

func filesystems(t *testing.T, test func(*rig, string)) {
	for _, fsType := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fsType, func(t *testing.T) {
			hosttest.NeedTools(t, "mkfs."+fsType)
			r := newRig(t)
			r.format(fsType)
			test(r, fsType)
		})
	}
}

func TestMountShowsTheData(t *testing.T) {
	filesystems(t, func(r *rig, fsType string) {
		r.spec.Fresh = true
		uid, mode := 1234, uint32(0o2750)
		r.spec.Owner = connector.Owner{UID: &uid, Mode: &mode}
		r.mount()
		file := filepath.Join(r.spec.Target, "file")
		if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
			r.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(r.spec.Target, &st); err != nil || st.Uid != 1234 || st.Gid != 0 || st.Mode&0o7777 != mode {
			r.Errorf("data directory: uid %d gid %d mode %o, %v", st.Uid, st.Gid, st.Mode, err)
		}
		mounts, err := r.m.Mounts(hosttest.Context(r), filepath.Dir(r.spec.Target))
		want := connector.Mounted{Target: r.spec.Target, Device: r.src.Device, Subdir: "/data", FSType: fsType}
		if err != nil || len(mounts) != 1 || mounts[0] != want {
			r.Errorf("Mounts: %+v, %v; want %+v", mounts, err, want)
		}
		if _, err := os.Stat(r.spec.Staging); !os.IsNotExist(err) {
			r.Errorf("staging directory: %v", err)
		}
		r.unmount()
		r.unmount()
		r.idle()
		if _, err := os.Stat(r.spec.Target); !os.IsNotExist(err) {
			r.Errorf("mount point after Unmount: %v", err)
		}
		r.spec.Fresh = false
		r.mount()
		if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
			r.Errorf("after remount: %q, %v", b, err)
		}
	})
}

// The commands of a cold mount are budgeted: on a slow host each costs tens of
// milliseconds.
func TestCrossingsOfAColdMount(t *testing.T) {
	want := map[string]string{
		"ext4": "e2fsck mount move_mount umount2", "xfs": "mount move_mount umount2", "btrfs": "mount move_mount umount2",
	}
	filesystems(t, func(r *rig, fsType string) {
		steps := &hosttest.Crossings{}
		ctx := trace.WithRecorder(hosttest.Context(r), steps)
		if err := r.m.Mount(ctx, r.src, r.spec); err != nil {
			r.Fatal(err)
		}
		var verbs []string
		for _, step := range steps.Host() {
			verb, _, _ := strings.Cut(step, " ")
			verbs = append(verbs, verb)
		}
		if got := strings.Join(verbs, " "); got != want[fsType] {
			r.Errorf("crossings: %s; want %s", got, want[fsType])
		}
		if err := r.m.Mount(ctx, r.src, r.spec); err != nil || len(steps.Host()) != len(verbs) {
			r.Errorf("second Mount: %v, crossings %v", err, steps.Host())
		}
	})
}

func TestGrowOnMount(t *testing.T) {
	filesystems(t, func(r *rig, fsType string) {
		var notices []string
		if err := os.Truncate(r.image, 2*hosttest.GiB); err != nil {
			r.Fatal(err)
		}
		if err := r.host.LoopResize(hosttest.Context(r), r.src.Device); err != nil {
			r.Fatal(err)
		}
		r.mount()
		var st unix.Statfs_t
		if err := unix.Statfs(r.spec.Target, &st); err != nil {
			r.Fatal(err)
		}
		if size := int64(st.Blocks) * st.Bsize; size < 2*hosttest.GiB*85/100 {
			r.Errorf("the filesystem has %d bytes; notices %v", size, notices)
		}
		r.unmount()
		steps := &hosttest.Crossings{}
		if err := r.m.Mount(trace.WithRecorder(hosttest.Context(r), steps), r.src, r.spec); err != nil {
			r.Fatal(err)
		}
		if n := len(steps.Host()); n > 4 {
			r.Errorf("grown filesystem is grown again: %v", steps.Host())
		}
	})
}

func TestReadOnlyMount(t *testing.T) {
	filesystems(t, func(r *rig, _ string) {
		r.mount()
		r.unmount()
		r.spec.ReadOnly = true
		r.mount()
		if err := os.Mkdir(filepath.Join(r.spec.Target, "x"), 0o755); !errors.Is(err, unix.EROFS) {
			r.Errorf("mkdir: %v, want EROFS", err)
		}
		r.spec.ReadOnly = false
		r.mount()
		if err := os.Mkdir(filepath.Join(r.spec.Target, "x"), 0o755); err != nil {
			r.Errorf("mkdir after remount read-write: %v", err)
		}
	})
}

func TestSymlinkAsDataIsRefused(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	whole := r.spec
	r.spec.Subdir = ""
	r.mount()
	trap := t.TempDir()
	before, _ := os.Stat(trap)
	if err := os.Symlink(trap, filepath.Join(r.spec.Target, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.spec.Target, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.unmount()
	uid, mode := 1234, uint32(0o777)
	for _, subdir := range []string{"data", "data/below", "file"} {
		r.spec = whole
		r.spec.Subdir, r.spec.Owner = subdir, connector.Owner{UID: &uid, Mode: &mode}
		r.refused(connector.ErrUnsafe)
	}
	for _, subdir := range []string{"../x", "/etc", "a/../../b"} {
		r.spec.Subdir = subdir
		r.refused(connector.ErrUnsafe)
	}
	after, _ := os.Stat(trap)
	if before.Mode() != after.Mode() || before.Sys().(*syscall.Stat_t).Uid != after.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("the symlink's target changed: %v, before %v", after.Mode(), before.Mode())
	}
}

func TestDamagedExt4IsRefused(t *testing.T) {
	hosttest.NeedTools(t, "debugfs")
	r := newRig(t)
	r.format("ext4")
	// An unusable root directory and the mark that a check is due.
	hosttest.Tool(t, "debugfs", "-w", "-R", "clri <2>", r.src.Device)
	hosttest.Tool(t, "debugfs", "-w", "-R", "ssv state 2", r.src.Device)
	r.refused(connector.ErrUnsafe)
}

func TestRepairedExt4IsReported(t *testing.T) {
	hosttest.NeedTools(t, "debugfs")
	r := newRig(t)
	r.format("ext4")
	r.mount()
	r.unmount()
	hosttest.Tool(t, "debugfs", "-w", "-R", "ssv free_blocks_count 1", r.src.Device)
	hosttest.Tool(t, "debugfs", "-w", "-R", "ssv state 2", r.src.Device)
	var notices []string
	r.m.Notice = func(_ context.Context, text string) {
		notices = append(notices, text)
	}
	r.mount()
	if len(notices) != 1 || !strings.Contains(notices[0], "repaired") {
		t.Errorf("notices: %v", notices)
	}
}
