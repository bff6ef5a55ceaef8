package volume

import (
	"fmt"
	"slices"
	"strings"
)

const metadataPrefix = "metadata."

// OptionsHelp is the table of all options, made from the same rules that the
// parser uses.
func OptionsHelp() string {
	rows := [][4]string{{"OPTION", "VALUE", "DEFAULT", "MEANING"}}
	for _, r := range optionRules() {
		rows = append(rows, [4]string{r.name, r.value, r.def, r.meaning})
	}
	rows = append(rows,
		[4]string{metadataPrefix + "KEY", "at most 255 bytes", "-", "metadata of your own on the cloud's volume"},
		[4]string{"help", "", "-", "this table; nothing is created"})
	var width [3]int
	for _, row := range rows {
		for i := range width {
			width[i] = max(width[i], len(row[i]))
		}
	}
	var out strings.Builder
	out.WriteString("options of docker volume create -d fuxi -o OPTION=VALUE:\n")
	for _, row := range rows {
		fmt.Fprintf(&out, "  %-*s  %-*s  %-*s  %s\n", width[0], row[0], width[1], row[1], width[2], row[2], row[3])
	}
	return out.String()
}

func optionProblem(name, value, problem string) string {
	return fmt.Sprintf("option %s=%s: %s", name, quoteShort(value), problem)
}

// unknownOption explains a name that is no option.
func unknownOption(name string) string {
	if why := retiredOption(name); why != "" {
		return fmt.Sprintf("option %s is not supported: %s", quoteShort(name), why)
	}
	var names []string
	for _, r := range optionRules() {
		names = append(names, r.name)
	}
	near := optionSynonym(strings.ToLower(name))
	if near == "" {
		near = nearestWord(strings.ReplaceAll(name, "-", "_"), names)
	}
	if near != "" {
		return fmt.Sprintf("option %s is unknown; did you mean %q?", quoteShort(name), near)
	}
	slices.Sort(names)
	return fmt.Sprintf("option %s is unknown; the options are %s and %sKEY", quoteShort(name), strings.Join(names, ", "), metadataPrefix)
}

// optionSynonym names the option that other drivers call otherwise.
func optionSynonym(name string) string {
	return map[string]string{
		"type": "volume_type", "volumetype": "volume_type", "zone": "availability_zone", "az": "availability_zone",
		"fs": "fstype", "filesystem": "fstype", "fs_type": "fstype", "provider": "volume_provider", "backend": "volume_provider",
		"id": "volume_id", "volumeid": "volume_id", "snapshot": "snapshot_id", "snapshotid": "snapshot_id", "source": "source_volid",
		"source_volume": "source_volid", "clone": "source_volid", "from": "source_volid", "o": "mount_options", "mountopts": "mount_options",
		"mkfsopts": "mkfs_options", "user": "uid", "group": "gid", "capacity": "size", "metadata": "metadata.KEY",
		"proto": "share_proto", "protocol": "share_proto", "share_network_id": "share_network", "public": "is_public", "access": "access_level",
		"reclaim": "on_remove", "retain": "on_remove", "shared": "multiattach",
	}[name]
}

// retiredOption explains what the first fuxi or other drivers have and this
// one refuses on purpose.
func retiredOption(name string) string {
	const (
		owner  = "a volume belongs to the user and project that fuxi logs in with; choose them in clouds.yaml"
		groups = "the cloud replaced consistency groups by volume groups, which fuxi does not offer"
		image  = "a volume made from an image carries a boot disk, not a filesystem of files"
		crypt  = "choose a volume_type that encrypts"
	)
	return map[string]string{
		"access_to": "fuxi lets each host that mounts a share in by its own address; [host] ip names it",
		"user_id":   owner, "project_id": owner, "consistencygroup_id": groups, "consistency_group_id": groups,
		"source_replica":  "the cloud has removed volume replication by request",
		"scheduler_hints": "the cloud expects an object that no option can carry; choose a volume_type or an availability_zone",
		"image_id":        image, "imageref": image, "imageRef": image, "encryption": crypt, "encrypted": crypt,
		"name":   "the name comes before or after the options: docker volume create -d fuxi NAME",
		"device": "it belongs to Docker's own local driver; volume_id adopts an existing volume",
	}[name]
}

// setMetadata takes one metadata.KEY option. Cinder's API schema allows these
// characters in keys and 255 bytes each.
func setMetadata(o *Options, key, value string) string {
	const plainKey = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. "
	name := metadataPrefix + key
	switch {
	case IsMark(key):
		return optionProblem(name, value, "this key is fuxi's own")
	case key == "" || len(key) > 255 || strings.Trim(key, plainKey) != "" || strings.TrimSpace(key) != key:
		return fmt.Sprintf("option %s: a key has 1 to 255 letters, digits, '-', '_', ':', '.' or inner spaces", quoteShort(name))
	case value != "" && !textRule().ok(value):
		return optionProblem(quoteShort(name), value, "allowed: "+textRule().text)
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	o.Metadata[key] = value
	return ""
}
