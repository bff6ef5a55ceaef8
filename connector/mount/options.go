package mount

import (
	"strings"

	"golang.org/x/sys/unix"
)

// mountFlags splits mount options into the flags mount(2) knows and the words
// that are the filesystem's own. Words for other programs (_netdev, nofail,
// x-…) are dropped, as mount(8) does.
func mountFlags(options []string) (flags uintptr, data string) {
	set := map[string]uintptr{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
		"sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC, "noatime": unix.MS_NOATIME,
		"nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME,
		"lazytime": unix.MS_LAZYTIME,
	}
	unset := map[string]uintptr{
		"defaults": 0, "rw": 0, "exec": unix.MS_NOEXEC, "async": unix.MS_SYNCHRONOUS, "atime": unix.MS_NOATIME,
		"diratime": unix.MS_NODIRATIME, "norelatime": unix.MS_RELATIME, "nolazytime": unix.MS_LAZYTIME,
		"_netdev": 0, "nofail": 0, "auto": 0, "noauto": 0,
	}
	var own []string
	for _, option := range options {
		for word := range strings.SplitSeq(option, ",") {
			if flag, known := set[word]; known {
				flags |= flag
			} else if flag, known := unset[word]; known {
				flags &^= flag
			} else if word != "" && !strings.HasPrefix(word, "x-") {
				own = append(own, word)
			}
		}
	}
	return flags, strings.Join(own, ",")
}

// withOwnOptions adds what this mount needs beside what was asked for: a clone
// of a mounted XFS must not be refused for its twin's uuid, and a device that
// cannot be written to cannot have its journal replayed.
func (j *job) withOwnOptions(data string) string {
	words := strings.FieldsFunc(data, func(r rune) bool { return r == ',' })
	switch {
	case j.spec.FSType == "xfs" && j.spec.NoUUID:
		words = append(words, "nouuid")
	}
	if j.ro {
		skip := map[string]string{"xfs": "norecovery", "ext3": "noload", "ext4": "noload"}
		if word := skip[j.spec.FSType]; word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, ",")
}
