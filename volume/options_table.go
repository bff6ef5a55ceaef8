package volume

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSizeGiB is 64 TiB: beyond it a size is more likely a typing error.
const maxSizeGiB = 65536

// maxOwner leaves out 4294967295, which chown(2) reads as "unchanged".
const maxOwner = 4294967294

// optionRule is one option: the parser, the help text and the record in the
// cloud are all made from it.
type optionRule struct {
	name    string
	value   string // what is allowed
	def     string // what happens without it
	meaning string
	record  string                                // key in the mark fuxi:opts; "" is not recorded
	only    string                                // the one provider that has it; "" is every one
	set     func(o *Options, value string) string // returns what is wrong
	get     func(o Options) string                // as a user would write it; "" when not given
}

// optionRules is the whole table.
func optionRules() []optionRule {
	return slices.Concat(cloudOptions(), shareOptions(), filesystemOptions())
}

// cloudOptions say what to ask the cloud for.
func cloudOptions() []optionRule {
	return []optionRule{
		textOption("volume_provider", "first of providers", "kind of storage", "prov", oneOfRule("cinder", "manila"),
			func(o *Options) *string { return &o.Provider }),
		{name: "size", value: sizeAllowed, def: "default_size", meaning: "size of the volume", record: "size", set: setSize,
			get: func(o Options) string { return sizeText(o.SizeGiB) }},
		textOption("volume_type", "configured, or the cloud's", "the cloud's volume type", "type", textRule(),
			func(o *Options) *string { return &o.Type }).ofVolumes(),
		textOption("availability_zone", "configured, or the cloud's", "where the volume lives", "zone", textRule(),
			func(o *Options) *string { return &o.Zone }),
		textOption("volume_id", "-", "adopt this existing volume with what is on it", "", uuidRule(),
			func(o *Options) *string { return &o.VolumeID }),
		textOption("snapshot_id", "-", "copy this snapshot", "snap", uuidRule(),
			func(o *Options) *string { return &o.SnapshotID }),
		textOption("source_volid", "-", "clone this volume", "src", uuidRule(),
			func(o *Options) *string { return &o.SourceID }).ofVolumes(),
		textOption("description", "-", "description in the cloud", "", textRule(),
			func(o *Options) *string { return &o.Description }),
		flagOption("multiattach", "insist on a type that several hosts can attach", func(o *Options) *bool { return &o.Multiattach }).ofVolumes(),
		textOption("on_remove", "delete (adopted: retain)", "what docker volume rm does to the cloud's volume", "", oneOfRule(OnRemoveDelete, OnRemoveRetain),
			func(o *Options) *string { return &o.OnRemove }),
	}
}

// filesystemOptions say what a container finds.
func filesystemOptions() []optionRule {
	return []optionRule{
		textOption("fstype", "configured", "filesystem to make, or to expect on a copy or an adopted volume", "fs", oneOfRule(fsTypes()...),
			func(o *Options) *string { return &o.FSType }).ofVolumes(),
		optionRule{name: "mkfs_options", value: "flags of mkfs such as -i 8192", def: "-", meaning: "how the filesystem is made", record: "mkfs", set: setMkfs,
			get: func(o Options) string { return strings.Join(o.MkfsOptions, " ") }}.ofVolumes(),
		{name: "mount_options", value: "comma-separated, such as noatime,discard", def: "-", meaning: "how it is mounted; nosuid and nodev are always on", record: "mount", set: setMount,
			get: func(o Options) string { return strings.Join(o.MountOptions, ",") }},
		{name: "subdir", value: "a relative directory, or / for the root", def: "data (shares, copied, adopted: /)", meaning: "directory of the filesystem that containers see", set: setSubdir,
			get: subdirText},
		ownerOption("uid", "user that owns a new directory", func(o *Options) **int { return &o.UID }),
		ownerOption("gid", "group that owns a new directory", func(o *Options) **int { return &o.GID }),
		{name: "mode", value: "three or four octal digits such as 0750", def: "0755", meaning: "permissions of a new directory", record: "mode", set: setMode,
			get: modeText},
	}
}

// textOption is an option kept as a string.
func textOption(name, def, meaning, record string, rule valueRule, field func(*Options) *string) optionRule {
	return optionRule{
		name: name, value: rule.text, def: def, meaning: meaning, record: record,
		set: func(o *Options, value string) string {
			if !rule.ok(value) {
				return "allowed: " + rule.text
			}
			if rule.lower {
				value = strings.ToLower(value)
			}
			*field(o) = value
			return ""
		},
		get: func(o Options) string { return *field(&o) },
	}
}

// ownerOption is a numeric uid or gid.
func ownerOption(name, meaning string, field func(*Options) **int) optionRule {
	rule := numberRule(0, maxOwner)
	return optionRule{
		name: name, value: rule.text, def: "0", meaning: meaning, record: name,
		set: func(o *Options, value string) string {
			if !rule.ok(value) {
				return "allowed: " + rule.text + " (names are unknown here: a container has its own)"
			}
			id, _ := strconv.Atoi(value)
			*field(o) = &id
			return ""
		},
		get: func(o Options) string {
			if id := *field(&o); id != nil {
				return strconv.Itoa(*id)
			}
			return ""
		},
	}
}

const sizeAllowed = "whole GiB as 10, 10G or 10GiB, or TiB as 1T or 1TiB"

// ParseSize reads a size as -o size takes it and returns whole GiB. The error
// is ErrInvalid and names what is allowed.
func ParseSize(value string) (sizeGiB int, err error) {
	var o Options
	problem := "not a size; allowed: " + sizeAllowed
	if value != "" {
		problem = setSize(&o, value)
	}
	if problem != "" {
		return 0, Errorf(ErrInvalid, "size %s: %s", quoteShort(value), problem)
	}
	return o.SizeGiB, nil
}

func setSize(o *Options, value string) string {
	digits := value[:len(value)-len(strings.TrimLeft(value, "0123456789"))]
	factor, known := map[string]int{"": 1, "g": 1, "gib": 1, "t": 1024, "tib": 1024}[strings.ToLower(value[len(digits):])]
	if !known || !numberRule(0, maxSizeGiB).ok(digits) {
		return sizeProblem(value, digits)
	}
	n, _ := strconv.Atoi(digits)
	if n *= factor; n < 1 || n > maxSizeGiB {
		return fmt.Sprintf("the size must be from 1 to %d GiB", maxSizeGiB)
	}
	o.SizeGiB = n
	return ""
}

func sizeProblem(value, digits string) string {
	switch unit := strings.ToUpper(value[len(digits):]); {
	case digits == "":
		return "not a size; allowed: " + sizeAllowed
	case strings.HasPrefix(unit, "."), strings.HasPrefix(unit, ","):
		return "the cloud has only whole GiB; allowed: " + sizeAllowed
	case unit == "GB" || unit == "TB":
		return fmt.Sprintf("%s means powers of 1000 to some and of 1024 to others; allowed: %s", unit, sizeAllowed)
	case slices.Contains([]string{"B", "K", "KB", "KIB", "M", "MB", "MIB"}, unit):
		return "the cloud's smallest step is 1 GiB; allowed: " + sizeAllowed
	case digits != "0" && strings.HasPrefix(digits, "0"):
		return "a leading zero is ambiguous; allowed: " + sizeAllowed
	case unit == "" || !numberRule(0, maxSizeGiB).ok(digits):
		return fmt.Sprintf("the size must be from 1 to %d GiB", maxSizeGiB)
	}
	return "not a size; allowed: " + sizeAllowed
}

// flagOption is true or false.
func flagOption(name, meaning string, field func(*Options) *bool) optionRule {
	return optionRule{
		name: name, value: "true or false", def: "false", meaning: meaning,
		set: func(o *Options, value string) string {
			if value != "true" && value != "false" {
				return "allowed: true or false"
			}
			*field(o) = value == "true"
			return ""
		},
		get: func(o Options) string { return trueText(*field(&o)) },
	}
}

func setSubdir(o *Options, value string) string {
	if CheckSubdir(value) != nil {
		return "allowed: " + subdirRule
	}
	dir := strings.TrimPrefix(value, "/")
	o.Subdir = &dir
	return ""
}

func setMode(o *Options, value string) string {
	digits := strings.TrimPrefix(strings.TrimPrefix(value, "0o"), "0")
	mode, err := strconv.ParseUint(digits, 8, 12)
	if err != nil || len(digits) < 3 || len(digits) > 4 {
		return "allowed: three or four octal digits such as 0750, 750 or 2775"
	}
	bits := uint32(mode)
	o.Mode = &bits
	return ""
}

func modeText(o Options) string {
	if o.Mode == nil {
		return ""
	}
	return fmt.Sprintf("%04o", *o.Mode)
}

func subdirText(o Options) string {
	switch {
	case o.Subdir == nil:
		return ""
	case *o.Subdir == "":
		return "/"
	}
	return *o.Subdir
}

func sizeText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func trueText(b bool) string {
	if b {
		return "true"
	}
	return ""
}
