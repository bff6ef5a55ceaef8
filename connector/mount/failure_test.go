package mount_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
)

// cancelAt ends the context just before its n-th crossing.
func cancelAt(ctx context.Context, n int) (context.Context, *hosttest.Crossings) {
	ctx, cancel := context.WithCancel(ctx)
	steps := &hosttest.Crossings{Before: func(i int, _ trace.Kind, _ string) {
		if i == n {
			cancel()
		}
	}}
	return trace.WithRecorder(ctx, steps), steps
}

func TestMountStoppedAtEachStep(t *testing.T) {
	filesystems(t, func(r *rig, _ string) {
		for n := 1; ; n++ {
			ctx, steps := cancelAt(hosttest.Context(r), n)
			err := r.m.Mount(ctx, r.src, r.spec)
			if err == nil {
				r.unmount()
			}
			r.idle()
			for _, dir := range []string{r.spec.Target, r.spec.Staging} {
				if _, err := os.Stat(dir); !os.IsNotExist(err) {
					r.Errorf("%s after a mount that was stopped at step %d: %v", dir, n, err)
				}
			}
			if c := r.probe(); c.UUID != uuid {
				r.Errorf("after a mount that was stopped: %+v", c)
			}
			if len(steps.List()) < n {
				return
			}
		}
	})
}

func TestUnmountStoppedAtEachStep(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	for n := 1; n < 4; n++ {
		r.mount()
		ctx, _ := cancelAt(hosttest.Context(t), n)
		_ = r.m.Unmount(ctx, r.spec.Target, r.spec.Staging)
		r.unmount()
		r.idle()
	}
}

// A mount that hangs in the kernel, as on a dead disk, is left behind and undone
// when it ends after all.
func TestHangingMountIsLeftBehind(t *testing.T) {
	hosttest.NeedTools(t, "fsfreeze")
	below := newRig(t)
	below.format("ext4")
	below.spec.Subdir = ""
	below.mount()
	image := filepath.Join(below.spec.Target, "volume.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	h := host.New()
	r := &rig{T: t, host: h, m: mount.New(h), src: connector.Source{Device: hosttest.Loop(t, h, image)}}
	base := t.TempDir()
	r.spec = connector.MountSpec{Target: filepath.Join(base, "target"), Staging: filepath.Join(base, "staging"), Fresh: true}
	r.format("ext4")

	hosttest.Tool(t, "fsfreeze", "-f", below.spec.Target)
	thaw := sync.OnceFunc(func() { hosttest.Tool(t, "fsfreeze", "-u", below.spec.Target) })
	defer thaw()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- r.m.Mount(ctx, r.src, r.spec) }()
	// Undoing waits for the hanging call; the disk comes back meanwhile.
	time.Sleep(2 * time.Second)
	thaw()
	if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Mount after %s: %v", time.Since(began), err)
	} else {
		t.Log(err)
	}
	r.idle()
	r.mount()
	r.unmount()
}

func TestMountRefusesAnotherFilesystem(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	r.spec.FSType = "xfs"
	r.refused(connector.ErrUnsafe)
	r.spec.FSType = "ext4"
	r.spec.Options = []string{"no_such_option"}
	if err := r.m.Mount(hosttest.Context(t), r.src, r.spec); err == nil {
		t.Error("an unknown option was accepted")
	}
	r.idle()
	r.spec.Options = []string{"noexec", "noatime", "commit=60", "_netdev", "defaults"}
	r.mount()
	layers, err := r.host.MountsAt(r.spec.Target)
	if err != nil || len(layers) != 1 || layers[0].Options != "rw,nosuid,nodev,noexec,noatime" {
		t.Errorf("%+v, %v", layers, err)
	}
}

func TestBlankDeviceIsNotMounted(t *testing.T) {
	r := newRig(t)
	for _, fsType := range []string{"ext4", "xfs", "btrfs", ""} {
		r.spec.FSType = fsType
		if err := r.m.Mount(hosttest.Context(t), r.src, r.spec); err == nil {
			t.Errorf("a blank device was mounted as %q", fsType)
		}
		r.idle()
	}
	if c := r.probe(); !c.Blank {
		t.Errorf("failed mounts left %+v", c)
	}
}

// A crash between making and renaming leaves the temporary directory; the next
// mount takes it away.
func TestDataDirectoryAfterACrash(t *testing.T) {
	r := newRig(t)
	r.format("ext4")
	r.spec.Subdir = ""
	r.mount()
	if err := os.Mkdir(filepath.Join(r.spec.Target, ".fuxi-new"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.unmount()
	r.spec.Subdir = "a/b"
	gid := 77
	r.spec.Owner.GID = &gid
	r.mount()
	if st, err := os.Stat(r.spec.Target); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", st, err)
	}
	// Owner is for new directories only.
	if err := os.Chown(r.spec.Target, 5, 5); err != nil {
		t.Fatal(err)
	}
	r.unmount()
	r.mount()
	var st unix.Stat_t
	if err := unix.Stat(r.spec.Target, &st); err != nil || st.Uid != 5 || st.Gid != 5 {
		t.Errorf("owner of an existing directory: %d:%d, %v", st.Uid, st.Gid, err)
	}
	r.unmount()
	r.spec.Subdir, r.spec.ReadOnly = "missing", true
	if err := r.m.Mount(hosttest.Context(t), r.src, r.spec); err == nil {
		t.Error("a read-only mount made a directory")
	}
	r.idle()
}

func TestReadOnlyDevice(t *testing.T) {
	filesystems(t, func(r *rig, fsType string) {
		r.mount()
		r.unmount()
		if err := os.Chmod(r.image, 0o400); err != nil {
			r.Fatal(err)
		}
		f, err := os.Open(r.image)
		if err != nil {
			r.Fatal(err)
		}
		defer f.Close()
		loop, err := r.host.LoopAttach(hosttest.Context(r), f, "hosttest-ro", true)
		if err != nil {
			r.Fatal(err)
		}
		defer func() {
			r.unmount()
			if err := r.host.LoopDetach(hosttest.Context(r), loop); err != nil {
				r.Error(err)
			}
		}()
		r.src.Device = loop.Device
		if err := r.m.Mount(hosttest.Context(r), r.src, r.spec); err == nil {
			r.Error("a read-only device was mounted read-write")
		}
		r.spec.ReadOnly = true
		r.mount()
	})
}

func TestReadOnlyWhileMountedReadWriteElsewhere(t *testing.T) {
	filesystems(t, func(r *rig, _ string) {
		r.mount()
		if err := os.WriteFile(filepath.Join(r.spec.Target, "file"), nil, 0o600); err != nil {
			r.Fatal(err)
		}
		first := r.spec
		r.spec.Target, r.spec.ReadOnly = r.spec.Target+"-ro", true
		r.mount()
		if err := os.Remove(filepath.Join(r.spec.Target, "file")); !errors.Is(err, unix.EROFS) {
			r.Errorf("remove: %v, want EROFS", err)
		}
		r.unmount()
		r.spec = first
	})
}

func TestBtrfsDefaultSubvolume(t *testing.T) {
	hosttest.NeedTools(t, "mkfs.btrfs", "btrfs")
	r := newRig(t)
	r.format("btrfs")
	r.spec.Subdir = ""
	r.mount()
	hosttest.Tool(t, "btrfs", "subvolume", "create", filepath.Join(r.spec.Target, "@"))
	hosttest.Tool(t, "btrfs", "subvolume", "set-default", filepath.Join(r.spec.Target, "@"))
	r.unmount()
	r.mount()
	r.unmount()
	r.spec.Subdir = "data"
	r.mount()
	r.unmount()
	r.idle()
}
