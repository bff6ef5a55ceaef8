package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

const gib = int64(1) << 30

// scene is one volume of a daemon, and a test's eyes on its bytes, its marks
// and what of it is on this host.
type scene struct {
	t     *testing.T
	cloud *rig.Cloud
	d     *rig.Daemon
	name  string
	id    string
}

// newScene creates a volume through Docker's protocol; nothing ever mounted it.
func newScene(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string, opts map[string]string) *scene {
	t.Helper()
	if opts == nil {
		opts = map[string]string{"size": "1"}
	}
	if err := d.Create(name, opts); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return sceneOf(t, cloud, d, name)
}

// sceneOf looks at a volume that exists under the name exactly once.
func sceneOf(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string) *scene {
	t.Helper()
	all := cloud.Volumes(name)
	if len(all) != 1 {
		t.Fatalf("%d volumes are named %s: %v", len(all), name, all)
	}
	return &scene{t: t, cloud: cloud, d: d, name: name, id: all[0].ID}
}

func (s *scene) raw() string { return filepath.Join(s.cloud.Dir, "volumes", s.id+".raw") }

// seen is the volume as the cloud shows it now.
func (s *scene) seen() rig.CloudVolume {
	s.t.Helper()
	var out struct {
		Volume rig.CloudVolume `json:"volume"`
	}
	if code := s.cloud.API("GET", "/volumes/"+s.id, nil, &out); code != 200 {
		s.t.Fatalf("volume %s: %d", s.id, code)
	}
	return out.Volume
}

// mark sets marks as any member of the project may.
func (s *scene) mark(marks map[string]string) {
	s.t.Helper()
	if code := s.cloud.API("POST", "/volumes/"+s.id+"/metadata", map[string]any{"metadata": marks}, nil); code != 200 {
		s.t.Fatalf("mark %s: %d", s.id, code)
	}
}

// unmark takes marks away.
func (s *scene) unmark(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if code := s.cloud.API("DELETE", "/volumes/"+s.id+"/metadata/"+key, nil, nil); code != 200 {
			s.t.Fatalf("unmark %s: %d", key, code)
		}
	}
}

// refused mounts and expects a refusal that says all of want, leaves every
// byte and mark as it was and gives the volume back. It returns the text.
func (s *scene) refused(want ...string) string {
	s.t.Helper()
	bytes, marks := digest(s.t, s.raw()), s.seen().Metadata
	path, err := s.d.Mount(s.name, "refused")
	if err == nil {
		s.t.Fatalf("%s was mounted at %s", s.name, path)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			s.t.Errorf("the refusal lacks %q: %v", w, err)
		}
	}
	s.givenBack()
	if digest(s.t, s.raw()) != bytes {
		s.t.Error("the volume's bytes were changed")
	}
	if now := s.seen().Metadata; !reflect.DeepEqual(now, marks) {
		s.t.Errorf("the marks were %v and are %v", marks, now)
	}
	return err.Error()
}

// givenBack waits until nothing of the volume is on this host.
func (s *scene) givenBack() {
	s.t.Helper()
	rig.Eventually(s.t, 20*time.Second, func() string {
		v := s.seen()
		switch loops := loopsOf(s.raw()); {
		case v.Status != "available" || len(v.Attachments) > 0:
			return fmt.Sprintf("%s is %s with %d attachments", s.name, v.Status, len(v.Attachments))
		case len(loops) > 0:
			return fmt.Sprintf("loop devices are left: %v", loops)
		case s.mounted():
			return "a mount is left"
		}
		return ""
	})
}

func (s *scene) target() string { return filepath.Join(s.d.StateDir(), "mounts", "cinder", s.name) }

func (s *scene) mounted() bool {
	for _, m := range rig.MountsBelow(s.d.Dir) {
		if m == s.target() || strings.HasSuffix(m, s.id) {
			return true
		}
	}
	return false
}

// mount must succeed; it returns the path.
func (s *scene) mount(user string) string {
	s.t.Helper()
	path, err := s.d.Mount(s.name, user)
	if err != nil {
		s.t.Fatalf("mount %s: %v", s.name, err)
	}
	if !s.mounted() {
		s.t.Fatalf("%s answered %s, where nothing is mounted", s.name, path)
	}
	return path
}

func (s *scene) unmount(user string) {
	s.t.Helper()
	if err := s.d.Unmount(s.name, user); err != nil {
		s.t.Fatalf("unmount %s: %v", s.name, err)
	}
}

// usable mounts, writes, reads after a second attach and gives back. It
// returns the names that were there at first.
func (s *scene) usable() []string {
	s.t.Helper()
	path := s.mount("u1")
	names := namesIn(s.t, path)
	if err := writeSynced(filepath.Join(path, "usable"), s.name); err != nil {
		s.t.Fatal(err)
	}
	s.unmount("u1")
	s.givenBack()
	s.holds("usable", s.name)
	return names
}

// holds mounts, compares one file and gives back.
func (s *scene) holds(file, want string) {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.mount("reader"), file))
	if err != nil || string(got) != want {
		s.t.Errorf("%s of %s is %q, %v; it was %q", file, s.name, got, err, want)
	}
	s.unmount("reader")
	s.givenBack()
}

// blank makes the whole volume zero again.
func (s *scene) blank() {
	s.t.Helper()
	info, err := os.Stat(s.raw())
	if err == nil {
		err = errors.Join(os.Truncate(s.raw(), 0), os.Truncate(s.raw(), info.Size()))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
