package iscsi

import (
	"fmt"
	"strings"
)

// chap is how both sides prove themselves. Empty user: not at all.
type chap struct {
	user, password     string
	userIn, passwordIn string // the target proves itself as well
}

// chap reads the credentials. What the target proves itself with is called as
// the initiator's, followed by _in, as in open-iscsi's own settings.
func (f *fields) chap() chap {
	method, err := f.text(f.data, "auth_method")
	if err != nil || method != "" && !strings.EqualFold(method, "CHAP") && !strings.EqualFold(method, "None") {
		f.fail("auth_method %v is not CHAP", f.data["auth_method"])
		return chap{}
	}
	var c chap
	for _, want := range []struct {
		to     *string
		from   map[string]any
		key    string
		needed bool
	}{
		{&c.user, f.data, "auth_username", strings.EqualFold(method, "CHAP")},
		{&c.password, f.secret, "auth_password", strings.EqualFold(method, "CHAP")},
		{&c.userIn, f.data, "auth_username_in", false},
		{&c.passwordIn, f.secret, "auth_password_in", false},
	} {
		if *want.to, err = f.text(want.from, want.key); err != nil || want.needed && *want.to == "" {
			f.fail("%s is missing, or is no printable text of one line and at most 255 bytes", want.key)
		}
	}
	if strings.EqualFold(method, "CHAP") {
		return c
	}
	return chap{}
}

// text returns a value that may stand in a line of open-iscsi's database. The
// value is in no message: it may be a password.
func (f *fields) text(from map[string]any, key string) (string, error) {
	value, there := from[key]
	if !there || value == nil {
		return "", nil
	}
	s, ok := value.(string)
	if !ok || len(s) > 255 || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("%s is no printable text", key)
	}
	return s, nil
}
