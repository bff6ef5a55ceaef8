package volume

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CompareOptions answers a Create of a volume that exists. Only options that
// were given count. Provider, id, type, zone, source, filesystem and
// multiattach must match and the size must not exceed the volume's: otherwise
// the error is ErrConflict. What may differ comes back as notes, one sentence
// each, and the volume keeps what it has. recorded is the volume's ParseRecord.
func CompareOptions(asked Options, v Volume, recorded Options) (notes []string, err error) {
	for _, must := range mustMatch(asked, v, recorded) {
		if must.asked != "" && !slices.Contains(must.have, must.asked) {
			return nil, Errorf(ErrConflict, "volume %s exists with %s and %s=%s was asked for: create it without this option, or under another name",
				v.Name, haveText(must), must.option, must.asked)
		}
	}
	if asked.SizeGiB > v.SizeGiB {
		return nil, Errorf(ErrConflict, "volume %s exists with %d GiB and size=%d was asked for: a Create never grows a volume; fuxi grow %s %d does",
			v.Name, v.SizeGiB, asked.SizeGiB, v.Name, asked.SizeGiB)
	}
	if asked.Multiattach && !v.Multiattach {
		return nil, Errorf(ErrConflict, "volume %s exists and only one host at a time can attach it, and multiattach=true was asked for: create another one under another name", v.Name)
	}
	return compareNotes(asked, v, recorded), nil
}

// optionMatch is one option that must match one of the values the volume has. There
// may be two: the cloud shows names where the user gave ids, and an operator
// may have retyped or moved the volume since.
type optionMatch struct {
	option, asked string
	have          []string
}

func mustMatch(asked Options, v Volume, recorded Options) []optionMatch {
	fs := optionMatch{"fstype", asked.FSType, []string{v.Marks.FSType}}
	switch {
	case v.Marks.Formatted != nil:
		fs.have = []string{v.Marks.Formatted.FSType}
	case recorded.FSType != "":
		fs.have = []string{recorded.FSType}
	case v.Marks.FSType == "":
		fs.asked = "" // nobody knows yet: the mount finds out
	}
	return []optionMatch{
		{"volume_provider", asked.Provider, []string{v.Provider}},
		{"volume_id", asked.VolumeID, []string{v.ID}},
		{"volume_type", asked.Type, []string{v.Type, recorded.Type}},
		{"share_proto", asked.ShareProto, []string{v.Share}},
		{"share_type", asked.ShareType, []string{v.Type, recorded.ShareType}},
		{"share_network", asked.ShareNetwork, []string{recorded.ShareNetwork}},
		{"availability_zone", asked.Zone, []string{v.Zone, recorded.Zone}},
		{"snapshot_id", asked.SnapshotID, []string{v.SnapshotID, recorded.SnapshotID}},
		{"source_volid", asked.SourceID, []string{v.SourceID, recorded.SourceID}},
		fs,
	}
}

func haveText(m optionMatch) string {
	for _, have := range m.have {
		if have != "" {
			return m.option + "=" + have
		}
	}
	return "no " + m.option
}

func compareNotes(asked Options, v Volume, recorded Options) []string {
	kept := recorded
	subdir := strings.TrimPrefix(v.Marks.Subdir, "/")
	kept.SizeGiB, kept.OnRemove, kept.Subdir = v.SizeGiB, v.Marks.OnRemove, &subdir
	if kept.OnRemove == "" {
		kept.OnRemove = OnRemoveDelete
		if v.Marks.Adopted != "" {
			kept.OnRemove = OnRemoveRetain
		}
	}
	may := []string{"size", "mkfs_options", "mount_options", "subdir", "uid", "gid", "mode", "access_level", "on_remove"}
	var notes []string
	for _, r := range optionRules() {
		want, have := r.get(asked), r.get(kept)
		if want == "" || want == have || !slices.Contains(may, r.name) {
			continue
		}
		if have == "" {
			have = "its default"
		}
		notes = append(notes, fmt.Sprintf("a later create asked for %s=%s; the volume keeps %s", r.name, want, have))
	}
	for _, key := range slices.Sorted(maps.Keys(asked.Metadata)) {
		if have, ok := v.Metadata[key]; v.Metadata != nil && (!ok || have != asked.Metadata[key]) {
			notes = append(notes, fmt.Sprintf("a later create asked for metadata.%s=%s; the cloud's metadata is not changed", key, asked.Metadata[key]))
		}
	}
	return notes
}
