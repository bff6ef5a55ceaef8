package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.toml")
	text := `
[plugin]
state_dir = "/srv/fuxi"
refresh = "2m"
[cloud.prod]
cloud = "openstack"
insecure = true
[cinder]
default_size = 5
linger = 0
unzeroed_types = ["lvm", "raw"]
[host]
ip = "fd00::1"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	want := Default()
	want.Plugin.StateDir, want.Plugin.MountDir, want.Plugin.AdminSocket = "/srv/fuxi", "/srv/fuxi/mounts", "/srv/fuxi/admin.sock"
	want.Plugin.Refresh = Duration{2 * time.Minute}
	want.Cloud = Cloud{Name: "prod", Cloud: "openstack", CloudsFile: "/etc/openstack/clouds.yaml", Insecure: true}
	want.Cinder.DefaultSize, want.Cinder.Linger, want.Cinder.UnzeroedTypes = 5, Duration{}, []string{"lvm", "raw"}
	want.Host.IP = "fd00::1"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestLoadMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.toml")
	_, err := Load(path)
	want := `there is no configuration file ` + path + `: make one with "fuxi config sample > ` + path + `" and set its [cloud] section (file does not exist)`
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "the configuration cannot be read: ") {
		t.Errorf("a directory: %v", err)
	}
}

func TestDecodeProblems(t *testing.T) {
	for text, want := range map[string]string{
		"a = ":                              `f.toml:1: not TOML: unexpected EOF; expected value`,
		"a = 1":                             `f.toml:1: a: unknown section; the sections are [ceph], [cinder], [cloud], [host], [log], [manila], [nova], [plugin]`,
		"[plugins]\nname = \"x\"":           `f.toml:1: plugins: unknown section; did you mean [plugin]?`,
		"linger = \"1s\"":                   `f.toml:1: linger: unknown; it belongs into a section, as cinder.linger`,
		"plugin = 1":                        `f.toml:1: plugin = 1: must be a section: [plugin]`,
		"[[plugin]]":                        `f.toml:1: plugin = {…}: must be a section: [plugin]`,
		"[plugin]\n\nnam = \"x\"":           `f.toml:3: plugin.nam: unknown; did you mean name?`,
		"[plugin]\nName = \"x\"":            `f.toml:2: plugin.Name: unknown; did you mean name?`,
		"[plugin]\nlinger = \"1s\"":         `f.toml:2: plugin.linger: unknown; did you mean cinder.linger?`,
		"[plugin]\nvolume_from = \"x\"":     `f.toml:2: plugin.volume_from: unknown; did you mean plugin.cluster?`,
		"[log]\ncolour = true":              `f.toml:2: log.colour: unknown; the keys of [log] are format, level`,
		"[cloud]\npassword = \"secret\"":    `f.toml:2: cloud.password: unknown; credentials belong into clouds.yaml (clouds_file) or the OS_* variables`,
		"[plugin]\nname = 5":                `f.toml:2: plugin.name = 5: must be a text in quotes`,
		"[plugin]\nproviders = \"cinder\"":  `f.toml:2: plugin.providers = "cinder": must be a list of texts, such as ["a", "b"]`,
		"[plugin]\nproviders = [1]":         `f.toml:2: plugin.providers = [1]: must be a list of texts, such as ["a", "b"]`,
		"[plugin]\nrefresh = 10":            `f.toml:2: plugin.refresh = 10: a time needs a unit, such as "10s" or "3m"`,
		"[plugin]\nrefresh = \"10\"":        `f.toml:2: plugin.refresh = "10": a time needs a unit, such as "10s" or "3m"`,
		"[plugin]\nrefresh = \"1d\"":        `f.toml:2: plugin.refresh = "1d": must be a time such as "500ms", "10s", "3m" or "1h"`,
		"[plugin]\nrefresh = true":          `f.toml:2: plugin.refresh = true: must be a time such as "500ms", "10s", "3m" or "1h"`,
		"[plugin]\nrefresh = \"2h\"":        `f.toml:2: plugin.refresh = "2h": must be from 1s to 1h`,
		"[cinder]\ndefault_size = \"1\"":    `f.toml:2: cinder.default_size = "1": must be a whole number, without quotes and unit`,
		"[cinder]\ndefault_size = 1.5":      `f.toml:2: cinder.default_size = 1.5: must be a whole number, without quotes and unit`,
		"[cloud]\ninsecure = \"yes\"":       `f.toml:2: cloud.insecure = "yes": must be true or false, without quotes`,
		"[cloud.a]\n[cloud.b]":              `f.toml:2: cloud.b: only one cloud is supported yet, and [cloud.a] is there already`,
		"[cloud]\ncloud=\"x\"\n[cloud.a]":   `f.toml:1: cloud: keys of [cloud] and a section [cloud.a] exclude each other: put the keys into the section`,
		"[cloud.a]\nregio = \"x\"":          `f.toml:2: cloud.a.regio: unknown; did you mean region?`,
		"[cloud.'a b']\n":                   `f.toml:1: cloud.a b: a cloud's name starts with a letter or digit, followed by up to 63 letters, digits, '_', '.' or '-'`,
		"[cloud.a]\nca_file = \"ca.pem\"":   `f.toml:2: cloud.a.ca_file = "ca.pem": must be an absolute path without '..', '//' and a slash at its end`,
		"plugin.socket = \"x.sock\"":        `f.toml:1: plugin.socket = "x.sock": must be an absolute path without '..', '//' and a slash at its end`,
		"\nplugin = {name = \"a/b\"}":       `f.toml:2: plugin.name = "a/b": a name starts with a letter or digit, followed by up to 63 letters, digits, '_', '.' or '-'`,
		"[plugin]\nstate_dir = \"/run/x/\"": `f.toml:2: plugin.state_dir = "/run/x/": must be an absolute path without '..', '//' and a slash at its end`,
		"[log]\nlevel = \"wran\"\nformat=1": "f.toml:2: log.level = \"wran\": allowed: \"debug\", \"info\", \"warn\", \"error\"; did you mean \"warn\"?\n" +
			"f.toml:3: log.format = 1: must be a text in quotes",
	} {
		_, err := decode("f.toml", text)
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
			continue
		}
		if p, ok := errors.AsType[Problem](err); !ok || p.File != "f.toml" {
			t.Errorf("%s: no Problem in %#v", text, err)
		}
	}
}

func TestLineOf(t *testing.T) {
	text := `# plugin.name = "no"
top.inner = 1

[ plugin ]  # comment
"name" = "x"
note = """
name = "not here"
[cinder]
"""
list = [
  "x=1",
]
refresh = "1s"
[cloud."prod"]
region = 'a'
[cinder]
x = "#" # """ is not open here
name = 1
inline = { a = 1 }
`
	for key, want := range map[string]int{
		"top.inner": 2, "plugin": 4, "plugin.name": 5, "plugin.refresh": 13, "cloud.prod": 14, "cloud.prod.region": 15,
		"cinder": 16, "cinder.name": 18, "cinder.inline.a": 19, "cinder.absent": 16, "nowhere": 0,
	} {
		if got := lineOf(text, key); got != want {
			t.Errorf("%s is in line %d, want %d", key, got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Sample())
	f.Add("[cloud.a]\ncloud = 1\n[cloud.b]\n[[plugin]]\n")
	f.Add("plugin = {refresh = 1e9, providers = [[]]}\ncloud.interface.x = 2026-01-01\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decode("f.toml", text)
		if err == nil {
			if err := c.Check(); err != nil {
				t.Fatalf("what loads must pass Check: %v", err)
			}
			return
		}
		if !reflect.DeepEqual(c, Config{}) {
			t.Fatalf("an error came with %+v", c)
		}
		if _, ok := errors.AsType[Problem](err); !ok {
			t.Fatalf("no Problem in %#v", err)
		}
	})
}
