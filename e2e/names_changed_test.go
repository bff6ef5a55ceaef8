package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// Renamed, deleted and extended by somebody else in the cloud.
func TestChangedInTheCloud_G6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	for name, settings := range map[string]rig.Settings{"unseen": quiet(), "seen": attentive()} {
		d := rig.NewDaemon(t, cloud, "host-"+name, settings)
		d.Start()
		look := func() {
			if name == "seen" {
				time.Sleep(2500 * time.Millisecond)
			}
		}
		t.Run("renamed "+name, func(t *testing.T) { t.Parallel(); renamed(t, cloud, d, "renamed-"+name, look) })
		t.Run("deleted "+name, func(t *testing.T) { t.Parallel(); deleted(t, cloud, d, "deleted-"+name, look) })
		t.Run("extended "+name, func(t *testing.T) { t.Parallel(); extended(t, cloud, d, "extended-"+name, look) })
	}
}

// renamed: a name that this host used goes on meaning its volume, before,
// during and after a mount.
func renamed(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string, look func()) {
	s := newScene(t, cloud, d, name, nil)
	s.usable()
	path := s.mount("c1")
	if code := cloud.API("PUT", "/volumes/"+s.id, map[string]any{"volume": map[string]string{"name": name + "-new"}}, nil); code != 200 {
		t.Fatal(code)
	}
	look()
	if again := s.mount("c2"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	if _, err := d.Get(name); err != nil {
		t.Errorf("get: %v", err)
	}
	s.unmount("c1")
	s.unmount("c2")
	s.givenBack()
	if err := d.Create(name, nil); err != nil {
		t.Errorf("create: %v", err)
	}
	path, err := d.Mount(name, "c3")
	got, rerr := os.ReadFile(filepath.Join(path, "usable"))
	if err != nil || rerr != nil || string(got) != name {
		t.Errorf("read %q, %v, %v", got, err, rerr)
	}
	s.unmount("c3")
	s.givenBack()
	if all := cloud.Volumes(name); len(all) != 0 || idOf(t, d, name) != s.id {
		t.Errorf("%s is %s, and there are %v", name, idOf(t, d, name), all)
	}
}

// deleted: told as what it is; a new create makes a new volume.
func deleted(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string, look func()) {
	s := newScene(t, cloud, d, name, nil)
	s.usable()
	if code := cloud.API("DELETE", "/volumes/"+s.id, nil, nil); code != 202 {
		t.Fatal(code)
	}
	rig.Eventually(t, 10*time.Second, func() string {
		if all := cloud.Volumes(name); len(all) > 0 {
			return fmt.Sprint(all)
		}
		return ""
	})
	look()
	if _, err := d.Mount(name, "u"); err == nil || !strings.Contains(err.Error(), "no volume named "+name) {
		t.Errorf("mount: %v", err)
	}
	if _, err := d.Get(name); err == nil {
		t.Error("a volume that the cloud does not know is still told")
	}
	if len(cloud.Volumes(name)) > 0 {
		t.Error("a mount made a volume")
	}
	again := newScene(t, cloud, d, name, nil)
	if names := again.usable(); len(names) > 0 || again.id == s.id {
		t.Errorf("the new one is %s and shows %v", again.id, names)
	}
}

// extended: while nobody uses it, and while somebody does.
func extended(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string, look func()) {
	s := newScene(t, cloud, d, name, nil)
	s.usable()
	grow := func(size int) {
		t.Helper()
		body := map[string]any{"os-extend": map[string]int{"new_size": size}}
		if code := cloud.API("POST", "/volumes/"+s.id+"/action", body, nil); code != 202 {
			t.Fatal(code)
		}
		rig.Eventually(t, 10*time.Second, func() string {
			if v := s.seen(); v.Size != size || v.Status == "extending" {
				return fmt.Sprint(v)
			}
			return ""
		})
		look()
	}
	grow(2)
	path := s.mount("c1")
	if size := sizeAt(t, path); size < gib*3/2 {
		t.Errorf("%d bytes after extending to 2 GiB", size)
	}
	grow(3)
	if again := s.mount("c2"); again != path {
		t.Errorf("mounted at %s and at %s", path, again)
	}
	if err := writeSynced(filepath.Join(path, "f"), "x"); err != nil {
		t.Error(err)
	}
	s.unmount("c1")
	s.unmount("c2")
	s.givenBack()
	path = s.mount("c3")
	if size := sizeAt(t, path); size < gib*5/2 {
		t.Errorf("%d bytes after extending to 3 GiB", size)
	}
	s.unmount("c3")
	s.givenBack()
	s.holds("usable", name)
}
