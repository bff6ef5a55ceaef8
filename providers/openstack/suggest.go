package openstack

import "fmt"

// Suggest returns `: did you mean "x"?` for the word of among that is nearest
// to the given one, or "" when none is near enough to be a slip of the fingers.
func Suggest(word string, among []string) string {
	best, distance := "", len(word)/3+2
	for _, other := range among {
		if d := editDistance(word, other); d < distance {
			best, distance = other, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// editDistance counts the insertions, deletions and changes of a byte that
// lead from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
