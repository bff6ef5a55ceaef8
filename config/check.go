package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Check reports everything that is wrong with the values, each as a Problem
// without file and line; nil when all is well.
func (c Config) Check() error { return join(c.problems()) }

func (c Config) problems() []Problem {
	var k checker
	c.checkPlugin(&k)
	c.checkCloud(&k)
	c.checkCinder(&k)
	c.checkNova(&k)
	c.checkCeph(&k)
	c.checkManila(&k)
	if c.Host.Name != "" {
		k.matches("host.name", c.Host.Name, namePattern(253), "a name starts with a letter or digit, followed by up to 252 letters, digits, '_', '.' or '-'; \"\" takes the host's own")
	}
	if ip, err := netip.ParseAddr(c.Host.IP); c.Host.IP != "" && (err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast()) {
		k.add("host.ip", c.Host.IP, "must be this host's IPv4 or IPv6 address on the storage network, or \"\" to find it")
	}
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	return k.problems
}

func (c Config) checkPlugin(k *checker) {
	const names = "a name starts with a letter or digit, followed by up to 63 letters, digits, '_', '.' or '-'"
	p := c.Plugin
	k.matches("plugin.name", p.Name, namePattern(64), names)
	k.matches("plugin.cluster", p.Cluster, namePattern(64), names)
	k.path("plugin.state_dir", p.StateDir)
	k.path("plugin.mount_dir", p.MountDir)
	k.socket("plugin.socket", p.Socket)
	k.socket("plugin.admin_socket", p.AdminSocket)
	k.within("plugin.refresh", p.Refresh, time.Second, time.Hour)
	if p.StateDir == p.MountDir || below(p.StateDir, p.MountDir) {
		k.add("plugin.mount_dir", p.MountDir, fmt.Sprintf("must not be or contain state_dir %q: mounts would hide the journal", p.StateDir))
	}
	if p.AdminSocket == p.Socket {
		k.add("plugin.admin_socket", p.AdminSocket, "must differ from socket")
	}
	if p.StateDir != p.MountDir && (below(p.Socket, p.MountDir) || below(p.AdminSocket, p.MountDir)) {
		k.add("plugin.mount_dir", p.MountDir, "must not contain a socket")
	}
	if len(p.Providers) == 0 {
		k.add("plugin.providers", p.Providers, "at least one is needed; allowed: \"cinder\" and \"manila\"")
	}
	for i, name := range p.Providers {
		switch {
		case name != "cinder" && name != "manila":
			k.add("plugin.providers", p.Providers, fmt.Sprintf("%q is no provider; allowed: \"cinder\" and \"manila\"%s", name, didYouMean(name, "cinder", "manila")))
		case slices.Contains(p.Providers[:i], name):
			k.add("plugin.providers", p.Providers, fmt.Sprintf("%q is given twice", name))
		}
	}
}

func (c Config) checkCloud(k *checker) {
	section := "cloud."
	if c.Cloud.Name != "default" {
		section += c.Cloud.Name + "."
	}
	if !namePattern(64).MatchString(c.Cloud.Name) {
		k.add(strings.TrimSuffix(section, "."), nil, "a cloud's name starts with a letter or digit, followed by up to 63 letters, digits, '_', '.' or '-'")
	}
	k.text(section+"cloud", c.Cloud.Cloud)
	k.text(section+"region", c.Cloud.Region)
	k.oneOf(section+"interface", c.Cloud.Interface, "", "public", "internal", "admin")
	for key, path := range map[string]string{"clouds_file": c.Cloud.CloudsFile, "ca_file": c.Cloud.CAFile, "cert_file": c.Cloud.CertFile, "key_file": c.Cloud.KeyFile} {
		if path != "" {
			k.path(section+key, path)
		}
	}
	if c.Cloud.CertFile == "" && c.Cloud.KeyFile != "" {
		k.add(section+"key_file", c.Cloud.KeyFile, "needs cert_file too")
	}
	if c.Cloud.KeyFile == "" && c.Cloud.CertFile != "" {
		k.add(section+"cert_file", c.Cloud.CertFile, "needs key_file too")
	}
	if c.Cloud.Insecure && c.Cloud.CAFile != "" {
		k.add(section+"insecure", true, "excludes ca_file: a certificate is either verified or not")
	}
}

func (c Config) checkCinder(k *checker) {
	s := c.Cinder
	k.oneOf("cinder.connector", s.Connector, "host", "nova")
	k.size("cinder.default_size", s.DefaultSize)
	k.oneOf("cinder.fstype", s.FSType, "ext4", "xfs", "btrfs")
	k.oneOf("cinder.multipath", s.Multipath, "off", "auto", "require")
	k.text("cinder.volume_type", s.VolumeType)
	k.text("cinder.availability_zone", s.Zone)
	k.within("cinder.linger", s.Linger, 0, 24*time.Hour)
	k.within("cinder.reservation_age", s.ReservationAge, time.Second, 24*time.Hour)
	if d := s.WaitForRelease; d.Duration < 0 || d.Duration >= 110*time.Second {
		k.add("cinder.wait_for_release", d, "must be from 0s to below 110s: Docker gives up a mount after 120s")
	}
	for i, name := range s.UnzeroedTypes {
		if name == "" || slices.Contains(s.UnzeroedTypes[:i], name) {
			k.add("cinder.unzeroed_types", s.UnzeroedTypes, "must be names of volume types, each once")
		}
	}
}

// checker collects problems.
type checker struct{ problems []Problem }

func (k *checker) add(key string, value any, text string) {
	shown := ""
	if value != nil {
		shown = display(value)
	}
	k.problems = append(k.problems, Problem{Key: key, Value: shown, Text: text})
}

func (k *checker) matches(key, value string, pattern *regexp.Regexp, rule string) {
	if !pattern.MatchString(value) {
		k.add(key, value, rule)
	}
}

func (k *checker) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	text := "allowed: " + quotedList(allowed)
	k.add(key, value, text+didYouMean(value, allowed...))
}

func didYouMean(value string, allowed ...string) string {
	if near := nearest(value, allowed); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func (k *checker) within(key string, d Duration, low, high time.Duration) {
	if d.Duration < low || d.Duration > high {
		k.add(key, d, fmt.Sprintf("must be from %s to %s", Duration{low}, Duration{high}))
	}
}

// text refuses what no name in a cloud looks like.
func (k *checker) text(key, value string) {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(value) > 255 || strings.TrimSpace(value) != value || strings.IndexFunc(value, odd) >= 0 {
		k.add(key, value, "must be printable, at most 255 bytes, without spaces at its ends")
	}
}

func (k *checker) path(key, value string) {
	if !filepath.IsAbs(value) || filepath.Clean(value) != value || value == "/" || strings.ContainsAny(value, "\x00\n") {
		k.add(key, value, "must be an absolute path without '..', '//' and a slash at its end")
	}
}

// socket checks what the kernel's sockaddr_un can hold.
func (k *checker) socket(key, value string) {
	k.path(key, value)
	if len(value) > 107 {
		k.add(key, value, fmt.Sprintf("a socket's path has at most 107 bytes, this one %d", len(value)))
	}
}

func below(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }

func namePattern(length int) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,%d}$`, length-1))
}
