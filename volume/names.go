package volume

import (
	"path"
	"strings"
)

const nameRule = "a name starts with a letter or digit, followed by up to 254 letters, digits, '_', '.' or '-'"

// CheckName accepts [A-Za-z0-9][A-Za-z0-9_.-]{0,254}. Docker validates nothing
// for volume plugins, so slashes, spaces and dots arrive here.
func CheckName(name string) error {
	if validName(name) {
		return nil
	}
	shown := name
	if len(shown) > 60 {
		shown = shown[:60] + "…"
	}
	return Errorf(ErrInvalid, "volume name %q is not allowed: %s", shown, nameRule)
}

func validName(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return true
}

const subdirRule = "a subdirectory is a relative path of at most 8 names such as data or var/lib, without '..', or / for the filesystem's root"

// CheckSubdir accepts a clean relative path of plain names, or "/" or "" for
// the root of the filesystem.
func CheckSubdir(dir string) error {
	if dir == "" || dir == "/" {
		return nil
	}
	parts := strings.Split(dir, "/")
	ok := len(dir) <= 200 && len(parts) <= 8 && path.Clean(dir) == dir
	for _, p := range parts {
		ok = ok && validName(p)
	}
	if !ok {
		return Errorf(ErrInvalid, "subdir %q is not allowed: %s", dir, subdirRule)
	}
	return nil
}
