package volume

import (
	"slices"
	"strings"
)

// mkfsFlags is the allow-list of one filesystem.
func mkfsFlags(fstype string) []mkfsFlag {
	switch fstype {
	case "ext4":
		return append(ext4Mkfs(), refusedFlags("-U", "-L", "-M", "-F", "-n", "-S", "-D", "-d", "-l", "-c", "-z", "-t", "-T", "-r", "-o", "-e", "-K")...)
	case "xfs":
		return append(xfsMkfs(), refusedFlags("-L", "-f", "-N", "-c", "-p", "-r", "-K")...)
	case "btrfs":
		return append(btrfsMkfs(), refusedFlags("-U", "--uuid", "-L", "--label", "-f", "--force", "-r", "--rootdir", "-b", "--byte-count", "-K", "--nodiscard")...)
	}
	return nil
}

// refusedFlags explains flags that mkfs has and a user cannot set.
func refusedFlags(flags ...string) []mkfsFlag {
	why := map[string]string{
		"-U": "the uuid is how fuxi recognises the filesystem it made", "-L": "fuxi finds volumes by id, labels only collide",
		"-F": "fuxi never forces mkfs", "-n": "fuxi makes filesystems and does not rehearse", "-K": "fuxi decides about discard",
	}
	why["--uuid"], why["--label"], why["-f"], why["--force"], why["-N"] = why["-U"], why["-L"], why["-F"], why["-F"], why["-n"]
	why["--nodiscard"] = why["-K"]
	var rules []mkfsFlag
	for _, flag := range flags {
		no := why[flag]
		if no == "" {
			no = "it names a file, changes what mkfs does, or leaves part of the volume unused"
		}
		rules = append(rules, mkfsFlag{flag: flag, no: no})
	}
	return rules
}

func ext4Mkfs() []mkfsFlag {
	bit := oneOfRule("0", "1")
	return []mkfsFlag{
		{flag: "-b", value: oneOfRule("1024", "2048", "4096", "1k", "2k", "4k")},
		{flag: "-i", value: numberRule(1024, 67108864)},
		{flag: "-I", value: oneOfRule("128", "256", "512", "1024", "2048", "4096")},
		{flag: "-m", value: percentRule()},
		{flag: "-N", value: numberRule(16, 4294967295)},
		{flag: "-G", value: oneOfRule("1", "2", "4", "8", "16", "32", "64", "128", "256")},
		{flag: "-J", words: append(refusedWords("it names another device", "device"),
			wordRule{word: "size", value: numberRule(1, 10240)}, wordRule{word: "fast_commit_size", value: numberRule(1, 10240)})},
		{flag: "-E", words: append(refusedWords("fuxi decides about discard", "discard", "nodiscard"),
			wordRule{word: "stride", value: numberRule(0, 1<<20)},
			wordRule{word: "stripe_width", value: numberRule(0, 1<<24)},
			wordRule{word: "resize", value: bytesRule()},
			wordRule{word: "packed_meta_blocks", value: bit, bare: true},
			wordRule{word: "lazy_itable_init", value: bit, bare: true},
			wordRule{word: "lazy_journal_init", value: bit, bare: true},
			wordRule{word: "offset", no: "the filesystem starts where the volume starts"})},
		{flag: "-O", words: append(featureWords("64bit", "dir_index", "dir_nlink", "ea_inode", "encrypt", "extra_isize",
			"fast_commit", "filetype", "flex_bg", "huge_file", "inline_data", "large_dir", "large_file", "metadata_csum",
			"metadata_csum_seed", "orphan_file", "project", "quota", "resize_inode", "sparse_super", "stable_inodes", "verity"),
			wordRule{word: "extent"},
			wordRule{word: "^extent", no: "without extents it would be an ext3"},
			wordRule{word: "has_journal"},
			wordRule{word: "^has_journal", no: "without a journal every crash of a host damages the filesystem"})},
	}
}

func xfsMkfs() []mkfsFlag {
	bit := oneOfRule("0", "1")
	return []mkfsFlag{
		{flag: "-b", words: []wordRule{{word: "size", value: oneOfRule("1024", "2048", "4096", "1k", "2k", "4k")}}},
		{flag: "-d", words: append(refusedWords("it names another file or leaves part of the volume unused", "name", "file", "size", "rtinherit"),
			wordRule{word: "su", value: bytesRule()}, wordRule{word: "sw", value: numberRule(1, 1024)},
			wordRule{word: "sunit", value: numberRule(0, 1<<20)}, wordRule{word: "swidth", value: numberRule(0, 1<<24)},
			wordRule{word: "agcount", value: numberRule(1, 1<<20)}, wordRule{word: "noalign"})},
		{flag: "-i", words: []wordRule{{word: "size", value: oneOfRule("512", "1024", "2048")}, {word: "maxpct", value: numberRule(0, 100)},
			{word: "sparse", value: bit}, {word: "nrext64", value: bit}}},
		{flag: "-l", words: []wordRule{{word: "size", value: bytesRule()}, {word: "su", value: bytesRule()},
			{word: "sunit", value: numberRule(0, 1<<20)}, {word: "internal", value: oneOfRule("1"), bare: true},
			{word: "logdev", no: "it names another device"}}},
		{flag: "-m", words: []wordRule{{word: "crc", value: oneOfRule("1")}, {word: "reflink", value: bit}, {word: "bigtime", value: bit},
			{word: "rmapbt", value: bit}, {word: "finobt", value: bit}, {word: "inobtcount", value: bit},
			{word: "uuid", no: "the uuid is how fuxi recognises the filesystem it made"}}},
		{flag: "-n", words: []wordRule{{word: "size", value: oneOfRule("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k")}}},
		{flag: "-s", words: []wordRule{{word: "size", value: oneOfRule("512", "4096", "4k")}}},
	}
}

func btrfsMkfs() []mkfsFlag {
	node := oneOfRule("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k")
	return []mkfsFlag{
		{flag: "-n", value: node},
		{flag: "-s", value: oneOfRule("4096", "4k")},
		{flag: "-m", value: oneOfRule("single", "dup")},
		{flag: "-d", value: oneOfRule("single", "dup")},
		{flag: "-O", words: featureWords("extref", "skinny-metadata", "no-holes", "free-space-tree", "block-group-tree", "quota", "squota")},
		{flag: "--csum", value: oneOfRule("crc32c", "xxhash", "sha256", "blake2")},
	}
}

// shortFlag is the one spelling of a flag that has two, so that none can be
// given twice. Only btrfs has long flags.
func shortFlag(flag string) string {
	short := map[string]string{
		"--nodesize": "-n", "--sectorsize": "-s", "--metadata": "-m", "--data": "-d", "--features": "-O", "--checksum": "--csum",
	}[flag]
	if short == "" {
		return flag
	}
	return short
}

// featureWords makes rules for features that can be switched on, and off with ^.
func featureWords(names ...string) []wordRule {
	rules := plainWords(names...)
	for _, name := range names {
		rules = append(rules, wordRule{word: "^" + name})
	}
	return rules
}

// percentRule allows what mke2fs -m takes: 0 to 50 with up to two decimals.
func percentRule() valueRule {
	return valueRule{text: "a percentage from 0 to 50, such as 1 or 0.5", ok: func(s string) bool {
		whole, part, hasPart := strings.Cut(s, ".")
		digits := func(c rune) bool { return c < '0' || c > '9' }
		partOK := !hasPart || part != "" && len(part) <= 2 && strings.IndexFunc(part, digits) < 0
		return partOK && (numberRule(0, 49).ok(whole) || whole == "50" && slices.Contains([]string{"", "0", "00"}, part))
	}}
}
