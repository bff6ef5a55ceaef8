package volume

import "testing"

func TestCheckMkfsAllows(t *testing.T) {
	for fstype, values := range map[string][]string{
		"ext4":  {"-b 4096 -i 8192 -I 512 -m 0.5", "-N 100000", "-E stride=16,stripe_width=64,lazy_itable_init=0", "-O ^metadata_csum,quota", "-J size=64", `-O "project"`},
		"xfs":   {"-b size=4096 -d su=64k,sw=4", "-d agcount=8 -i size=1024,maxpct=10 -l size=64m", "-m reflink=0,rmapbt=1 -s size=4k"},
		"btrfs": {"-n 16k -s 4k -m single -d single", "--csum xxhash", "--csum=blake2 -O no-holes,^extref", "--nodesize=32k"},
	} {
		for _, value := range values {
			o, err := ParseOptions(map[string]string{"fstype": fstype, "mkfs_options": value})
			if err != nil || o.CheckMkfs(fstype) != nil {
				t.Errorf("%s %s: %v", fstype, value, err)
			}
		}
	}
}

func TestCheckMkfsRefuses(t *testing.T) {
	const ext4Flags = "(-b, -i, -I, -m, -N, -G, -J, -E, -O)"
	for _, test := range []struct{ fstype, value, want string }{
		{"ext4", "-U random", "for ext4 -U is refused: the uuid is how fuxi recognises the filesystem it made"},
		{"ext4", "-F -i 8192", "for ext4 -F is refused: fuxi never forces mkfs"},
		{"ext4", "-n", "for ext4 -n is refused: fuxi makes filesystems and does not rehearse"},
		{"ext4", "-J device=/dev/sda", `for ext4 in -J "device=/dev/sda" is refused: it names another device`},
		{"ext4", "-d /etc", "for ext4 -d is refused: it names a file, changes what mkfs does, or leaves part of the volume unused"},
		{"ext4", "-x 1", `for ext4 "-x" is not one of those allowed ` + ext4Flags},
		{"ext4", "-i", "for ext4 -i lacks its value"},
		{"ext4", "-i 12", `for ext4 -i "12": the value must be a whole number from 1024 to 67108864`},
		{"ext4", "-i 8192 -i 4096", "for ext4 -i is given twice"},
		{"ext4", "-E stride=1,stride=2", `for ext4 in -E "stride" is given twice`},
		{"ext4", "-O ^has_journal", `for ext4 in -O "^has_journal" is refused: without a journal every crash of a host damages the filesystem`},
		{"ext4", "-E strid=16", `for ext4 in -E "strid=16" is not one of those allowed (lazy_itable_init, lazy_journal_init, packed_meta_blocks, resize, stride, stripe_width); did you mean "stride"?`},
		{"xfs", "-d size=1g", `for xfs in -d "size=1g" is refused: it names another file or leaves part of the volume unused`},
		{"xfs", "-m uuid=1", `for xfs in -m "uuid=1" is refused: the uuid is how fuxi recognises the filesystem it made`},
		{"btrfs", "-d raid1", `for btrfs -d "raid1": the value must be single or dup`},
		{"btrfs", "-n 16k --nodesize 16k", "for btrfs -n is given twice"},
		{"btrfs", "--rootdir /etc", "for btrfs --rootdir is refused: it names a file, changes what mkfs does, or leaves part of the volume unused"},
	} {
		o := Options{}
		if problem := setMkfs(&o, test.value); problem != "" {
			t.Fatalf("%s: %s", test.value, problem)
		}
		err := o.CheckMkfs(test.fstype)
		_, raw := ParseOptions(map[string]string{"fstype": test.fstype, "mkfs_options": test.value})
		if err == nil || raw == nil || raw.Error() != err.Error() || !hasSuffix(err, `": `+test.want) {
			t.Errorf("%s:\ngot  %v\nwant %s", test.value, err, test.want)
		}
	}
}

func hasSuffix(err error, want string) bool {
	text := err.Error()
	return len(text) >= len(want) && text[len(text)-len(want):] == want
}

func TestMkfsOptionsAreSplitWithoutExpansion(t *testing.T) {
	for value, want := range map[string]string{
		"/dev/sda":       `option mkfs_options="/dev/sda": "/dev/sda" is not a flag: mkfs_options are flags of mkfs with their values, such as -i 8192`,
		"-i 8192 stray":  `option mkfs_options="-i 8192 stray": "stray" is not a flag: mkfs_options are flags of mkfs with their values, such as -i 8192`,
		"--":             `option mkfs_options="--": "--" is not a flag: mkfs_options are flags of mkfs with their values, such as -i 8192`,
		"-i '8192":       `option mkfs_options="-i '8192": a quote is not closed`,
		`-i 8192\`:       `option mkfs_options="-i 8192\\": a quote is not closed`,
		"  ":             `option mkfs_options="  ": the value is empty; allowed: flags of mkfs such as -i 8192`,
		"-i $(reboot)":   `option mkfs_options="-i $(reboot)": for ext4 -i "$(reboot)": the value must be a whole number from 1024 to 67108864`,
		"-i 8192;reboot": `option mkfs_options="-i 8192;reboot": for ext4 -i "8192;reboot": the value must be a whole number from 1024 to 67108864`,
	} {
		wantOptionError(t, map[string]string{"mkfs_options": value}, want)
	}
}

func TestCheckMountAllows(t *testing.T) {
	for fstype, values := range map[string][]string{
		"ext4":  {"noatime,lazytime,discard", "data=journal,commit=60,journal_checksum", "errors=remount-ro,nosuid,nodev,noexec,sync"},
		"xfs":   {"logbufs=8,logbsize=256k,allocsize=64m,inode64,largeio,swalloc", "noquota"},
		"btrfs": {"compress", "compress=zstd:3,autodefrag,space_cache=v2,ssd", "max_inline=2048,commit=30,nodatacow", "discard=async"},
	} {
		for _, value := range values {
			if _, err := ParseOptions(map[string]string{"fstype": fstype, "mount_options": value}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := ParseOptions(map[string]string{"mount_options": "noatime,compress=lzo"}); err != nil {
		t.Errorf("without fstype one filesystem that knows them is enough: %v", err)
	}
}

func TestCheckMountRefuses(t *testing.T) {
	for _, test := range []struct{ fstype, value, want string }{
		{"ext4", "ro", `for ext4 "ro" is refused: read-only is chosen for each container: docker run -v NAME:/path:ro`},
		{"xfs", "noatime,dev", `for xfs "dev" is refused: volumes are always mounted nosuid and nodev, for files on them are input`},
		{"ext4", "barrier=0", `for ext4 "barrier=0" is refused: without write barriers a power cut destroys the filesystem`},
		{"ext4", "errors=panic", `for ext4 "errors=panic" is refused: one volume must not stop the whole host; fuxi uses remount-ro`},
		{"ext4", "errors=continue", `for ext4 "errors=continue" is refused: writing on after an error spreads the damage; fuxi uses remount-ro`},
		{"ext4", "commit=0", `for ext4 "commit=0": the value must be a whole number from 1 to 300`},
		{"ext4", "noatime=1", `for ext4 "noatime" takes no value`},
		{"ext4", "noatime,noatime", `for ext4 "noatime" is given twice`},
		{"btrfs", "compress=zstd:99", `for btrfs "compress=zstd:99": the value must be zlib, lzo, zstd or no, with a level such as zstd:3`},
		{"btrfs", "subvol=/x", `for btrfs "subvol=/x" is refused: the option subdir chooses what a container sees`},
		{"xfs", "logdev=/dev/sda", `for xfs "logdev=/dev/sda" is refused: it names another device`},
		{"ext4", "noatime,,discard", `an option between two commas is empty`},
		{"", "autodefrg", `did you mean "autodefrag"?`},
		{"ext4", "noatimes", `did you mean "noatime"?`},
		{"", "allocsize=big", `for xfs "allocsize=big": the value must be a number with an optional k, m or g`},
		{"", "noatime,relatime", `option mount_options: noatime and relatime exclude each other`},
	} {
		raw := map[string]string{"mount_options": test.value}
		if test.fstype != "" {
			raw["fstype"] = test.fstype
		}
		if _, err := ParseOptions(raw); err == nil || !hasSuffix(err, test.want) {
			t.Errorf("%s %s:\ngot  %v\nwant %s", test.fstype, test.value, err, test.want)
		}
	}
}
