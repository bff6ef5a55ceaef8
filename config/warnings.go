package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// Warnings lists what works but should not stay, one sentence each. It looks at
// the files that hold secrets.
func (c Config) Warnings() []string {
	var warnings []string
	files := []string{c.Cloud.KeyFile}
	if c.Cloud.CloudsFile != "" {
		files = append(files, c.Cloud.CloudsFile, filepath.Join(filepath.Dir(c.Cloud.CloudsFile), "secure.yaml"))
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
			warnings = append(warnings, fmt.Sprintf("%s holds secrets and every user of this host may read or change it (mode %04o): chmod o= %s", path, info.Mode().Perm(), path))
		}
	}
	if c.Cloud.Insecure {
		warnings = append(warnings, "insecure = true: the cloud's certificate is not verified, and anybody on the way can take the password; ca_file is the remedy")
	}
	if want := c.Plugin.Name + ".sock"; filepath.Dir(c.Plugin.Socket) == "/run/docker/plugins" && filepath.Base(c.Plugin.Socket) != want {
		warnings = append(warnings, fmt.Sprintf("Docker names a driver after its socket: with socket %s the driver is not called %s", c.Plugin.Socket, c.Plugin.Name))
	}
	return warnings
}
