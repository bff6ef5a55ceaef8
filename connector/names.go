package connector

import "strings"

// Names that come from a cloud end up in paths, in arguments and in lines that
// the kernel splits: these tell what is plain enough for that.

// IsPlain tells whether the text is not empty, begins with an ASCII letter, a
// digit or one of first, and goes on with such or with one of rest.
func IsPlain(text, first, rest string) bool {
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && strings.IndexByte(first, c) < 0 && (i == 0 || strings.IndexByte(rest, c) < 0) {
			return false
		}
	}
	return text != ""
}

// IsHostName tells whether the text is a host name (RFC 1123, 2.1) in lower case.
func IsHostName(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if !IsPlain(label, "", "-") || strings.HasSuffix(label, "-") || strings.ToLower(label) != label {
			return false
		}
	}
	return true
}

// IsUUID tells whether the text is a UUID in lower case, as the ids of volumes
// and servers are.
func IsUUID(text string) bool {
	if len(text) != len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	for i := range len(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if c := text[i]; dash != (c == '-') || !dash && !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
