package e2e

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// Copies come with content, which is kept; a larger one's filesystem is grown.
func TestCopiesKeepTheirContent_B1_G1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "copies", quiet())
	d.Start()
	for _, fs := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fs, func(t *testing.T) {
			base := newScene(t, cloud, d, "base-"+fs, map[string]string{"size": "1", "fstype": fs})
			base.usable()
			copies := []*scene{
				newScene(t, cloud, d, "snap-"+fs, map[string]string{"snapshot_id": snapshot(t, cloud, base.id), "size": "2"}),
				newScene(t, cloud, d, "clone-"+fs, map[string]string{"source_volid": base.id, "size": "2"}),
				newScene(t, cloud, d, "same-"+fs, map[string]string{"source_volid": base.id}),
			}
			for i, s := range copies {
				path := s.mount("u")
				if names := namesIn(t, path); !slices.Equal(names, []string{"usable"}) {
					t.Errorf("%s shows %v", s.name, names)
				}
				if size := sizeAt(t, path); i < 2 && size < gib*3/2 {
					t.Errorf("%s has %d bytes after growing", s.name, size)
				}
				s.unmount("u")
				s.givenBack()
				if mark := s.seen().Metadata["fuxi:formatting"]; mark != "" {
					t.Errorf("%s was marked as being formatted: %s", s.name, mark)
				}
			}
			beside(t, base, copies[0], fs)
		})
	}
	blank := newScene(t, cloud, d, "blank", nil)
	for name, opts := range map[string]map[string]string{
		"blank-snap":  {"snapshot_id": snapshot(t, cloud, blank.id)},
		"blank-clone": {"source_volid": blank.id},
	} {
		s := newScene(t, cloud, d, name, opts)
		s.refused("so it is never formatted by itself", "nothing is on it", "fuxi format "+name+" --erase --id "+s.id)
		s.refused("nothing is on it")
	}
}

// beside mounts a volume and its copy at once: each must show its own bytes,
// or be refused, as btrfs, which goes by uuid alone, is.
func beside(t *testing.T, base, clone *scene, fs string) {
	t.Helper()
	path := base.mount("u")
	other, err := clone.d.Mount(clone.name, "u")
	switch {
	case err != nil && fs != "btrfs":
		t.Errorf("the copy beside its source: %v", err)
	case err != nil:
		t.Log(err)
	default:
		err = errors.Join(os.WriteFile(path+"/base", nil, 0o600), os.WriteFile(other+"/copy", nil, 0o600))
		if names := append(namesIn(t, path), namesIn(t, other)...); err != nil || !slices.Equal(names, []string{"base", "usable", "copy", "usable"}) {
			t.Errorf("source and copy show %v, %v", names, err)
		}
		clone.unmount("u")
	}
	base.unmount("u")
	base.givenBack()
	clone.givenBack()
}

// snapshot makes one and waits until it is there.
func snapshot(t *testing.T, cloud *rig.Cloud, volumeID string) string {
	t.Helper()
	type answer struct {
		Snapshot struct{ ID, Status string }
	}
	var made answer
	if code := cloud.API("POST", "/snapshots", map[string]any{"snapshot": map[string]any{"volume_id": volumeID}}, &made); code != 202 {
		t.Fatalf("snapshot of %s: %d", volumeID, code)
	}
	rig.Eventually(t, 10*time.Second, func() string {
		var now answer
		if cloud.API("GET", "/snapshots/"+made.Snapshot.ID, nil, &now); now.Snapshot.Status != "available" {
			return "the snapshot is " + now.Snapshot.Status
		}
		return ""
	})
	return made.Snapshot.ID
}

// sizeAt is the size of the filesystem at a path, bytes.
func sizeAt(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks) * st.Bsize
}
