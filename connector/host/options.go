package host

import (
	"strings"

	"golang.org/x/sys/unix"
)

// SplitOptions splits mount options into the flags mount(2) knows and the words
// that are the filesystem's own. Words for other programs (_netdev, nofail,
// x-…) are dropped, as mount(8) does.
func SplitOptions(options []string) (flags uintptr, data string) {
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
