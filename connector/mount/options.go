package mount

import "strings"

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
