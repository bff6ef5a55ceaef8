package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// hostFile remembers, in the state directory, who used it last.
const hostFile = "host"

// lastHost is the content of hostFile.
type lastHost struct {
	MachineID string `json:"machine_id"`
	Host      string `json:"host"`
	Initiator string `json:"initiator"` // iSCSI name, "" when it had none
}

// recognise compares this host with the one that used the state directory last.
// A machine image that was cloned with it brings the original's iSCSI name
// along, and two hosts of one name are one host to a storage array: it would
// give the clone the original's disks, and a login of one ends the other's
// session. Such a clone is told, and does not show that name to the cloud until
// it has one of its own (or, if it was only renamed, its old host name back).
func (s *Service) recognise() error {
	path := filepath.Join(s.cfg.StateDir, hostFile)
	initiator, _ := s.cfg.Host.Properties["initiator"].(string)
	now := lastHost{MachineID: s.origin().MachineID, Host: s.origin().Host, Initiator: initiator}
	var last lastHost
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Errorf(ErrUnavailable, "%s cannot be read: %w", path, err)
	case json.Unmarshal(data, &last) != nil:
		s.events.add("", "%s is damaged; it is written anew", path)
	}
	other := last != (lastHost{}) && (last.MachineID != now.MachineID || last.Host != now.Host)
	if other && last.Initiator != "" && last.Initiator == now.Initiator {
		s.twin = fmt.Sprintf("this host has the iSCSI name %s of host %s (machine %s), whose state directory %s was: write a new name into /etc/iscsi/initiatorname.iscsi (iscsi-iname makes one), restart iscsid and fuxi; if this is the same host under another name, set [host] name = %q",
			now.Initiator, last.Host, last.MachineID, s.cfg.StateDir, last.Host)
		s.events.add("", "%s", s.twin)
		return nil
	}
	if now == last {
		return nil
	}
	data, err = json.Marshal(now)
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return Errorf(ErrUnavailable, "%s cannot be written: %w", path, err)
	}
	return nil
}

// identity is what the cloud is told about this host now.
func (s *Service) identity(ctx context.Context, b *storage) (HostIdentity, error) {
	me := s.cfg.Host
	me.Properties = maps.Clone(me.Properties)
	if me.Properties == nil {
		me.Properties = map[string]any{}
	}
	if b.Describe != nil {
		more, err := b.Describe(ctx)
		if err != nil {
			return me, err
		}
		maps.Copy(me.Properties, more)
	}
	if s.twin != "" {
		delete(me.Properties, "initiator")
	}
	return me, nil
}
