package host_test

import (
	"reflect"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

func TestParseMountInfo(t *testing.T) {
	table := `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:44 /data /mnt/with\040space\011and\134more ro shared:2 master:1 unbindable - btrfs /dev/loop0 rw,subvol=/
41 27 0:45 / /mnt/empty rw - tmpfs  rw
`
	got, err := host.ParseMountInfo([]byte(table))
	want := []host.Mount{
		{ID: 36, Parent: 35, Dev: host.Number{Major: 98}, Root: "/mnt1", Point: "/mnt2", Options: "rw,noatime", Propagation: "master:1", FSType: "ext3", Source: "/dev/root", SuperOptions: "rw,errors=continue"},
		{ID: 27, Parent: 1, Dev: host.Number{Major: 254}, Root: "/", Point: "/", Options: "rw,relatime", FSType: "ext4", Source: "/dev/vda", SuperOptions: "rw"},
		{ID: 40, Parent: 27, Dev: host.Number{Minor: 44}, Root: "/data", Point: "/mnt/with space\tand\\more", Options: "ro", Propagation: "shared:2 master:1 unbindable", FSType: "btrfs", Source: "/dev/loop0", SuperOptions: "rw,subvol=/"},
		{ID: 41, Parent: 27, Dev: host.Number{Minor: 45}, Root: "/", Point: "/mnt/empty", Options: "rw", FSType: "tmpfs", SuperOptions: "rw"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if !got[2].ReadOnly() || got[1].ReadOnly() {
		t.Error("ReadOnly is wrong")
	}
	for _, bad := range []string{"x", "36 35 98:0 /mnt1 /mnt2 rw", "36 35 980 / / rw - a b c", "a 35 9:0 / / rw - a b c"} {
		if got, err := host.ParseMountInfo([]byte(bad)); err == nil {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
}

func TestOwnTable(t *testing.T) {
	mounts, err := host.New().Mounts()
	if err != nil || len(mounts) == 0 {
		t.Fatalf("%v, %v", mounts, err)
	}
	layers, err := host.New().MountsAt("/proc/")
	if err != nil || len(layers) == 0 || layers[0].FSType != "proc" {
		t.Errorf("/proc: %+v, %v", layers, err)
	}
}

func FuzzParseMountInfo(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\n"))
	f.Add([]byte("41 27 0:45 / /mnt rw - tmpfs  rw\n\n"))
	f.Add([]byte("1 2 3:4 \\ \\9 - - - \\777 x"))
	f.Fuzz(func(t *testing.T, table []byte) {
		mounts, err := host.ParseMountInfo(table)
		if err != nil && mounts != nil {
			t.Errorf("both an error and mounts: %v", mounts)
		}
		for _, m := range mounts {
			if m.Options == "" && m.FSType == "" && m.Point == "" {
				t.Skip("empty fields are the kernel's affair")
			}
		}
	})
}
