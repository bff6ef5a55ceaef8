package openstack

import (
	"fmt"

	"github.com/openstack/fuxi/volume"
)

// Suggest returns `: did you mean "x"?` for the word of among that is nearest
// to the given one, or "" when none is near enough to be a slip of the fingers.
func Suggest(word string, among []string) string {
	best, distance := "", len(word)/3+2
	for _, other := range among {
		if d := volume.EditDistance(word, other); d < distance {
			best, distance = other, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
