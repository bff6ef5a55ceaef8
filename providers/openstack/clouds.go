package openstack

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/utils/v2/openstack/clientconfig"
	"gopkg.in/yaml.v3"
)

// cloudsFile is one reading of clouds.yaml and the secure.yaml beside it, so
// that everything taken from them belongs together.
type cloudsFile struct {
	path, securePath string
	clouds, secure   map[string]clientconfig.Cloud
}

// readClouds reads the given clouds.yaml, or searches for one when path is "".
func readClouds(path string) (*cloudsFile, error) {
	var content []byte
	var err error
	if path == "" {
		path, content, err = clientconfig.FindAndReadCloudsYAML()
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	f := &cloudsFile{path: path, securePath: filepath.Join(filepath.Dir(path), "secure.yaml")}
	if f.clouds, err = parseClouds(path, content); err != nil {
		return nil, err
	}
	content, err = os.ReadFile(f.securePath)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		f.secure, err = parseClouds(f.securePath, content)
	}
	return f, err
}

func parseClouds(path string, content []byte) (map[string]clientconfig.Cloud, error) {
	var all clientconfig.Clouds
	if err := yaml.Unmarshal(content, &all); err != nil {
		return nil, errors.New(path + ": " + withoutValues(err))
	}
	return all.Clouds, nil
}

// withoutValues drops what a YAML error quotes: the parser shows the value it
// did not expect, and in this file that may be a password.
func withoutValues(err error) string {
	return regexp.MustCompile("`[^`]*`").ReplaceAllString(err.Error(), "a value")
}

// choose returns the entry's name: the wanted one, or the only one.
func (f *cloudsFile) choose(cfg Config) (string, error) {
	names := make([]string, 0, len(f.clouds))
	for name := range f.clouds {
		names = append(names, name)
	}
	slices.Sort(names)
	if _, ok := f.clouds[cfg.Cloud]; ok {
		return cfg.Cloud, nil
	}
	if cfg.Cloud == "" && len(names) == 1 {
		return names[0], nil
	}
	has := "it has none"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	if cfg.Cloud == "" {
		return "", cfg.invalid("%s has several clouds and none is named: set cloud; %s", f.path, has)
	}
	return "", cfg.invalid("%s has no cloud %q; %s%s", f.path, cfg.Cloud, has, Suggest(cfg.Cloud, names))
}

// LoadCloudsYAML implements clientconfig.YAMLOptsBuilder.
func (f *cloudsFile) LoadCloudsYAML() (map[string]clientconfig.Cloud, error) {
	return f.clouds, nil
}

// LoadSecureCloudsYAML implements clientconfig.YAMLOptsBuilder.
func (f *cloudsFile) LoadSecureCloudsYAML() (map[string]clientconfig.Cloud, error) {
	return f.secure, nil
}

// LoadPublicCloudsYAML implements clientconfig.YAMLOptsBuilder; profiles are
// looked for where OpenStack's own client does.
func (f *cloudsFile) LoadPublicCloudsYAML() (map[string]clientconfig.Cloud, error) {
	return clientconfig.LoadPublicCloudsYAML()
}
