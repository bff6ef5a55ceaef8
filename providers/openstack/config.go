// Package openstack is the way to one OpenStack cloud: credentials, one token
// shared by all callers, HTTP with limits, errors as fuxi's six kinds, and
// retries. It knows no service in detail; waiting for a state is package
// volume's, which knows what else has to be looked at meanwhile.
package openstack

import (
	"cmp"
	"os"
	"time"

	"github.com/openstack/fuxi/volume"
)

// Config says which cloud to talk to. Fields that are set win over the same
// setting of clouds.yaml or of the environment.
type Config struct {
	// Name of the [cloud.NAME] section; it appears in every message.
	Name string
	// Cloud is an entry of clouds.yaml. When it is "": the only entry of
	// CloudsFile if that is set, else the entry named by OS_CLOUD, else the
	// credentials in the OS_* variables.
	Cloud string
	// CloudsFile is a clouds.yaml; secure.yaml beside it is merged. "" searches
	// OS_CLIENT_CONFIG_FILE, the working directory, ~/.config/openstack and
	// /etc/openstack.
	CloudsFile string
	Region     string // "" takes the cloud's own
	Interface  string // public (default), internal or admin endpoints
	// CACert, ClientCert and ClientKey are paths of PEM files. A relative path
	// is looked for beside clouds.yaml first, then in the working directory.
	CACert, ClientCert, ClientKey string
	Insecure                      bool // does not verify the cloud's certificate
	// Timeout bounds the wait for one answer; 0 is 90 s. Cinder itself gives up
	// on its storage after 60 s (rpc_response_timeout), and its answer, which
	// says what happened, must come before ours, which cannot.
	Timeout time.Duration
}

const defaultTimeout = 90 * time.Second

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Cloud == "" && c.CloudsFile == "" {
		c.Cloud = os.Getenv("OS_CLOUD")
	}
	return c
}

// invalid is a mistake in the settings of this cloud.
func (c Config) invalid(format string, args ...any) error {
	err := volume.Errorf(volume.ErrInvalid, format, args...)
	err.Text = "cloud " + quoted(c.Name) + ": " + err.Text
	return err
}
