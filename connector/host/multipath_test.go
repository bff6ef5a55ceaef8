package host_test

import (
	"os"
	"slices"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

func TestMultipathMaps(t *testing.T) {
	h := tree(t, map[string]string{
		"sys/block/dm-0/dm/uuid": "LVM-abc\n", "sys/block/dm-0/size": "8\n",
		"sys/block/dm-1/dm/uuid": "mpath-36001405a\n", "sys/block/dm-1/dm/name": "mpatha\n", "sys/block/dm-1/dm/suspended": "0\n",
		"sys/block/dm-1/size": "2048\n", "sys/block/dm-1/slaves/sda": "", "sys/block/sda/holders/dm-1": "", "sys/block/sdb/holders/dm-0": "",
		"sys/block/dm-2/dm/uuid": "mpath-36001405b\n", "sys/block/dm-2/dm/name": "mpathb\n", "sys/block/dm-2/dm/suspended": "0\n", "sys/block/dm-2/size": "0\n",
		"proc/1/comm": "init\n", "proc/932/comm": "multipathd\n",
	})
	if err := os.Mkdir(h.Path("sys/block/dm-2/slaves"), 0o755); err != nil {
		t.Fatal(err)
	}
	maps, err := h.MultipathMaps()
	if err != nil || len(maps) != 2 || maps[0].Alias != "mpatha" || !maps[0].Ready || maps[1].Ready || maps[1].Paths != nil {
		t.Errorf("got %+v, %v", maps, err)
	}
	if m, found, err := h.MultipathOver("sda"); err != nil || !found || m.Device() != "/dev/dm-1" || m.Serial != "36001405a" || !slices.Equal(m.Paths, []string{"sda"}) {
		t.Errorf("over sda: %+v, %v, %v", m, found, err)
	}
	if m, found, err := h.MultipathOver("sdb"); err != nil || found {
		t.Errorf("LVM is multipath: %+v, %v", m, err)
	}
	if runs, err := h.MultipathdRuns(); err != nil || !runs {
		t.Errorf("multipathd: %v, %v", runs, err)
	}
	if err := os.WriteFile(h.Path("proc/932/comm"), []byte("other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if runs, err := h.MultipathdRuns(); err != nil || runs {
		t.Errorf("another process: %v, %v", runs, err)
	}
}

// What cannot be read is not taken for absent: a map that is not seen would be
// left behind, or its disks taken away from under it.
func TestUnreadableMaps(t *testing.T) {
	files := map[string]string{
		"sys/block/dm-1/dm/uuid": "mpath-36001405a\n", "sys/block/dm-1/dm/name": "mpatha\n", "sys/block/dm-1/dm/suspended": "0\n",
		"sys/block/dm-1/size": "2048\n", "sys/block/dm-1/slaves/sda": "", "sys/block/sda/holders/dm-1": "", "sys/block/dm-1/holders/dm-2": "",
		"sys/block/dm-2/dm/uuid": "part1-mpath-36001405a\n",
	}
	for _, broken := range []string{"sys/block", "sys/block/sda/holders", "sys/block/dm-1/dm/uuid", "sys/block/dm-1/dm/name", "sys/block/dm-1/dm/suspended",
		"sys/block/dm-1/size", "sys/block/dm-1/slaves"} {
		h := tree(t, files)
		breakPath(t, h.Path(broken))
		_, found, err := h.MultipathOver("sda")
		if found || err == nil {
			t.Errorf("%s is broken: a map over sda %v, %v", broken, found, err)
		}
		maps, err := h.MultipathMaps()
		if elsewhere := broken == "sys/block/sda/holders"; (err == nil) != elsewhere || len(maps) > 0 && !elsewhere {
			t.Errorf("%s is broken: %+v, %v", broken, maps, err)
		}
	}
	for _, gone := range []string{"sys", "sys/block/sda", "sys/block/dm-1/dm", "sys/block/dm-1/dm/name", "sys/block/dm-1/slaves", "sys/block/dm-1/size"} {
		h := tree(t, files)
		if err := os.RemoveAll(h.Path(gone)); err != nil {
			t.Fatal(err)
		}
		if _, found, err := h.MultipathOver("sda"); found || err != nil {
			t.Errorf("%s is gone: a map over sda %v, %v", gone, found, err)
		}
		if _, err := h.MultipathMaps(); err != nil {
			t.Errorf("%s is gone: %v", gone, err)
		}
	}
	h := tree(t, files)
	breakPath(t, h.Path("sys/block/dm-2/dm/uuid"))
	if parts, err := h.PartitionMaps(host.MultipathMap{Name: "dm-1", Serial: "36001405a"}); err == nil {
		t.Errorf("an unreadable holder: %v", parts)
	}
}

// breakPath makes a path one that can neither be read nor be called absent.
func breakPath(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, path); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionMaps(t *testing.T) {
	const serial = "36001405a"
	for name, c := range map[string]struct {
		holders map[string]string // their device-mapper uuids
		want    []string
	}{
		"none":             {nil, nil},
		"partitions":       {map[string]string{"dm-2": "part1-mpath-" + serial, "dm-10": "part12-mpath-" + serial}, []string{"dm-10", "dm-2"}},
		"another map's":    {map[string]string{"dm-2": "part1-mpath-" + serial + "b"}, nil},
		"a volume group":   {map[string]string{"dm-2": "part1-mpath-" + serial, "dm-3": "LVM-abc"}, nil},
		"no device-mapper": {map[string]string{"dm-2": "part1-mpath-" + serial, "md0": ""}, nil},
		"a longer name":    {map[string]string{"dm-2": "xpart1-mpath-" + serial}, nil},
	} {
		files := map[string]string{"sys/block/dm-1/size": "8\n"}
		for holder, uuid := range c.holders {
			files["sys/block/dm-1/holders/"+holder] = ""
			if uuid != "" {
				files["sys/block/"+holder+"/dm/uuid"] = uuid + "\n"
			}
		}
		got, err := tree(t, files).PartitionMaps(host.MultipathMap{Name: "dm-1", Serial: serial})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}
