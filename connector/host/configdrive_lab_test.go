//go:build lab

package host_test

import (
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
)

func TestConfigDrive(t *testing.T) {
	for name, test := range map[string]struct {
		content []byte
		want    string
		says    string
	}{
		"iso9660":      {content: isoImage("config-2", []byte(`{"uuid": "`+serverID+`", "name": "vm"}`)), want: serverID},
		"upper case":   {content: isoImage("CONFIG-2", []byte(`{"uuid": "`+serverID+`"}`)), want: serverID},
		"another disc": {content: isoImage("cidata", []byte(`{"uuid": "`+serverID+`"}`))},
		"no uuid":      {content: isoImage("config-2", []byte(`{"name": "vm"}`)), says: "no uuid"},
		"no JSON":      {content: isoImage("config-2", []byte(`#cloud-config`)), says: "meta_data.json"},
	} {
		t.Run(name, func(t *testing.T) {
			m := plugged(t, test.content)
			id, err := m.Host.ConfigDriveInstance(hosttest.Context(t))
			if id != test.want || test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%q, %v; want %q, saying %q", id, err, test.want, test.says)
			}
		})
	}
}
