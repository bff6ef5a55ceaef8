package volume

import (
	"errors"
	"slices"
	"testing"
)

func existingVolume() (Volume, Options) {
	v := Volume{
		Key: Key{"sim", "cinder", optionUUID}, Name: "db", SizeGiB: 20, Type: "ssd", Zone: "nova",
		Marks:    Marks{Created: "x", FSType: "ext4", Subdir: "data"},
		Metadata: map[string]string{"team": "shop"},
	}
	return v, Options{SizeGiB: 10, Type: "ssd", MountOptions: []string{"noatime"}}
}

func TestCompareOptionsAccepts(t *testing.T) {
	v, recorded := existingVolume()
	for _, test := range []struct {
		raw   map[string]string
		notes []string
	}{
		{nil, nil},
		{map[string]string{"size": "20", "fstype": "ext4", "volume_type": "ssd", "mount_options": "noatime", "on_remove": "delete", "subdir": "data"}, nil},
		{map[string]string{"size": "10"}, []string{"a later create asked for size=10; the volume keeps 20"}},
		{map[string]string{"mount_options": "discard", "on_remove": "retain", "description": "new"}, []string{
			"a later create asked for on_remove=retain; the volume keeps delete", "a later create asked for mount_options=discard; the volume keeps noatime"}},
		{map[string]string{"mode": "0750", "subdir": "/"}, []string{
			"a later create asked for subdir=/; the volume keeps data", "a later create asked for mode=0750; the volume keeps its default"}},
		{map[string]string{"metadata.team": "shop", "metadata.a": "b"}, []string{"a later create asked for metadata.a=b; the cloud's metadata is not changed"}},
		{map[string]string{"volume_id": optionUUID}, nil},
	} {
		asked, err := ParseOptions(test.raw)
		if err != nil {
			t.Fatal(err)
		}
		notes, err := CompareOptions(asked, v, recorded)
		if err != nil || !slices.Equal(notes, test.notes) {
			t.Errorf("%v: %q, %v", test.raw, notes, err)
		}
	}
	v.Type = "archive" // retyped since
	for _, name := range []string{"ssd", "archive"} {
		if _, err := CompareOptions(Options{Type: name}, v, recorded); err != nil {
			t.Error(err)
		}
	}
}

func TestCompareOptionsRefuses(t *testing.T) {
	v, recorded := existingVolume()
	const hint = ": create it without this option, or under another name"
	for _, test := range []struct {
		name, value, want string
	}{
		{"size", "21", "volume db exists with 20 GiB and size=21 was asked for: a Create never grows a volume; fuxi grow db 21 does"},
		{"volume_type", "hdd", "volume db exists with volume_type=ssd and volume_type=hdd was asked for" + hint},
		{"availability_zone", "az2", "volume db exists with availability_zone=nova and availability_zone=az2 was asked for" + hint},
		{"volume_provider", "manila", "volume db exists with volume_provider=cinder and volume_provider=manila was asked for" + hint},
		{"fstype", "xfs", "volume db exists with fstype=ext4 and fstype=xfs was asked for" + hint},
		{"snapshot_id", optionUUID, "volume db exists with no snapshot_id and snapshot_id=" + optionUUID + " was asked for" + hint},
		{"source_volid", optionUUID, "volume db exists with no source_volid and source_volid=" + optionUUID + " was asked for" + hint},
		{"volume_id", "00000000-0000-0000-0000-000000000000", "volume db exists with volume_id=" + optionUUID +
			" and volume_id=00000000-0000-0000-0000-000000000000 was asked for" + hint},
		{"multiattach", "true", "volume db exists and only one host at a time can attach it, and multiattach=true was asked for: create another one under another name"},
	} {
		asked, err := ParseOptions(map[string]string{test.name: test.value})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = CompareOptions(asked, v, recorded); err == nil || err.Error() != test.want || !errors.Is(err, ErrConflict) {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
	}
}

func TestCompareOptionsTrustsWhatWasMade(t *testing.T) {
	v, recorded := existingVolume()
	v.Marks.Formatted = &Stamp{FSType: "xfs", UUID: optionUUID}
	if _, err := CompareOptions(Options{FSType: "xfs"}, v, recorded); err != nil {
		t.Errorf("the formatted mark says what was made: %v", err)
	}
	v.Marks.Formatted, v.Marks.FSType = nil, ""
	if _, err := CompareOptions(Options{FSType: "btrfs"}, v, recorded); err != nil {
		t.Errorf("nobody knows the filesystem yet: %v", err)
	}
}
