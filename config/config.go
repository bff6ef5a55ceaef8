// Package config reads fuxi's settings: one TOML file in which every key has a
// default, unknown keys are errors and all problems are reported at once.
package config

import (
	_ "embed"
	"path/filepath"
	"time"
)

// DefaultPath is where the daemon looks without --config.
const DefaultPath = "/etc/fuxi/fuxi.toml"

//go:embed fuxi.toml
var sample string

// Sample is the commented file that documents every key with its default.
func Sample() string { return sample }

// Config is the whole file after defaults; what Load returns has passed Check.
type Config struct {
	Plugin Plugin `toml:"plugin"`
	Cloud  Cloud  `toml:"cloud"`
	Cinder Cinder `toml:"cinder"`
	Nova   Nova   `toml:"nova"`
	Ceph   Ceph   `toml:"ceph"`
	Manila Manila `toml:"manila"`
	Host   Host   `toml:"host"`
	Log    Log    `toml:"log"`
}

// Plugin is how this daemon presents itself to Docker.
type Plugin struct {
	Name        string   `toml:"name"`         // driver name in messages
	Socket      string   `toml:"socket"`       // absolute, at most 107 bytes
	StateDir    string   `toml:"state_dir"`    // absolute
	MountDir    string   `toml:"mount_dir"`    // absolute; below StateDir unless set
	AdminSocket string   `toml:"admin_socket"` // absolute, at most 107 bytes; below StateDir unless set
	Providers   []string `toml:"providers"`    // at least one; the first is the default
	Cluster     string   `toml:"cluster"`      // value of the volume_from mark
	Refresh     Duration `toml:"refresh"`      // 1s to 1h
}

// Cloud says which OpenStack cloud to use and how to reach it.
type Cloud struct {
	Name       string `toml:"-"`           // NAME of [cloud.NAME]; "default" for [cloud]
	Cloud      string `toml:"cloud"`       // entry of CloudsFile; "" takes its only one, or without CloudsFile the OS_* variables
	CloudsFile string `toml:"clouds_file"` // absolute; never "" when Cloud is set
	Region     string `toml:"region"`      // "" is the entry's own
	Interface  string `toml:"interface"`   // public, internal, admin; "" is the entry's own
	CAFile     string `toml:"ca_file"`     // absolute or ""
	CertFile   string `toml:"cert_file"`   // absolute or ""; set with KeyFile
	KeyFile    string `toml:"key_file"`    // absolute or ""; set with CertFile
	Insecure   bool   `toml:"insecure"`    // do not verify the cloud's certificate
}

// Cinder is how block volumes are made and attached.
type Cinder struct {
	Connector      string   `toml:"connector"`         // host or nova
	DefaultSize    int      `toml:"default_size"`      // GiB
	FSType         string   `toml:"fstype"`            // ext4, xfs or btrfs
	VolumeType     string   `toml:"volume_type"`       // "" is the cloud's default
	Zone           string   `toml:"availability_zone"` // "" is the cloud's default
	Linger         Duration `toml:"linger"`            // 0 detaches at once
	WaitForRelease Duration `toml:"wait_for_release"`  // below 110s
	ReservationAge Duration `toml:"reservation_age"`   // at least 1s
	Multipath      string   `toml:"multipath"`         // off, auto or require
	UnzeroedTypes  []string `toml:"unzeroed_types"`    // volume types whose new volumes may hold stale bytes
}

// Nova is what a Docker host that is a Nova server needs when [cinder] connector
// is nova.
type Nova struct {
	InstanceID string `toml:"instance_id"` // of this server, lower-case uuid; "" is found out
	MaxVolumes int    `toml:"max_volumes"` // this server can hold; 0 is learned from its buses
}

// Ceph is how volumes on Ceph RBD are mapped.
type Ceph struct {
	ConfDir           string   `toml:"conf_dir"`            // absolute; CLUSTER.conf and keyrings
	Mapper            string   `toml:"mapper"`              // krbd or nbd
	OSDRequestTimeout Duration `toml:"osd_request_timeout"` // 0 waits for ever; whole seconds
	Exclusive         bool     `toml:"exclusive"`           // map so that the cluster refuses other writers, and Cinder's work on images in use
}

// Manila is how shares are made.
type Manila struct {
	DefaultSize  int      `toml:"default_size"`      // GiB
	ShareProto   string   `toml:"share_proto"`       // NFS or CEPHFS
	ShareType    string   `toml:"share_type"`        // "" is the cloud's default
	ShareNetwork string   `toml:"share_network"`     // uuid; "" is none
	Zone         string   `toml:"availability_zone"` // "" is the cloud's default
	Networks     []string `toml:"networks"`          // CIDRs; exports within them are preferred
}

// Host is what this host tells the cloud about itself; "" is found out at start.
type Host struct {
	Name string `toml:"name"` // unique among the hosts of a cluster
	IP   string `toml:"ip"`   // on the storage network
}

// Log is what is written to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn or error
	Format string `toml:"format"` // text or json
}

// Default is the configuration of an empty file.
func Default() Config {
	c := unsetDefaults()
	c.derive()
	return c
}

// unsetDefaults leaves open what follows from other keys.
func unsetDefaults() Config {
	return Config{
		Plugin: Plugin{
			Name: "fuxi", Socket: "/run/docker/plugins/fuxi.sock", StateDir: "/var/lib/fuxi",
			Providers: []string{"cinder"}, Cluster: "fuxi", Refresh: Duration{time.Minute},
		},
		Cloud: Cloud{Name: "default"},
		Cinder: Cinder{
			Connector: "host", DefaultSize: 1, FSType: "ext4", Linger: Duration{10 * time.Second},
			WaitForRelease: Duration{45 * time.Second}, ReservationAge: Duration{3 * time.Minute}, Multipath: "auto", UnzeroedTypes: []string{},
		},
		Ceph:   Ceph{ConfDir: "/etc/ceph", Mapper: "krbd"},
		Manila: Manila{DefaultSize: 1, ShareProto: "NFS", Networks: []string{}},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// derive fills in the paths that follow from other keys. clouds.yaml is not
// searched for: the working directory of a root daemon is no place to trust.
func (c *Config) derive() {
	if c.Plugin.MountDir == "" {
		c.Plugin.MountDir = filepath.Join(c.Plugin.StateDir, "mounts")
	}
	if c.Plugin.AdminSocket == "" {
		c.Plugin.AdminSocket = filepath.Join(c.Plugin.StateDir, "admin.sock")
	}
	if c.Cloud.CloudsFile == "" && c.Cloud.Cloud != "" {
		c.Cloud.CloudsFile = "/etc/openstack/clouds.yaml"
	}
}
