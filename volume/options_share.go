package volume

import (
	"fmt"
	"slices"
	"strings"
)

// Providers, as volume_provider names them.
const (
	providerVolumes = "cinder"
	providerShares  = "manila"
)

// What this host may do with a share.
const (
	AccessReadWrite = "rw"
	AccessReadOnly  = "ro"
)

// Protocols of shares that fuxi mounts, in the cloud's spelling.
const (
	ShareNFS    = "NFS"
	ShareCephFS = "CEPHFS"
)

func shareProtos() []string { return []string{ShareNFS, ShareCephFS} }

// shareOptions are those of shares alone.
func shareOptions() []optionRule {
	return []optionRule{
		textOption("share_proto", "configured, or NFS", "how the share is reached", "proto", oneOfRule(shareProtos()...),
			func(o *Options) *string { return &o.ShareProto }).ofShares(),
		textOption("share_type", "configured, or the cloud's", "the cloud's share type", "stype", textRule(),
			func(o *Options) *string { return &o.ShareType }).ofShares(),
		textOption("share_network", "configured, or none", "share network, for types with servers of their own", "snet", uuidRule(),
			func(o *Options) *string { return &o.ShareNetwork }).ofShares(),
		flagOption("is_public", "let every project see the share", func(o *Options) *bool { return &o.IsPublic }).ofShares(),
		textOption("access_level", AccessReadWrite, "what the hosts of this cluster may do with the share", "access", oneOfRule(AccessReadWrite, AccessReadOnly),
			func(o *Options) *string { return &o.AccessLevel }).ofShares(),
	}
}

func (r optionRule) ofVolumes() optionRule { r.only = providerVolumes; return r }
func (r optionRule) ofShares() optionRule  { r.only = providerShares; return r }

// CheckProvider refuses options that the provider does not have. The error is
// ErrInvalid and names each.
func (o Options) CheckProvider(provider string) error {
	given := givenOptions(o)
	var problems []string
	for _, r := range optionRules() {
		if r.only == "" || r.only == provider || !slices.Contains(given, r.name) {
			continue
		}
		problem := fmt.Sprintf("option %s=%s is for volume_provider=%s, and this volume is to be made by %s", r.name, quoteShort(r.get(o)), r.only, provider)
		if other := counterpart(r.name); other != "" {
			problem += "; did you mean " + other + "?"
		}
		problems = append(problems, problem)
	}
	if len(problems) > 0 {
		return Errorf(ErrInvalid, "%s", strings.Join(problems, "; "))
	}
	return nil
}

// counterpart is what the other provider calls an option.
func counterpart(option string) string {
	return map[string]string{
		"volume_type": "share_type", "share_type": "volume_type", "source_volid": "snapshot_id",
		"multiattach": "volume_provider=manila alone, since every share is for many hosts",
	}[option]
}

// nfsMount are the mount options of NFS shares: those that tune, none that
// trades data for speed.
func nfsMount() []wordRule {
	const lost = "an error that a program does not look at loses data; shares are mounted hard, and a dead server's processes can be killed"
	return append(slices.Concat(
		plainWords("nocto", "noac", "nosharecache", "noresvport", "resvport", "rdirplus", "nordirplus", "nolock"),
		refusedWords(lost, "soft", "softerr", "softreval"),
		refusedWords("it changes nothing in kernels of this century", "intr", "nointr"),
		refusedWords("mounting in the background would show an empty directory", "bg", "retry"),
		refusedWords("the cloud says where the share is", "addr", "mountaddr", "mounthost", "clientaddr", "port", "mountport"),
	),
		wordRule{word: "vers", value: oneOfRule("3", "4", "4.0", "4.1", "4.2")},
		wordRule{word: "nfsvers", value: oneOfRule("3", "4", "4.0", "4.1", "4.2")},
		wordRule{word: "proto", value: oneOfRule("tcp", "tcp6", "rdma")},
		wordRule{word: "sec", value: oneOfRule("sys", "krb5", "krb5i", "krb5p")},
		wordRule{word: "rsize", value: numberRule(1024, 1<<20)},
		wordRule{word: "wsize", value: numberRule(1024, 1<<20)},
		wordRule{word: "timeo", value: numberRule(1, 6000)},
		wordRule{word: "retrans", value: numberRule(0, 100)},
		wordRule{word: "nconnect", value: numberRule(1, 16)},
		wordRule{word: "actimeo", value: numberRule(0, 86400)},
		wordRule{word: "acregmin", value: numberRule(0, 86400)},
		wordRule{word: "acregmax", value: numberRule(0, 86400)},
		wordRule{word: "acdirmin", value: numberRule(0, 86400)},
		wordRule{word: "acdirmax", value: numberRule(0, 86400)},
		wordRule{word: "lookupcache", value: oneOfRule("all", "none", "pos", "positive")},
		wordRule{word: "local_lock", value: oneOfRule("none", "flock", "posix", "all")})
}

// cephfsMount are the mount options of CephFS shares.
func cephfsMount() []wordRule {
	return append(slices.Concat(
		plainWords("dirstat", "nodirstat", "rbytes", "norbytes", "asyncreaddir", "noasyncreaddir", "dcache", "nodcache", "acl", "noacl", "wsync", "nowsync"),
		refusedWords("the cloud says who mounts what", "name", "secret", "secretfile", "conf", "fs", "mds_namespace", "fsid", "mon_addr", "ip"),
	),
		wordRule{word: "rsize", value: numberRule(4096, 1<<26)},
		wordRule{word: "wsize", value: numberRule(4096, 1<<26)},
		wordRule{word: "rasize", value: numberRule(0, 1<<26)},
		wordRule{word: "caps_max", value: numberRule(0, 1<<30)},
		wordRule{word: "caps_wanted_delay_min", value: numberRule(1, 3600)},
		wordRule{word: "caps_wanted_delay_max", value: numberRule(1, 3600)},
		wordRule{word: "mount_timeout", value: numberRule(1, 600)},
		wordRule{word: "ms_mode", value: oneOfRule("legacy", "crc", "secure", "prefer-crc", "prefer-secure")},
		wordRule{word: "recover_session", no: "after the cluster has shut this host out it would drop what was written and go on as if nothing had been"})
}
