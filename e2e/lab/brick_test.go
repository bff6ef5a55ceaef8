//go:build e2e

package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// brick connects and disconnects with OpenStack's own library, in one process,
// without its start and without rootwrap: the best that it can do.
const brick = `import json, sys, time
from os_brick import privileged
from os_brick.initiator import connector
privileged.default.set_client_mode(False)
from oslo_concurrency import lockutils
lockutils.set_defaults("/run/lock")
what, path, multipath = sys.argv[1], sys.argv[2], sys.argv[3] == "true"
data = json.load(open(path))
kind = data.get("driver_volume_type", "iscsi").upper()
c = connector.InitiatorConnector.factory(kind, None, use_multipath=multipath, device_scan_attempts=5, do_local_attach=True)
kept = path + ".device"
if what != "disconnect":
    began = time.monotonic()
    device = c.connect_volume(data)
    took = time.monotonic() - began
    device = {k: v for k, v in device.items() if isinstance(v, str)}
    json.dump(device, open(kept, "w"))
    print("connect", took, device["path"])
if what != "connect":
    began = time.monotonic()
    c.disconnect_volume(data, json.load(open(kept)))
    print("disconnect", time.monotonic() - began, "-")
`

// raw is a volume that fuxi knows nothing of, handed out to a host.
type raw struct {
	s            *scene
	n            *node
	id, attached string
	file         string // the connection, on the host
}

// newRaw makes a volume and exposes it to a host, as the administrator. It goes
// with the test.
func (s *scene) newRaw(n *node, what string, multipath bool) *raw {
	s.t.Helper()
	return s.newRawOn(n, what, lvm(), multipath)
}

func (s *scene) newRawOn(n *node, what string, st storage, multipath bool) *raw {
	s.t.Helper()
	r := &raw{s: s, n: n}
	var made struct{ Volume volume }
	if err := s.cloud.ask(cinder, "POST", "/volumes", map[string]any{"volume": map[string]any{"name": s.name(what), "size": 1, "volume_type": st.kind}}, &made); err != nil {
		s.t.Fatal(err)
	}
	r.id = made.Volume.ID
	s.t.Cleanup(r.remove)
	s.released(s.name(what), time.Minute)
	initiator := n.sh(`. /etc/iscsi/initiatorname.iscsi && echo $InitiatorName`)
	address := n.sh(`hostname -I | tr ' ' '\n' | grep '^10\.77\.0\.'`)
	var got struct {
		Attachment struct {
			ID         string         `json:"id"`
			Connection map[string]any `json:"connection_info"`
		}
	}
	err := s.cloud.ask(cinder, "POST", "/attachments", map[string]any{"attachment": map[string]any{"volume_uuid": r.id, "connector": map[string]any{
		"initiator": initiator, "ip": address, "host": n.name, "os_type": "linux", "platform": "x86_64", "multipath": multipath,
	}}}, &got)
	if err != nil {
		s.t.Fatal(err)
	}
	r.attached, r.file = got.Attachment.ID, "/run/"+r.id+".json"
	data, _ := json.Marshal(got.Attachment.Connection)
	n.write(r.file, string(data), 0o600)
	n.write("/run/brick.py", brick, 0o644)
	return r
}

// brick runs the library and returns the times that it took by their names, and
// the device.
func (r *raw) brick(what string, multipath bool) (map[string]time.Duration, string) {
	r.s.t.Helper()
	took, device := map[string]time.Duration{}, ""
	for line := range strings.Lines(r.n.sh("python3", "/run/brick.py", what, r.file, fmt.Sprint(multipath))) {
		var name, path string
		var seconds float64
		if _, err := fmt.Sscan(line, &name, &seconds, &path); err != nil {
			continue // the library warns of this and that
		}
		if took[name] = time.Duration(seconds * float64(time.Second)); name == "connect" {
			device = path
		}
	}
	return took, device
}

func (r *raw) remove() {
	if r.attached != "" {
		if err := r.s.cloud.ask(cinder, "DELETE", "/attachments/"+r.attached, nil, nil); err != nil {
			r.s.t.Error(err)
		}
	}
	eventually(r.s.t, time.Minute, func() string {
		err := r.s.cloud.ask(cinder, "DELETE", "/volumes/"+r.id, nil, nil)
		if !gone(err) {
			return fmt.Sprintf("volume %s is still there: %v", r.id, err)
		}
		return ""
	})
}
