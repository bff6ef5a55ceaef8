package volume

import (
	"fmt"
	"slices"
)

// optionConflicts lists the options that were given together and cannot be.
func optionConflicts(o Options) []string {
	given := givenOptions(o)
	has := func(name string) bool { return slices.Contains(given, name) }
	var problems []string
	for _, c := range optionExclusions(o) {
		for _, other := range c.others {
			if has(c.option) && has(other) {
				problems = append(problems, fmt.Sprintf("options %s and %s exclude each other: %s", c.option, other, c.why))
			}
		}
	}
	return problems
}

// givenOptions lists the names of the options that o holds.
func givenOptions(o Options) []string {
	var names []string
	for _, r := range optionRules() {
		if r.get(o) != "" {
			names = append(names, r.name)
		}
	}
	if len(o.Metadata) > 0 {
		names = append(names, "metadata")
	}
	return names
}

type optionExclusion struct {
	option string
	others []string
	why    string
}

func optionExclusions(o Options) []optionExclusion {
	const (
		adopts = "volume_id adopts an existing volume as it is"
		copies = "a copy comes with its filesystem"
	)
	rules := []optionExclusion{
		{"volume_id", []string{"size", "volume_type", "availability_zone", "snapshot_id", "source_volid", "description", "mkfs_options", "metadata",
			"share_proto", "share_type", "share_network", "is_public"}, adopts},
		{"snapshot_id", []string{"source_volid"}, "a volume has one source"},
		{"snapshot_id", []string{"mkfs_options"}, copies},
		{"source_volid", []string{"mkfs_options"}, copies},
	}
	if o.Subdir != nil && *o.Subdir != "" {
		return rules
	}
	const kept = "uid, gid and mode are for a directory that fuxi makes, and what is there keeps its own; with subdir=DIR they apply to that"
	for _, source := range []string{"volume_id", "snapshot_id", "source_volid"} {
		rules = append(rules, optionExclusion{source, []string{"uid", "gid", "mode"}, kept})
	}
	return rules
}
