package volume

import (
	"maps"
	"slices"
	"strings"
)

// Policies of Remove.
const (
	OnRemoveDelete = "delete" // delete the cloud's volume
	OnRemoveRetain = "retain" // let go of it and keep it
)

func isFSType(s string) bool { return slices.Contains(fsTypes(), s) }

// fsTypes lists the filesystems fuxi makes and mounts.
func fsTypes() []string { return []string{"ext4", "xfs", "btrfs"} }

// Options are the settings of one `docker volume create -o`, validated. The
// zero value of a field means that the option was not given.
type Options struct {
	Provider     string // cinder or manila; whether it is enabled is the caller's check
	SizeGiB      int    // 0 is not given
	FSType       string // ext4, xfs or btrfs
	Type         string // the cloud's volume type
	Zone         string // availability zone
	VolumeID     string // adopt this volume; lower-case uuid
	SnapshotID   string // copy this snapshot; lower-case uuid
	SourceID     string // clone this volume; lower-case uuid
	Description  string
	Multiattach  bool              // the volume's type must allow it
	ShareProto   string            // NFS or CEPHFS
	ShareType    string            // the cloud's share type
	ShareNetwork string            // lower-case uuid
	IsPublic     bool              // the share is visible to every project
	AccessLevel  string            // AccessReadWrite or AccessReadOnly
	MkfsOptions  []string          // argv of mkfs: flag, value, flag, value …, no flag twice
	MountOptions []string          // one mount option each
	Subdir       *string           // "" is the filesystem's root; nil leaves the choice to fuxi
	UID, GID     *int              // owner of a directory that fuxi makes
	Mode         *uint32           // its permission bits, up to 07777
	OnRemove     string            // OnRemoveDelete or OnRemoveRetain
	Metadata     map[string]string // the user's own cloud metadata, never our marks
}

// ParseOptions validates the options as Docker sends them. All problems are
// reported in one ErrInvalid; each names the option, its value and what is
// allowed. mkfs and mount options are held against FSType, or without one must
// suit at least one filesystem: a caller that fills in a default asks
// CheckMkfs and CheckMount again.
func ParseOptions(raw map[string]string) (Options, error) {
	if HelpAsked(raw) {
		return Options{}, Errorf(ErrInvalid, "%s", OptionsHelp())
	}
	o, problems := readOptions(raw)
	if len(problems) == 0 {
		problems = optionConflicts(o)
	}
	if len(problems) > 0 {
		return Options{}, Errorf(ErrInvalid, "%s", strings.Join(problems, "; "))
	}
	return o, nil
}

// readOptions judges each option by itself, in the order of their names.
func readOptions(raw map[string]string) (o Options, problems []string) {
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if problem := setOption(&o, name, raw[name]); problem != "" {
			problems = append(problems, problem)
		}
	}
	if len(problems) == 0 {
		problems = checkFilesystemOptions(o)
	}
	return o, problems
}

// HelpAsked tells whether the user typed `-o help`: the answer is then
// OptionsHelp, and nothing is created.
func HelpAsked(raw map[string]string) bool {
	_, asked := raw["help"]
	return asked
}

// setOption puts one option into o and returns the problem, if any.
func setOption(o *Options, name, value string) string {
	if key, ok := strings.CutPrefix(name, metadataPrefix); ok {
		return setMetadata(o, key, value)
	}
	rules := optionRules()
	i := slices.IndexFunc(rules, func(r optionRule) bool { return r.name == name })
	if i < 0 {
		return unknownOption(name)
	}
	if value == "" {
		return optionProblem(name, value, "the value is empty; allowed: "+rules[i].value)
	}
	if problem := rules[i].set(o, value); problem != "" {
		return optionProblem(name, value, problem)
	}
	return ""
}

// checkFilesystemOptions holds mkfs and mount options against the filesystem.
func checkFilesystemOptions(o Options) []string {
	var problems []string
	made, mounted := fsTypes(), slices.Concat(fsTypes(), shareProtos())
	switch {
	case o.FSType != "":
		made, mounted = []string{o.FSType}, []string{o.FSType}
	case o.ShareProto != "":
		mounted = []string{o.ShareProto}
	case o.Provider == providerShares:
		mounted = shareProtos()
	case o.Provider != "":
		mounted = made
	}
	if err := anyFSType(made, o.CheckMkfs); err != nil {
		problems = append(problems, err.Error())
	}
	if err := anyFSType(mounted, o.CheckMount); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// anyFSType runs check for each filesystem until one passes. Of several errors
// it returns the one that knows most about the option.
func anyFSType(types []string, check func(string) error) error {
	var best error
	for _, fs := range types {
		err := check(fs)
		if err == nil {
			return nil
		}
		if best == nil || explains(err) > explains(best) {
			best = err
		}
	}
	return best
}

// explains ranks errors: that a word is unknown tells less than which word is
// near, and that less than what is wrong with a known one.
func explains(err error) int {
	switch text := err.Error(); {
	case !strings.Contains(text, unknownWord):
		return 2
	case strings.Contains(text, nearWord):
		return 1
	}
	return 0
}
