package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

const (
	ownUUID   = "11111111-2222-4333-8444-555555555555"
	otherUUID = "99999999-8888-4777-8666-555555555555"
)

func nothing(*testing.T, string) {}

// ext4With is an ext4 with a uuid and one file in its root.
func ext4With(uuid string) content {
	return shell(`d=$(mktemp -d); trap 'rm -r "$d"' EXIT; echo -n theirs >"$d/old"; mkfs.ext4 -q -U ` + uuid + ` -d "$d" "$1"`)
}

// marked is a volume that fuxi created, whose marks somebody changed.
type marked struct {
	marks map[string]string
	put   content
	say   []string
	mend  func(s *scene) // takes the cause away, so that it can be used
	keeps bool           // then the old file is there
}

func markCases() map[string]marked {
	unmark := func(keys ...string) func(*scene) { return func(s *scene) { s.unmark(keys...) } }
	return map[string]marked{
		"formatted, but zero": {map[string]string{"fuxi:formatted": "ext4," + ownUUID}, nothing,
			[]string{"should hold ext4 with uuid " + ownUUID, "but nothing is on it", "nothing was written"},
			func(s *scene) {
				s.unmark("fuxi:formatted", "fuxi:subdir")
				ext4With(otherUUID)(s.t, s.raw())
				s.adopted()
			}, true},
		"formatted, another uuid": {map[string]string{"fuxi:formatted": "ext4," + ownUUID, "fuxi:subdir": "/"}, ext4With(otherUUID),
			[]string{"should hold ext4 with uuid " + ownUUID, "ext4 with uuid " + otherUUID, "fuxi:formatted=TYPE,UUID"},
			func(s *scene) { s.mark(map[string]string{"fuxi:formatted": "ext4," + otherUUID}) }, true},
		"formatted, another kind": {map[string]string{"fuxi:formatted": "ext4," + ownUUID, "fuxi:subdir": "/"}, tool(nil, "mkfs.xfs", "-q", "-f", "-m", "uuid="+ownUUID),
			[]string{"should hold ext4", "xfs with uuid " + ownUUID},
			func(s *scene) { s.blank(); ext4With(ownUUID)(s.t, s.raw()) }, true},
		"formatted is garbage": {map[string]string{"fuxi:formatted": "garbage"}, nothing, []string{"fuxi:formatted mark", "damaged", "nothing was written"}, nil, false},
		"formatted is empty":   {map[string]string{"fuxi:formatted": ""}, nothing, []string{"fuxi:formatted mark", "damaged", "nothing was written"}, nil, false},
		"newer schema":         {map[string]string{"fuxi:v": "99"}, nothing, []string{"damaged", "fuxi:v", "openstack volume set"}, func(s *scene) { s.mark(map[string]string{"fuxi:v": "1"}) }, false},
		"subdir leaves":        {map[string]string{"fuxi:subdir": "../x"}, nothing, []string{"damaged", "fuxi:subdir"}, func(s *scene) { s.mark(map[string]string{"fuxi:subdir": "data"}) }, false},
		"options damaged":      {map[string]string{"fuxi:opts": "garbage"}, nothing, []string{"damaged", "fuxi:opts"}, unmark("fuxi:opts"), false},
		"formatting damaged":   {map[string]string{"fuxi:formatting": "ext4"}, nothing, []string{"damaged", "fuxi:formatting"}, unmark("fuxi:formatting"), false},
		"formatting, foreign": {map[string]string{"fuxi:formatting": "ext4," + ownUUID + ",gone-host"}, ext4With(otherUUID),
			[]string{"being formatted by host gone-host", "ext4 with uuid " + otherUUID, "left alone", "fuxi format"}, func(s *scene) { s.blank() }, false},
		"formatting, other kind": {map[string]string{"fuxi:formatting": "ext4," + ownUUID + ",gone-host"}, tool(nil, "mkfs.xfs", "-q", "-f", "-m", "uuid="+ownUUID),
			[]string{"being formatted by host gone-host", "xfs with uuid " + ownUUID}, func(s *scene) { s.blank() }, false},
		"formatted, subdir leaves": {map[string]string{"fuxi:formatted": "ext4," + ownUUID, "fuxi:subdir": "../x"}, ext4With(ownUUID),
			[]string{"fuxi:subdir", "damaged", "openstack volume set"}, func(s *scene) { s.mark(map[string]string{"fuxi:subdir": "/"}) }, true},
		"adopted and blank": {map[string]string{"fuxi:adopted": "2026-01-01T00:00:00Z,x"}, nothing, []string{"was adopted", "never formatted by itself"}, func(s *scene) { s.unmark("fuxi:adopted") }, false},
	}
}

// adopted makes the volume one with content of its own.
func (s *scene) adopted() { s.mark(map[string]string{"fuxi:adopted": "2026-01-01T00:00:00Z,test"}) }

// Marks are input: whatever they say, a disk is formatted only when they are
// all in order and tell that it never was.
func TestMarksThatForbidFormatting_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "marks", quiet())
	d.Start()
	t.Run("marks", func(t *testing.T) {
		for name, c := range markCases() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, cloud, d, plain(name), nil)
				s.mark(c.marks)
				c.put(t, s.raw())
				t.Log(s.refused(append(c.say, s.id)...))
				s.refused(c.say...) // what is known from the first try changes nothing
				if c.mend == nil {
					return
				}
				c.mend(s)
				if names := s.usable(); slices.Contains(names, "old") != c.keeps {
					t.Errorf("there is %v", names)
				}
			})
		}
	})
}

// made is a volume that was made in the cloud by other means than fuxi.
func made(t *testing.T, cloud *rig.Cloud, d *rig.Daemon, name string, fields map[string]any) *scene {
	t.Helper()
	want := map[string]any{"name": name, "size": 1}
	for k, v := range fields {
		want[k] = v
	}
	var out struct {
		Volume rig.CloudVolume `json:"volume"`
	}
	if code := cloud.API("POST", "/volumes", map[string]any{"volume": want}, &out); code != 202 {
		t.Fatalf("make %s: %d", name, code)
	}
	s := &scene{t: t, cloud: cloud, d: d, name: name, id: out.Volume.ID}
	s.givenBack()
	return s
}

// The volumes of the original fuxi carry two marks and their data at the
// filesystem's root.
func TestVolumesOfTheOriginal_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "original", quiet())
	d.Start()
	marks := map[string]any{"metadata": map[string]string{"volume_from": "fuxi", "fstype": "ext4"}}
	full := made(t, cloud, d, "old-one", marks)
	ext4With(otherUUID)(t, full.raw())
	before := full.seen().Metadata
	if names := full.usable(); !slices.Contains(names, "old") || !slices.Contains(names, "lost+found") {
		t.Errorf("its root shows %v", names)
	}
	if after := full.seen().Metadata; len(after) != len(before) {
		t.Errorf("marks %v became %v", before, after)
	}
	empty := made(t, cloud, d, "old-empty", marks)
	empty.refused("carries no mark of having been created by fuxi", "nothing is on it", "fuxi format old-empty --erase --id "+empty.id)
	empty.refused("never formatted by itself")
}

// Seeded volumes look created by fuxi: formatted once if they are blank, and
// left alone if they are not.
func TestSeededVolumes_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Seed: 2})
	d := rig.NewDaemon(t, cloud, "seeds", quiet())
	d.Start()
	first := sceneOf(t, cloud, d, "seed-000001")
	if names := first.usable(); !slices.Equal(names, []string{"lost+found"}) {
		t.Errorf("no subdirectory is marked, so the root is shown; it has %v", names)
	}
	second := sceneOf(t, cloud, d, "seed-000002")
	rig.Eventually(t, 10e9, func() string {
		if _, err := os.Stat(second.raw()); err != nil {
			return err.Error()
		}
		return ""
	})
	ext4With(otherUUID)(t, second.raw())
	second.refused("was never formatted by fuxi", otherUUID)
}

// An adopted volume is used as it is, and never formatted by itself.
func TestAdoptedVolumes_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "adopter", quiet())
	d.Start()
	adopt := func(cloudName, name string, put content) *scene {
		s := made(t, cloud, d, cloudName, nil)
		put(t, s.raw())
		if err := d.Create(name, map[string]string{"volume_id": s.id}); err != nil {
			t.Fatal(err)
		}
		s.name = name
		return s
	}
	blank := adopt("blank-disk", "blank", nothing)
	blank.refused("was adopted", "nothing is on it", "fuxi format blank --erase --id "+blank.id)
	full := adopt("full-disk", "full", ext4With(otherUUID))
	if names := full.usable(); !slices.Contains(names, "old") {
		t.Errorf("its root shows %v", names)
	}
	table := adopt("table", "table", tool(bytesAt(512, "EFI PART"), "sgdisk", "-n", "1:0:0"))
	table.refused("was adopted", "is on it")
	// Removing an adopted volume lets go of it and keeps every byte.
	bytes := digest(t, full.raw())
	if err := d.Remove("full"); err != nil {
		t.Fatal(err)
	}
	if digest(t, full.raw()) != bytes {
		t.Error("removing changed the bytes")
	}
	if _, err := os.Stat(filepath.Join(d.StateDir(), "mounts", "cinder", "full")); !os.IsNotExist(err) {
		t.Errorf("its mount point is left: %v", err)
	}
	if marks := full.seen().Metadata; marks["fuxi:released"] == "" || marks["volume_from"] != "" {
		t.Errorf("released it carries %v", marks)
	}
}
