package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// A repeated Create is compared with what is there, and never makes a second
// volume.
func TestRepeatedCreate_E7(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	a, b := rig.NewDaemon(t, cloud, "host-a", quiet()), rig.NewDaemon(t, cloud, "host-b", quiet())
	a.Start()
	b.Start()
	first := map[string]string{"size": "2", "fstype": "xfs", "volume_type": "standard", "uid": "1000"}
	s := newScene(t, cloud, a, "vol", first)
	before := posts(cloud)
	for _, c := range []struct {
		what string
		opts map[string]string
		say  []string
	}{
		{"nothing", nil, nil},
		{"the same", first, nil},
		{"smaller", map[string]string{"size": "1"}, nil},
		{"other settings", map[string]string{"uid": "1", "mode": "0700", "description": "x", "on_remove": "retain"}, nil},
		{"larger", map[string]string{"size": "3"}, []string{"2 GiB", "size=3", "fuxi grow vol 3"}},
		{"other filesystem", map[string]string{"fstype": "ext4"}, []string{"fstype=xfs", "fstype=ext4"}},
		{"other type", map[string]string{"volume_type": "multi"}, []string{"volume_type=standard", "volume_type=multi"}},
		{"other source", map[string]string{"source_volid": s.id}, []string{"source_volid"}},
		{"other volume", map[string]string{"volume_id": ownUUID}, []string{"volume_id"}},
	} {
		for _, d := range []*rig.Daemon{a, b} {
			err := d.Create("vol", c.opts)
			switch {
			case c.say == nil && err != nil:
				t.Errorf("%s on %s: %v", c.what, d.Host, err)
			case c.say != nil && (err == nil || !containsAll(err.Error(), append(c.say, "vol"))):
				t.Errorf("%s on %s: %v", c.what, d.Host, err)
			}
		}
	}
	if after := posts(cloud); after != before {
		t.Errorf("%d changes reached the cloud", after-before)
	}
	if all := cloud.Volumes("vol"); len(all) != 1 || all[0].Size != 2 {
		t.Errorf("there are %v", all)
	}
	s.usable()
}

// What is not understood is refused before anything is made.
func TestBadOptionsMakeNothing_D6(t *testing.T) {
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	before := posts(cloud)
	for _, c := range []struct {
		opts map[string]string
		say  string
	}{
		{map[string]string{"sise": "1"}, "size"},
		{map[string]string{"size": "1", "snapshotID": "x"}, "snapshot_id"},
		{map[string]string{"size": "0"}, "size"},
		{map[string]string{"size": "-1"}, "size"},
		{map[string]string{"size": "1M"}, "size"},
		{map[string]string{"fstype": "vfat"}, "fstype"},
		{map[string]string{"mode": "9"}, "mode"},
		{map[string]string{"uid": "root"}, "uid"},
		{map[string]string{"subdir": "../etc"}, "subdir"},
		{map[string]string{"mkfs_options": "-F"}, "mkfs_options"},
		{map[string]string{"mount_options": "suid"}, "mount_options"},
		{map[string]string{"on_remove": "burn"}, "on_remove"},
		{map[string]string{"metadata.fuxi:formatted": "ext4"}, "fuxi:formatted"},
		{map[string]string{"volume_id": ownUUID, "size": "1"}, "exclude each other"},
		{map[string]string{"volume_provider": "manila"}, "volume_provider"},
	} {
		if err := d.Create("vol", c.opts); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v: %v", c.opts, err)
		}
	}
	for _, name := range []string{"", "a/b", "a b", "../x", "-x", ".x", "ä", strings.Repeat("x", 256)} {
		if err := d.Create(name, map[string]string{"size": "1"}); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if after := posts(cloud); after != before {
		t.Errorf("%d changes reached the cloud: %v", after-before, cloud.Counters())
	}
	// What only the cloud knows is refused there, and nothing is left.
	for _, opts := range []map[string]string{
		{"size": "1", "volume_type": "nope"}, {"size": "1", "availability_zone": "mars"},
		{"snapshot_id": ownUUID}, {"source_volid": ownUUID}, {"volume_id": ownUUID},
	} {
		if err := d.Create("vol", opts); err == nil {
			t.Errorf("%v was taken", opts)
		}
	}
	if all := cloud.Volumes("vol"); len(all) > 0 {
		t.Errorf("made: %v", all)
	}
}

// What docker volume rm does is the volume's policy: kept bytes come back by
// their id only, and the name is free at once.
func TestOnRemove_E11(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	gone := newScene(t, cloud, d, "burnt", map[string]string{"size": "1", "on_remove": "delete"})
	gone.usable()
	if err := d.Remove("burnt"); err != nil {
		t.Fatal(err)
	}
	if all := cloud.Volumes("burnt"); len(all) > 0 {
		t.Errorf("left: %v", all)
	}
	kept := newScene(t, cloud, d, "vol", map[string]string{"size": "1", "on_remove": "retain"})
	kept.usable()
	bytes := digest(t, kept.raw())
	if err := d.Remove("vol"); err != nil {
		t.Fatal(err)
	}
	event(t, d, "vol", "is kept in the cloud", "volume_id="+kept.id)
	if marks := kept.seen().Metadata; marks["fuxi:released"] == "" || !strings.HasPrefix(marks["fuxi:formatted"], "ext4,") || marks["volume_from"] != "" {
		t.Errorf("marks %v", marks)
	}
	if _, err := d.Get("vol"); err == nil {
		t.Error("a volume that was let go is still told")
	}
	// The name is free: a new volume is a new one.
	if err := d.Create("vol", map[string]string{"size": "1"}); err != nil {
		t.Fatal(err)
	}
	fresh := &scene{t: t, cloud: cloud, d: d, name: "vol", id: idOf(t, d, "vol")}
	if names := fresh.usable(); fresh.id == kept.id || len(names) > 0 {
		t.Errorf("the new one is %s and shows %v", fresh.id, names)
	}
	d.Kill9()
	d.Start()
	if id := idOf(t, d, "vol"); id != fresh.id || digest(t, kept.raw()) != bytes {
		t.Errorf("after a restart vol is %s", id)
	}
	if err := d.Create("back", map[string]string{"volume_id": kept.id}); err != nil {
		t.Fatal(err)
	}
	(&scene{t: t, cloud: cloud, d: d, name: "back", id: kept.id}).holds("usable", "vol")
	if err := d.Remove("back"); err != nil || kept.seen().Status != "available" {
		t.Errorf("an adopted volume is kept: %v", err)
	}
}

// What a process uses is not removed; what is gone is success.
func TestRemoveInUse_C3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	s.usable()
	path := s.mount("c1")
	stop := container(t, path)
	if err := d.Remove("vol"); err == nil || !strings.Contains(err.Error(), "in use on this host by") {
		t.Errorf("remove in use: %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, "usable")); err != nil {
		t.Error(err)
	}
	stop()
	s.unmount("c1")
	if err := d.Remove("vol"); err != nil {
		t.Error(err)
	}
	if err := d.Remove("vol"); err != nil {
		t.Errorf("what is gone is success: %v", err)
	}
}
