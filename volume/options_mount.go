package volume

import (
	"slices"
	"strings"
)

// setMount splits mount options; CheckMount judges them.
func setMount(o *Options, value string) string {
	o.MountOptions = strings.Split(value, ",")
	if slices.Contains(o.MountOptions, "") {
		return "an option between two commas is empty"
	}
	return ""
}

// CheckMount holds the mount options against the allow-list of one filesystem.
// The error is ErrInvalid and names the first option that is not allowed.
func (o Options) CheckMount(fstype string) error {
	if problem := checkWords(mountWords(fstype), o.MountOptions); problem != "" {
		given := strings.Join(o.MountOptions, ",")
		return Errorf(ErrInvalid, "%s", optionProblem("mount_options", given, "for "+fstype+" "+problem))
	}
	if slices.Contains(o.MountOptions, "noatime") && slices.Contains(o.MountOptions, "relatime") {
		return Errorf(ErrInvalid, "option mount_options: noatime and relatime exclude each other")
	}
	return nil
}

// mountWords is the allow-list of one filesystem's mount options.
func mountWords(fstype string) []wordRule {
	words := slices.Concat(
		plainWords("noatime", "relatime", "nodiratime", "lazytime", "noexec", "nosuid", "nodev", "sync", "dirsync"),
		refusedWords("read-only is chosen for each container: docker run -v NAME:/path:ro", "ro", "rw"),
		refusedWords("volumes are always mounted nosuid and nodev, for files on them are input", "suid", "dev"),
		refusedWords("it is the default", "exec", "defaults", "async", "atime"),
		refusedWords("without write barriers a power cut destroys the filesystem", "nobarrier", "barrier=0"),
		refusedWords("it skips the journal's replay and shows a damaged filesystem", "norecovery", "noload", "nologreplay"),
		refusedWords("fuxi decides what is mounted where", "bind", "rbind", "move", "remount", "loop", "offset", "sizelimit"),
	)
	switch fstype {
	case "ext4":
		return append(words, ext4Mount()...)
	case "xfs":
		return append(words, xfsMount()...)
	case "btrfs":
		return append(words, btrfsMount()...)
	case ShareNFS:
		return append(words, nfsMount()...)
	case ShareCephFS:
		return append(words, cephfsMount()...)
	}
	return nil
}

func ext4Mount() []wordRule {
	return append(plainWords("discard", "nodiscard", "journal_checksum", "auto_da_alloc", "delalloc", "nodelalloc",
		"usrquota", "grpquota", "prjquota", "user_xattr", "acl"),
		wordRule{word: "data", value: oneOfRule("ordered", "journal", "writeback")},
		wordRule{word: "commit", value: numberRule(1, 300)},
		wordRule{word: "barrier", value: oneOfRule("1"), bare: true},
		wordRule{word: "stripe", value: numberRule(0, 1<<20)},
		wordRule{word: "inode_readahead_blks", value: oneOfRule("0", "1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "1024")},
		wordRule{word: "errors=continue", no: "writing on after an error spreads the damage; fuxi uses remount-ro"},
		wordRule{word: "errors=panic", no: "one volume must not stop the whole host; fuxi uses remount-ro"},
		wordRule{word: "errors", value: oneOfRule("remount-ro")},
		wordRule{word: "journal_dev", no: "it names another device"},
		wordRule{word: "journal_path", no: "it names another device"})
}

func xfsMount() []wordRule {
	return append(plainWords("discard", "nodiscard", "inode64", "largeio", "nolargeio", "swalloc", "wsync", "noquota",
		"usrquota", "grpquota", "prjquota", "uquota", "gquota", "pquota"),
		wordRule{word: "logbufs", value: numberRule(2, 8)},
		wordRule{word: "logbsize", value: oneOfRule("16k", "32k", "64k", "128k", "256k", "16384", "32768", "65536", "131072", "262144")},
		wordRule{word: "allocsize", value: bytesRule()},
		wordRule{word: "sunit", value: numberRule(0, 1<<20)},
		wordRule{word: "swidth", value: numberRule(0, 1<<24)},
		wordRule{word: "nouuid", no: "fuxi adds it where a copy needs it"},
		wordRule{word: "logdev", no: "it names another device"},
		wordRule{word: "rtdev", no: "it names another device"})
}

func btrfsMount() []wordRule {
	return append(plainWords("autodefrag", "noautodefrag", "ssd", "nossd", "ssd_spread", "nossd_spread", "flushoncommit",
		"noflushoncommit", "notreelog", "nodiscard",
		// Allowed though new files then have no checksums: databases with their
		// own want exactly that, and only the volume's owner pays.
		"nodatacow", "nodatasum", "datacow", "datasum"),
		wordRule{word: "compress", value: compressionRule(), bare: true},
		wordRule{word: "compress-force", value: compressionRule(), bare: true},
		wordRule{word: "discard", value: oneOfRule("sync", "async"), bare: true},
		wordRule{word: "space_cache", value: oneOfRule("v2")},
		wordRule{word: "commit", value: numberRule(1, 300)},
		wordRule{word: "max_inline", value: bytesRule()},
		wordRule{word: "barrier", bare: true},
		wordRule{word: "thread_pool", value: numberRule(1, 64)},
		wordRule{word: "subvol", no: "the option subdir chooses what a container sees"},
		wordRule{word: "subvolid", no: "the option subdir chooses what a container sees"},
		wordRule{word: "degraded", no: "a volume is one device"},
		wordRule{word: "device", no: "it names another device"})
}

// compressionRule allows btrfs' algorithms with the levels each has.
func compressionRule() valueRule {
	return valueRule{text: "zlib, lzo, zstd or no, with a level such as zstd:3", ok: func(s string) bool {
		name, level, hasLevel := strings.Cut(s, ":")
		switch {
		case !hasLevel:
			return slices.Contains([]string{"zlib", "lzo", "zstd", "no", "none"}, name)
		case name == "zlib":
			return numberRule(1, 9).ok(level)
		}
		return name == "zstd" && numberRule(1, 15).ok(level)
	}}
}
