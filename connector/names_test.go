package connector_test

import (
	"regexp"
	"testing"

	"github.com/openstack/fuxi/connector"
)

// FuzzNames compares the checks with the expressions that say the same.
func FuzzNames(f *testing.F) {
	for _, text := range []string{"", "a", ".", "a.b", "a..b", "a-", "-a", "A.b", "a.", "a\n", "é", "../x", "a/b", "a:b+c",
		"480d0a28-98c5-46a2-841e-f156638cafb9", "480d0a28-98c5-46a2-841e-f156638cafb", "480D0A28-98c5-46a2-841e-f156638cafb9",
		"480d0a28898c5-46a2-841e-f156638cafb9", "480d0a28-98c5-46a2-841e-f156638cafbg"} {
		f.Add(text)
	}
	same := func(t *testing.T, what string, got bool, pattern, text string) {
		if want := regexp.MustCompile(pattern).MatchString(text); got != want {
			t.Errorf("%s of %q is %v", what, text, got)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		same(t, "IsPlain", connector.IsPlain(text, "_.", ":+-"), `^[A-Za-z0-9_.][A-Za-z0-9_.:+-]*\z`, text)
		same(t, "IsPlain", connector.IsPlain(text, "", ".-"), `^[A-Za-z0-9][A-Za-z0-9.-]*\z`, text)
		same(t, "IsHostName", connector.IsHostName(text), `^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\z`, text)
		same(t, "IsUUID", connector.IsUUID(text), `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`, text)
	})
}
