package volume

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
)

const optionUUID = "3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10"

func TestParseOptionsReadsEveryOption(t *testing.T) {
	uid, gid, mode, subdir := 999, 0, uint32(0o2750), "var/lib"
	got, err := ParseOptions(map[string]string{
		"volume_provider": "cinder", "size": "2T", "fstype": "ext4", "volume_type": "fast ssd", "availability_zone": "nova",
		"description": "the shop's data", "multiattach": "true", "mkfs_options": `-i8192 -E "stride=16,stripe_width=64"`,
		"mount_options": "noatime,commit=60", "subdir": "var/lib", "uid": "999", "gid": "0", "mode": "2750",
		"on_remove": "retain", "metadata.team": "shop", "metadata.empty": "",
	})
	want := Options{
		Provider: "cinder", SizeGiB: 2048, FSType: "ext4", Type: "fast ssd", Zone: "nova", Description: "the shop's data", Multiattach: true,
		MkfsOptions:  []string{"-i", "8192", "-E", "stride=16,stripe_width=64"},
		MountOptions: []string{"noatime", "commit=60"}, Subdir: &subdir, UID: &uid, GID: &gid, Mode: &mode,
		OnRemove: OnRemoveRetain, Metadata: map[string]string{"team": "shop", "empty": ""},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseOptionsSizes(t *testing.T) {
	for value, want := range map[string]int{
		"1": 1, "10": 10, "10G": 10, "10g": 10, "10GiB": 10, "10gib": 10, "1T": 1024, "1TiB": 1024, "65536": 65536, "64T": 65536,
	} {
		o, err := ParseOptions(map[string]string{"size": value})
		if err != nil || o.SizeGiB != want {
			t.Errorf("size=%s: %d, %v", value, o.SizeGiB, err)
		}
	}
}

func TestParseOptionsRefusesSizes(t *testing.T) {
	for value, want := range map[string]string{
		"0":       "the size must be from 1 to 65536 GiB",
		"65537":   "the size must be from 1 to 65536 GiB",
		"65T":     "the size must be from 1 to 65536 GiB",
		"9999999": "the size must be from 1 to 65536 GiB",
		"10GB":    "GB means powers of 1000 to some and of 1024 to others; allowed: " + sizeAllowed,
		"512M":    "the cloud's smallest step is 1 GiB; allowed: " + sizeAllowed,
		"1.5":     "the cloud has only whole GiB; allowed: " + sizeAllowed,
		"1.5G":    "the cloud has only whole GiB; allowed: " + sizeAllowed,
		"010":     "a leading zero is ambiguous; allowed: " + sizeAllowed,
		"-1":      "not a size; allowed: " + sizeAllowed,
		"+1":      "not a size; allowed: " + sizeAllowed,
		"1e3":     "not a size; allowed: " + sizeAllowed,
		"0x10":    "not a size; allowed: " + sizeAllowed,
		"10 G":    "not a size; allowed: " + sizeAllowed,
		"ten":     "not a size; allowed: " + sizeAllowed,
		"":        "the value is empty; allowed: " + sizeAllowed,
	} {
		wantOptionError(t, map[string]string{"size": value}, `option size="`+value+`": `+want)
	}
}

func TestParseOptionsRefusesBadOptions(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"Size", "1", `option "Size" is unknown; did you mean "size"?`},
		{"sise", "1", `option "sise" is unknown; did you mean "size"?`},
		{"volume-type", "x", `option "volume-type" is unknown; did you mean "volume_type"?`},
		{"snapshotID", "x", `option "snapshotID" is unknown; did you mean "snapshot_id"?`},
		{"type", "x", `option "type" is unknown; did you mean "volume_type"?`},
		{"metadata", "x", `option "metadata" is unknown; did you mean "metadata.KEY"?`},
		{"colour", "red", `option "colour" is unknown; the options are access_level, availability_zone, description, fstype, gid, is_public, mkfs_options, mode, ` +
			`mount_options, multiattach, on_remove, share_network, share_proto, share_type, size, snapshot_id, source_volid, subdir, uid, volume_id, volume_provider, volume_type and metadata.KEY`},
		{"user_id", "x", `option "user_id" is not supported: a volume belongs to the user and project that fuxi logs in with; choose them in clouds.yaml`},
		{"scheduler_hints", "x", `option "scheduler_hints" is not supported: the cloud expects an object that no option can carry; choose a volume_type or an availability_zone`},
		{"share_proto", "nfs", `option share_proto="nfs": allowed: NFS or CEPHFS`},
		{"share_network", "net", `option share_network="net": allowed: a uuid such as 3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10`},
		{"access_level", "none", `option access_level="none": allowed: rw or ro`},
		{"is_public", "yes", `option is_public="yes": allowed: true or false`},
		{"access_to", "0.0.0.0/0", `option "access_to" is not supported: fuxi lets each host that mounts a share in by its own address; [host] ip names it`},
		{"share_network_id", "x", `option "share_network_id" is unknown; did you mean "share_network"?`},
		{"volume_provider", "nova", `option volume_provider="nova": allowed: cinder or manila`},
		{"fstype", "ext3", `option fstype="ext3": allowed: ext4, xfs or btrfs`},
		{"volume_type", " x", `option volume_type=" x": allowed: printable text of at most 255 bytes without spaces at its ends`},
		{"volume_id", "42", `option volume_id="42": allowed: a uuid such as ` + optionUUID},
		{"multiattach", "True", `option multiattach="True": allowed: true or false`},
		{"subdir", "../etc", `option subdir="../etc": allowed: ` + subdirRule},
		{"uid", "postgres", `option uid="postgres": allowed: a whole number from 0 to 4294967294 (names are unknown here: a container has its own)`},
		{"gid", "4294967295", `option gid="4294967295": allowed: a whole number from 0 to 4294967294 (names are unknown here: a container has its own)`},
		{"mode", "0o80", `option mode="0o80": allowed: three or four octal digits such as 0750, 750 or 2775`},
		{"mode", "17777", `option mode="17777": allowed: three or four octal digits such as 0750, 750 or 2775`},
		{"mode", "75", `option mode="75": allowed: three or four octal digits such as 0750, 750 or 2775`},
		{"on_remove", "keep", `option on_remove="keep": allowed: delete or retain`},
		{"description", "", `option description="": the value is empty; allowed: printable text of at most 255 bytes without spaces at its ends`},
		{"metadata.fuxi:formatted", "x", `option metadata.fuxi:formatted="x": this key is fuxi's own`},
		{"metadata.volume_from", "x", `option metadata.volume_from="x": this key is fuxi's own`},
		{"metadata.", "x", `option "metadata.": a key has 1 to 255 letters, digits, '-', '_', ':', '.' or inner spaces`},
		{"metadata.a/b", "x", `option "metadata.a/b": a key has 1 to 255 letters, digits, '-', '_', ':', '.' or inner spaces`},
	} {
		wantOptionError(t, map[string]string{test.name: test.value}, test.want)
	}
	wantOptionError(t, map[string]string{"size": "0", "gid": "x"},
		`option gid="x": allowed: a whole number from 0 to 4294967294 (names are unknown here: a container has its own); option size="0": the size must be from 1 to 65536 GiB`)
	wantOptionError(t, map[string]string{"metadata.a": strings.Repeat("x", 256)}, `option "metadata.a"="`+strings.Repeat("x", 60)+
		`…": allowed: printable text of at most 255 bytes without spaces at its ends`)
}

func TestParseOptionsModes(t *testing.T) {
	for value, want := range map[string]uint32{"750": 0o750, "0750": 0o750, "0o750": 0o750, "7777": 0o7777, "07777": 0o7777, "0000": 0} {
		o, err := ParseOptions(map[string]string{"mode": value})
		if err != nil || *o.Mode != want {
			t.Errorf("mode=%s: %v, %v", value, o.Mode, err)
		}
	}
}

func TestParseOptionsConflicts(t *testing.T) {
	id := map[string]string{"volume_id": optionUUID}
	for name, value := range map[string]string{
		"size": "1", "volume_type": "x", "availability_zone": "x", "snapshot_id": optionUUID, "source_volid": optionUUID,
		"description": "x", "mkfs_options": "-i 8192", "metadata.a": "b",
	} {
		raw := maps.Clone(id)
		raw[name] = value
		shown, _, _ := strings.Cut(name, ".")
		wantOptionError(t, raw, "options volume_id and "+shown+" exclude each other: volume_id adopts an existing volume as it is")
	}
	wantOptionError(t, map[string]string{"snapshot_id": optionUUID, "source_volid": optionUUID},
		"options snapshot_id and source_volid exclude each other: a volume has one source")
	wantOptionError(t, map[string]string{"snapshot_id": optionUUID, "mkfs_options": "-m 1"},
		"options snapshot_id and mkfs_options exclude each other: a copy comes with its filesystem")
	wantOptionError(t, map[string]string{"source_volid": optionUUID, "mode": "0755", "subdir": "/"},
		"options source_volid and mode exclude each other: uid, gid and mode are for a directory that fuxi makes, and what is there keeps its own; with subdir=DIR they apply to that")
	for _, raw := range []map[string]string{
		{"volume_id": strings.ToUpper(optionUUID), "fstype": "xfs", "on_remove": "delete", "subdir": "data", "uid": "5", "mount_options": "largeio"},
		{"snapshot_id": optionUUID, "size": "20", "volume_type": "x", "fstype": "ext4", "description": "copy"},
	} {
		if _, err := ParseOptions(raw); err != nil {
			t.Errorf("%v: %v", raw, err)
		}
	}
}

func TestOptionsHelpIsTheParsersTable(t *testing.T) {
	if HelpAsked(map[string]string{"size": "1"}) || !HelpAsked(map[string]string{"help": ""}) {
		t.Error("help is not recognised")
	}
	help := OptionsHelp()
	for _, r := range optionRules() {
		if r.value == "" || r.def == "" || r.meaning == "" || !strings.Contains(help, "  "+r.name+" ") {
			t.Errorf("help does not explain %s", r.name)
		}
	}
	wantOptionError(t, map[string]string{"help": "", "size": "1"}, help)
}

func wantOptionError(t *testing.T, raw map[string]string, want string) {
	t.Helper()
	o, err := ParseOptions(raw)
	if err == nil || err.Error() != want || !errors.Is(err, ErrInvalid) {
		t.Errorf("%v:\ngot  %v\nwant %s", raw, err, want)
	}
	if !reflect.DeepEqual(o, Options{}) {
		t.Errorf("%v: an error came with options %+v", raw, o)
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add("size", "10G", "mkfs_options", `-E 'stride=1' -m 0.5`)
	f.Add("mount_options", "noatime,compress=zstd:3", "fstype", "btrfs")
	f.Add("metadata.a", "b", "mode", "0750")
	f.Add("volume_type", "a;b%=c", "uid", "0")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		o, err := ParseOptions(map[string]string{name1: value1, name2: value2})
		if err != nil {
			if !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(o, Options{}) {
				t.Fatalf("%+v, %v", o, err)
			}
			return
		}
		for _, word := range append(o.MkfsOptions, o.MountOptions...) {
			if strings.ContainsAny(word, " /\x00\n\"'\\$;") {
				t.Fatalf("%q passed", word)
			}
		}
		wantRoundTrip(t, o)
	})
}
