package volume

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// wantRoundTrip checks that the record keeps what is recorded and nothing else.
func wantRoundTrip(t *testing.T, o Options) {
	t.Helper()
	record, err := o.Record()
	if err != nil {
		if !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		return
	}
	if len(record) > maxRecord {
		t.Fatalf("record of %d bytes", len(record))
	}
	back, err := ParseRecord(record)
	if err != nil {
		t.Fatalf("%q: %v", record, err)
	}
	o.VolumeID, o.Description, o.OnRemove, o.Multiattach, o.Subdir, o.Metadata = "", "", "", false, nil, nil
	if !reflect.DeepEqual(back, o) {
		t.Fatalf("%q: got %+v, want %+v", record, back, o)
	}
}

func TestRecord(t *testing.T) {
	raw := map[string]string{
		"size": "10GiB", "volume_type": "100%;fast=1", "availability_zone": "nova", "volume_provider": "cinder", "fstype": "ext4",
		"mkfs_options": "-m 0 -E stride=16", "mount_options": "noatime,commit=5", "uid": "999", "gid": "0", "mode": "750",
		"description": "not kept", "metadata.a": "not kept", "on_remove": "delete", "subdir": "data",
	}
	o, err := ParseOptions(raw)
	if err != nil {
		t.Fatal(err)
	}
	record, err := o.Record()
	want := "fs=ext4;gid=0;mkfs=-m 0 -E stride=16;mode=0750;mount=noatime,commit=5;prov=cinder;size=10;type=100%25%3Bfast=1;uid=999;zone=nova"
	if err != nil || record != want {
		t.Errorf("got %q, %v\nwant %q", record, err, want)
	}
	wantRoundTrip(t, o)
	wantRoundTrip(t, Options{})
	source, _ := ParseOptions(map[string]string{"snapshot_id": optionUUID, "subdir": "data", "uid": "1"})
	wantRoundTrip(t, source)
}

func TestRecordTooLong(t *testing.T) {
	_, err := Options{Type: strings.Repeat("t", 200), Zone: strings.Repeat("z", 90)}.Record()
	want := "the options need 301 bytes and the cloud keeps 255 with a volume: shorten volume_type, the longest"
	if err == nil || err.Error() != want || !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestParseRecord(t *testing.T) {
	o, err := ParseRecord("size=10;colour=red;zz")
	if err == nil {
		t.Errorf("a field without value passed: %+v", o)
	}
	o, err = ParseRecord("size=10;colour=red;colour=blue;x=%41")
	if err != nil || o.SizeGiB != 10 {
		t.Errorf("keys of a newer version must be ignored: %+v, %v", o, err)
	}
}

func TestParseRecordDamaged(t *testing.T) {
	for record, want := range map[string]string{
		"size":          `the recorded options "size" are damaged: "size" is not key=value`,
		"size=10;":      `the recorded options "size=10;" are damaged: "" is not key=value`,
		"size=1;size=2": `the recorded options "size=1;size=2" are damaged: "size" appears twice`,
		"type=%4":       `the recorded options "type=%4" are damaged: "type=%4" is not key=value`,
		"type=%00":      `the recorded options "type=%00" are damaged: option volume_type="\x00": allowed: printable text of at most 255 bytes without spaces at its ends`,
		"size=":         `the recorded options "size=" are damaged: option size="": the value is empty; allowed: ` + sizeAllowed,
		"mount=suid": `the recorded options "mount=suid" are damaged: option mount_options="suid": for ext4 "suid" is refused: ` +
			`volumes are always mounted nosuid and nodev, for files on them are input`,
		"fs=xfs;mkfs=-d name=/etc/passwd": `the recorded options "fs=xfs;mkfs=-d name=/etc/passwd" are damaged: option mkfs_options="-d name=/etc/passwd": ` +
			`for xfs in -d "name=/etc/passwd" is refused: it names another file or leaves part of the volume unused`,
	} {
		o, err := ParseRecord(record)
		if err == nil || err.Error() != want || !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(o, Options{}) {
			t.Errorf("%s:\ngot  %v\nwant %s", record, err, want)
		}
	}
	if _, err := ParseRecord("x=" + strings.Repeat("x", 254)); err == nil {
		t.Error("a record that the cloud cannot hold passed")
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("fs=ext4;gid=0;mkfs=-m 0 -E stride=16;mode=0750;mount=noatime,commit=5;size=10;type=100%25%3Bfast=1")
	f.Add("help=;=;x=%")
	f.Fuzz(func(t *testing.T, record string) {
		o, err := ParseRecord(record)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(o, Options{}) {
				t.Fatalf("%+v, %v", o, err)
			}
			return
		}
		wantRoundTrip(t, o)
	})
}
