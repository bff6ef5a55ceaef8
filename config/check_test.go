package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	const (
		rule = "a name starts with a letter or digit, followed by up to 63 letters, digits, '_', '.' or '-'"
		path = "must be an absolute path without '..', '//' and a slash at its end"
	)
	long := "/run/" + strings.Repeat("x", 103)
	for _, test := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.Plugin.Name = "" }, `plugin.name = "": ` + rule},
		{func(c *Config) { c.Plugin.Cluster = "a,b" }, `plugin.cluster = "a,b": ` + rule},
		{func(c *Config) { c.Plugin.Socket = long[:107] }, ""},
		{func(c *Config) { c.Plugin.Socket = long }, `plugin.socket = "` + long[:79] + `…: a socket's path has at most 107 bytes, this one 108`},
		{func(c *Config) { c.Plugin.MountDir = "mnt" }, `plugin.mount_dir = "mnt": ` + path},
		{func(c *Config) { c.Plugin.MountDir = c.Plugin.StateDir }, `plugin.mount_dir = "/var/lib/fuxi": must not be or contain state_dir "/var/lib/fuxi": mounts would hide the journal`},
		{func(c *Config) { c.Plugin.MountDir = "/run/docker" }, `plugin.mount_dir = "/run/docker": must not contain a socket`},
		{func(c *Config) { c.Plugin.AdminSocket = c.Plugin.Socket }, `plugin.admin_socket = "/run/docker/plugins/fuxi.sock": must differ from socket`},
		{func(c *Config) { c.Plugin.Providers = nil }, `plugin.providers = []: at least one is needed; allowed: "cinder" and "manila"`},
		{func(c *Config) { c.Plugin.Providers = []string{"cinder", "manilla"} }, `plugin.providers = ["cinder", "manilla"]: "manilla" is no provider; allowed: "cinder" and "manila"; did you mean "manila"?`},
		{func(c *Config) { c.Plugin.Providers = []string{"cinder", "cinder"} }, `plugin.providers = ["cinder", "cinder"]: "cinder" is given twice`},
		{func(c *Config) { c.Plugin.Refresh = Duration{} }, `plugin.refresh = "0s": must be from 1s to 1h`},
		{func(c *Config) { c.Cloud.Interface = "publik" }, `cloud.interface = "publik": allowed: "", "public", "internal", "admin"; did you mean "public"?`},
		{func(c *Config) { c.Cloud.Region = "a\n" }, `cloud.region = "a\n": must be printable, at most 255 bytes, without spaces at its ends`},
		{func(c *Config) { c.Cloud.KeyFile = "/k" }, `cloud.key_file = "/k": needs cert_file too`},
		{func(c *Config) { c.Cloud.CertFile = "/c" }, `cloud.cert_file = "/c": needs key_file too`},
		{func(c *Config) { c.Cloud.Insecure, c.Cloud.CAFile = true, "/ca" }, `cloud.insecure = true: excludes ca_file: a certificate is either verified or not`},
		{func(c *Config) { c.Cloud.Name, c.Cloud.CloudsFile = "prod", "clouds.yaml" }, `cloud.prod.clouds_file = "clouds.yaml": ` + path},
		{func(c *Config) { c.Nova.InstanceID = "node1" }, `nova.instance_id = "node1": must be a lower-case uuid such as 3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10, or "" to find it out`},
		{func(c *Config) { c.Nova.MaxVolumes = -1 }, `nova.max_volumes = -1: must be from 1 to 1024, or 0 to learn it from this server's buses`},
		{func(c *Config) { c.Ceph.ConfDir = "ceph" }, `ceph.conf_dir = "ceph": must be an absolute path without '..', '//' and a slash at its end`},
		{func(c *Config) { c.Ceph.Mapper = "krdb" }, `ceph.mapper = "krdb": allowed: "krbd", "nbd"; did you mean "krbd"?`},
		{func(c *Config) { c.Ceph.OSDRequestTimeout = Duration{1500 * time.Millisecond} }, `ceph.osd_request_timeout = "1.5s": must be whole seconds`},
		{func(c *Config) { c.Manila.DefaultSize = 0 }, `manila.default_size = 0: must be from 1 to 65536 (GiB)`},
		{func(c *Config) { c.Manila.ShareProto = "nfs" }, `manila.share_proto = "nfs": allowed: "NFS", "CEPHFS"; did you mean "NFS"?`},
		{func(c *Config) { c.Manila.ShareNetwork = "net" }, `manila.share_network = "net": must be a lower-case uuid such as 3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10, or "" for none`},
		{func(c *Config) { c.Manila.Networks = []string{"10.0.0.1/8"} }, `manila.networks = "10.0.0.1/8": must be networks such as "10.0.0.0/8" or "fd00::/8", without bits beyond their length`},
		{func(c *Config) { c.Cinder.Connector = "hots" }, `cinder.connector = "hots": allowed: "host", "nova"; did you mean "host"?`},
		{func(c *Config) { c.Cinder.DefaultSize = 0 }, `cinder.default_size = 0: must be from 1 to 65536 (GiB)`},
		{func(c *Config) { c.Cinder.FSType = "ext3" }, `cinder.fstype = "ext3": allowed: "ext4", "xfs", "btrfs"; did you mean "ext4"?`},
		{func(c *Config) { c.Cinder.Linger = Duration{-1} }, `cinder.linger = "-1ns": must be from 0s to 24h`},
		{func(c *Config) { c.Cinder.WaitForRelease = Duration{109 * time.Second} }, ""},
		{func(c *Config) { c.Cinder.WaitForRelease = Duration{110 * time.Second} }, `cinder.wait_for_release = "1m50s": must be from 0s to below 110s: Docker gives up a mount after 120s`},
		{func(c *Config) { c.Cinder.ReservationAge = Duration{time.Millisecond} }, `cinder.reservation_age = "1ms": must be from 1s to 24h`},
		{func(c *Config) { c.Cinder.UnzeroedTypes = []string{"a", "a"} }, `cinder.unzeroed_types = ["a", "a"]: must be names of volume types, each once`},
		{func(c *Config) { c.Host.Name = "-x" }, `host.name = "-x": a name starts with a letter or digit, followed by up to 252 letters, digits, '_', '.' or '-'; "" takes the host's own`},
		{func(c *Config) { c.Host.IP = "0.0.0.0" }, `host.ip = "0.0.0.0": must be this host's IPv4 or IPv6 address on the storage network, or "" to find it`},
		{func(c *Config) { c.Log.Format, c.Log.Level = "xml", "loud" }, "log.level = \"loud\": allowed: \"debug\", \"info\", \"warn\", \"error\"\nlog.format = \"xml\": allowed: \"text\", \"json\""},
	} {
		c := Default()
		test.change(&c)
		got := ""
		if err := c.Check(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	c := Default()
	if got := c.Warnings(); got != nil {
		t.Errorf("the default warns: %q", got)
	}
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	c.Cloud.Cloud, c.Cloud.CloudsFile = "prod", file
	if got := c.Warnings(); got != nil {
		t.Errorf("mode 0640 warns: %q", got)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Cloud.Insecure, c.Plugin.Name = true, "disks"
	want := []string{
		file + " holds secrets and every user of this host may read or change it (mode 0644): chmod o= " + file,
		"insecure = true: the cloud's certificate is not verified, and anybody on the way can take the password; ca_file is the remedy",
		"Docker names a driver after its socket: with socket /run/docker/plugins/fuxi.sock the driver is not called disks",
	}
	if got := c.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
