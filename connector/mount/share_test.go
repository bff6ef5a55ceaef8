package mount_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
)

// shareRig is a share, mounted as a whole, and a place to show it.
type shareRig struct {
	*testing.T
	m    *mount.Mounter
	src  connector.Source
	spec connector.MountSpec
}

func newShareRig(t *testing.T) *shareRig {
	hosttest.NeedRoot(t)
	base := t.TempDir()
	r := &shareRig{T: t, m: mount.New(host.New())}
	r.m.Shares = filepath.Join(base, "shares")
	whole := filepath.Join(r.m.Shares, "id")
	if err := os.MkdirAll(whole, 0o700); err != nil {
		t.Fatal(err)
	}
	hosttest.Tool(t, "mount", "-t", "tmpfs", "-o", "nosuid,nodev,mode=755", "share", whole)
	t.Cleanup(func() { hosttest.Tool(t, "umount", whole) })
	r.src = connector.Source{Export: whole, Directory: whole, Proof: map[string]string{"export": "x"}}
	r.spec = connector.MountSpec{Target: filepath.Join(base, "volumes", "s"), Staging: filepath.Join(base, "staging", "s"), Subdir: "data"}
	t.Cleanup(func() {
		if err := r.m.Unmount(hosttest.Context(t), r.spec.Target, r.spec.Staging); err != nil {
			t.Errorf("clean up: %v", err)
		}
		hosttest.ClearImmutable(r.spec.Target)
	})
	return r
}

func (r *shareRig) mount() {
	r.Helper()
	if err := r.m.Mount(hosttest.Context(r), r.src, r.spec); err != nil {
		r.Fatal(err)
	}
}

func (r *shareRig) unmount() {
	r.Helper()
	if err := r.m.Unmount(hosttest.Context(r), r.spec.Target, r.spec.Staging); err != nil {
		r.Fatal(err)
	}
}

// refused expects an error, and nothing at Target.
func (r *shareRig) refused(why error) error {
	r.Helper()
	err := r.m.Mount(hosttest.Context(r), r.src, r.spec)
	if err == nil || why != nil && !errors.Is(err, why) {
		r.Errorf("Mount: %v, want %v", err, why)
	}
	if layers, _ := host.New().MountsAt(r.spec.Target); len(layers) != 0 {
		r.Errorf("after an error Target shows %+v", layers)
	}
	if _, err := os.Stat(r.spec.Target); !errors.Is(err, os.ErrNotExist) {
		r.Errorf("after an error Target is there: %v", err)
	}
	return err
}

func (r *shareRig) in(elem ...string) string {
	return filepath.Join(append([]string{r.src.Directory}, elem...)...)
}

// is expects the owner and the mode of a directory.
func (r *shareRig) is(dir string, uid, gid, mode uint32) {
	r.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		r.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid != uid || st.Gid != gid || st.Mode&0o7777 != mode {
		r.Errorf("%s belongs to %d:%d with mode %o, want %d:%d %o", dir, st.Uid, st.Gid, st.Mode&0o7777, uid, gid, mode)
	}
}

func owner(uid, gid int, mode uint32) connector.Owner {
	return connector.Owner{UID: &uid, GID: &gid, Mode: &mode}
}

func TestShareIsShown(t *testing.T) {
	r := newShareRig(t)
	r.spec.Subdir, r.spec.Owner = "team/data", owner(1000, 1001, 0o2770)
	for range 2 { // repeatable, and never stacked (A6)
		r.mount()
		r.is(r.spec.Target, 1000, 1001, 0o2770)
	}
	r.is(r.in("team"), 0, 0, 0o755)
	layers, err := host.New().MountsAt(r.spec.Target)
	if err != nil || len(layers) != 1 || layers[0].Root != "/team/data" {
		t.Fatalf("Target shows %+v, %v", layers, err)
	}
	for _, option := range []string{"nosuid", "nodev", "rw"} {
		if !slices.Contains(strings.Split(layers[0].Options, ","), option) {
			t.Errorf("Target has %s, lacks %s", layers[0].Options, option)
		}
	}
	mounted, err := r.m.Mounts(hosttest.Context(t), filepath.Dir(r.spec.Target))
	want := connector.Mounted{Target: r.spec.Target, Export: r.src.Export, Subdir: "/team/data", FSType: "tmpfs"}
	if err != nil || len(mounted) != 1 || mounted[0] != want {
		t.Errorf("Mounts: %+v, %v; want %+v", mounted, err, want)
	}
	r.unmount()
	if _, err := os.Stat(r.spec.Target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Target after Unmount: %v", err)
	}
	if layers, _ := host.New().MountsAt(r.src.Directory); len(layers) != 1 {
		t.Errorf("Unmount of Target left %d mounts of the whole", len(layers))
	}
}

// What another host's mount or its user made of the directory is theirs.
func TestShareKeepsAnOwner(t *testing.T) {
	r := newShareRig(t)
	if err := errors.Join(os.Mkdir(r.in("data"), 0o750), os.Chown(r.in("data"), 7, 7)); err != nil {
		t.Fatal(err)
	}
	r.spec.Owner = owner(1000, 1000, 0o700)
	r.mount()
	r.is(r.spec.Target, 7, 7, 0o750)
}

// A crash between making the directory and giving it its owner leaves it
// without a mode; the next mount, of whatever host, ends the job.
func TestShareFinishesADirectory(t *testing.T) {
	r := newShareRig(t)
	if err := os.Mkdir(r.in("data"), 0); err != nil {
		t.Fatal(err)
	}
	uid := 1000
	r.spec.Owner = connector.Owner{UID: &uid}
	r.mount()
	r.is(r.spec.Target, 1000, 0, 0o755)
}

func TestShareRootIsGivenItsOwnerOnce(t *testing.T) {
	r := newShareRig(t)
	r.spec.Subdir, r.spec.Owner = "", owner(1000, 1000, 0o775)
	r.mount()
	r.is(r.spec.Target, 0, 0, 0o755)
	r.unmount()
	r.spec.Fresh = true
	r.mount()
	r.is(r.spec.Target, 1000, 1000, 0o775)
}

// A container that wrote a symlink must not lead the next mount to /etc.
func TestShareLeadsNowhereElse(t *testing.T) {
	for name, put := range map[string]func(r *shareRig) error{
		"symlink":        func(r *shareRig) error { return os.Symlink("/etc", r.in("data")) },
		"inner symlink":  func(r *shareRig) error { return os.Symlink(".", r.in("data")) },
		"file":           func(r *shareRig) error { return os.WriteFile(r.in("data"), nil, 0o600) },
		"symlink parent": func(r *shareRig) error { r.spec.Subdir = "x/data"; return os.Symlink("/etc", r.in("x")) },
		"another mount": func(r *shareRig) error {
			err := os.Mkdir(r.in("data"), 0o755)
			hosttest.Tool(r, "mount", "-t", "tmpfs", "other", r.in("data"))
			r.Cleanup(func() { hosttest.Tool(r, "umount", r.in("data")) })
			return err
		},
		"parent": func(r *shareRig) error { r.spec.Subdir = "../x"; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newShareRig(t)
			if err := put(r); err != nil {
				t.Fatal(err)
			}
			_ = r.refused(connector.ErrUnsafe)
		})
	}
}

func TestShareReadOnly(t *testing.T) {
	r := newShareRig(t)
	r.spec.ReadOnly = true
	_ = r.refused(nil) // the directory is not there
	if err := os.Mkdir(r.in("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.mount()
	if err := os.WriteFile(filepath.Join(r.spec.Target, "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing to a read-only share: %v", err)
	}
	r.spec.ReadOnly = false // asked for anew, it is mounted anew and not upon
	r.mount()
	if err := os.WriteFile(filepath.Join(r.spec.Target, "x"), nil, 0o600); err != nil {
		t.Error(err)
	}
	r.unmount()
	hosttest.Tool(t, "mount", "-o", "remount,ro", r.src.Directory)
	_ = r.refused(nil)
}
