package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unknownSection explains a section that does not exist.
func unknownSection(name string, sections map[string]any) string {
	names := slices.Sorted(maps.Keys(sections))
	if key := keyElsewhere(name); key != "" {
		return fmt.Sprintf("unknown; it belongs into a section, as %s", key)
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("unknown section; did you mean [%s]?", near)
	}
	return fmt.Sprintf("unknown section; the sections are [%s]", strings.Join(names, "], ["))
}

// unknownKey explains a key that its section does not have. The value is never
// shown: a password may have been put here.
func unknownKey(section, key string, fields map[string]any) string {
	names := slices.Sorted(maps.Keys(fields))
	switch {
	case credentialKey(key):
		return "unknown; credentials belong into clouds.yaml (clouds_file) or the OS_* variables"
	case nearest(key, names) != "":
		return fmt.Sprintf("unknown; did you mean %s?", nearest(key, names))
	case keyElsewhere(key) != "":
		return fmt.Sprintf("unknown; did you mean %s?", keyElsewhere(key))
	}
	return fmt.Sprintf("unknown; the keys of [%s] are %s", section, strings.Join(names, ", "))
}

// credentialKey tells whether a key is one of clouds.yaml's auth section.
func credentialKey(key string) bool {
	return slices.Contains([]string{
		"auth", "auth_url", "auth_type", "username", "user_id", "password", "token", "project_name", "project_id", "user_domain_name", "project_domain_name",
		"application_credential_id", "application_credential_name", "application_credential_secret",
	}, key)
}

// keyElsewhere names the section and key for one that was put in the wrong
// place or that the first fuxi called otherwise.
func keyElsewhere(key string) string {
	was := map[string]string{
		"my_ip": "host.ip", "volume_dir": "plugin.mount_dir", "volume_providers": "plugin.providers", "volume_from": "plugin.cluster",
		"default_volume_size": "cinder.default_size", "volume_connector": "cinder.connector", "region_name": "cloud.region",
		"cafile": "cloud.ca_file", "certfile": "cloud.cert_file", "keyfile": "cloud.key_file", "debug": "log.level",
	}
	if now := was[key]; now != "" {
		return now
	}
	c := Default()
	for _, section := range []string{"plugin", "cloud", "cinder", "host", "log"} {
		if _, ok := settings(settings(&c)[section])[key]; ok {
			return section + "." + key
		}
	}
	return ""
}
