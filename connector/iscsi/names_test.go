package iscsi

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzTargetName compares the check with the expression that says the same.
func FuzzTargetName(f *testing.F) {
	for _, text := range []string{"", "iqn", "iqn.", "iqn.2010-10", "iqn.2010-10.", "iqn.2010-10.org", "iqn.2010-10.org.openstack:volume-1",
		"iqn.2010-10.org:", "iqn.2010-1.org", "iqn.201-10.org", "iqn.20101.org", "IQN.2010-10.org", "iqn.2010-10.org:a b", "iqn.2010-10.org:a/b", "iqn.2010-10.org:..",
		"eui.02004567A425678D", "eui.02004567A425678", "naa.52004567BA64678D", "naa.62004567BA64678D0123456789ABCDEF", "naa.62004567BA64678D0", "eui.02004567A425678Dz",
		"iqn.2010-10.org:" + strings.Repeat("x", 207), "iqn.2010-10.org:" + strings.Repeat("x", 208)} {
		f.Add(text)
	}
	pattern := regexp.MustCompile(`^(iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9][A-Za-z0-9.-]*(:[A-Za-z0-9.:_-]+)?|eui\.[0-9A-Fa-f]{16}|naa\.([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}))\z`)
	f.Fuzz(func(t *testing.T, text string) {
		want := len(text) <= 223 && pattern.MatchString(text) && !strings.Contains(text, "..")
		if got := isTargetName(text); got != want {
			t.Errorf("%q is a name: %v", text, got)
		}
	})
}
