//go:build e2e

package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/trace"
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
c = connector.InitiatorConnector.factory("ISCSI", None, use_multipath=multipath, device_scan_attempts=5)
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
	r := &raw{s: s, n: n}
	var made struct{ Volume volume }
	if err := s.cloud.ask("POST", "/volumes", map[string]any{"volume": map[string]any{"name": s.name(what), "size": 1, "volume_type": "lvm"}}, &made); err != nil {
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
	err := s.cloud.ask("POST", "/attachments", map[string]any{"attachment": map[string]any{"volume_uuid": r.id, "connector": map[string]any{
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
		if err := r.s.cloud.ask("DELETE", "/attachments/"+r.attached, nil, nil); err != nil {
			r.s.t.Error(err)
		}
	}
	eventually(r.s.t, time.Minute, func() string {
		err := r.s.cloud.ask("DELETE", "/volumes/"+r.id, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "404") {
			return fmt.Sprintf("volume %s is still there: %v", r.id, err)
		}
		return ""
	})
}

// against compares connecting and disconnecting with the library, on one path
// or on two.
func (s *scene) against(n *node, name string, multipath bool, rounds int) {
	s.t.Helper()
	paths, setting, wantConnect, wantDisconnect := "one path", `multipath = "off"`, 6.0, 4.0
	if multipath {
		paths, setting, wantConnect, wantDisconnect = "two paths", `multipath = "require"`, 1.5, 1.5
	}
	var theirs, ours [2][]time.Duration
	r := s.newRaw(n, "brick"+strings.Fields(paths)[0], multipath)
	for range rounds {
		took, _ := r.brick("both", multipath)
		theirs[0], theirs[1] = append(theirs[0], took["connect"]), append(theirs[1], took["disconnect"])
	}
	lines := s.traced(n, settings{"cinder": {setting, `linger = "200ms"`}}, func() {
		for range rounds {
			s.coldMount(n, name)
		}
	})
	ours[0], ours[1] = connects(lines), disconnects(lines)
	for i, what := range []string{"connecting", "disconnecting"} {
		want := []float64{wantConnect, wantDisconnect}[i]
		if len(ours[i]) != rounds {
			s.t.Fatalf("%s on %s: the trace shows %d, there were %d", what, paths, len(ours[i]), rounds)
		}
		mine, other := median(ours[i]), median(theirs[i])
		ratio := other.Seconds() / mine.Seconds()
		s.target(fmt.Sprintf("%s on %s: os-brick / fuxi", what, paths), fmt.Sprintf("%.1f×", ratio), fmt.Sprintf("≥ %.1f×", want), ratio >= want,
			fmt.Sprintf("%s against %s, medians of %d", other.Round(time.Millisecond), mine.Round(time.Millisecond), rounds))
	}
}

// connects are the times between the cloud's answer with the connection and the
// word to the cloud that the host is connected: all that the connector does,
// and the journal.
func connects(lines []trace.Line) []time.Duration {
	var out []time.Duration
	var since time.Duration
	for _, l := range byBegin(lines) {
		switch {
		case l.Kind == trace.Cloud && strings.HasPrefix(l.What, "PUT ") && strings.Contains(l.What, "/attachments/"):
			since = l.Begin + l.Took
		case l.Kind == trace.Cloud && strings.HasPrefix(l.What, "POST ") && strings.HasSuffix(l.What, "/action") && since > 0:
			out, since = append(out, l.Begin-since), 0
		}
	}
	return out
}

// disconnects are the times from the journal's word that the volume is being
// given back to the request that tells the cloud.
func disconnects(lines []trace.Line) []time.Duration {
	var out []time.Duration
	var announced, since time.Duration
	unmounted := false
	for _, l := range byBegin(lines) {
		switch {
		case l.Kind == trace.Host && strings.HasPrefix(l.What, "umount2 "):
			unmounted, since = true, 0
		case l.Kind == trace.Journal:
			announced = l.Begin
		case l.Kind == trace.Host && unmounted && since == 0:
			since = announced
		case l.Kind == trace.Cloud && strings.HasPrefix(l.What, "DELETE ") && strings.Contains(l.What, "/attachments/") && since > 0:
			out, unmounted = append(out, l.Begin-since), false
		}
	}
	return out
}

func byBegin(lines []trace.Line) []trace.Line {
	return slices.SortedFunc(slices.Values(lines), func(a, b trace.Line) int { return int(a.Begin - b.Begin) })
}

// throughput compares reading and writing in a container with the bare device
// of another volume, on the same storage, in turns.
func (s *scene) throughput(n *node, name string) {
	s.t.Helper()
	r := s.newRaw(n, "bare", false)
	_, device := r.brick("connect", false)
	defer r.brick("disconnect", false)
	bare := []string{"fio", "--filename=" + device}
	inside := []string{"docker", "run", "--rm", "--network", "none", "-v", "/:/host", "-v", name + ":/host/mnt", image, "chroot", "/host", "fio", "--filename=/mnt/fio"}
	kinds := []struct{ what, rw, block, depth string }{
		{"writing in sequence", "write", "1M", "4"}, {"reading in sequence", "read", "1M", "4"},
		{"writing at random", "randwrite", "4k", "8"}, {"reading at random", "randread", "4k", "8"},
	}
	run := func(where []string, rw, block, depth string, more ...string) float64 {
		s.t.Helper()
		args := append(append([]string{}, where...), "--name=x", "--rw="+rw, "--bs="+block, "--iodepth="+depth, "--ioengine=libaio", "--direct=1", "--size=256M", "--output-format=json")
		out := n.sh(append(args, more...)...)
		var result struct {
			Jobs []struct{ Read, Write struct{ BW float64 } }
		}
		if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &result); err != nil || len(result.Jobs) != 1 {
			s.t.Fatalf("fio: %v in %s", err, out)
		}
		return (result.Jobs[0].Read.BW + result.Jobs[0].Write.BW) / 1024
	}
	seconds, rounds := "2", 1
	if s.full {
		seconds, rounds = "5", 3
	}
	for _, where := range [][]string{bare, inside} { // so that every block is there
		run(where, "write", "1M", "4")
	}
	for _, k := range kinds {
		var on, in []float64
		for range rounds {
			on = append(on, run(bare, k.rw, k.block, k.depth, "--time_based", "--runtime="+seconds))
			in = append(in, run(inside, k.rw, k.block, k.depth, "--time_based", "--runtime="+seconds))
		}
		slices.Sort(on)
		slices.Sort(in)
		ratio := in[rounds/2] / on[rounds/2]
		s.target(k.what+": container / bare device", fmt.Sprintf("%.2f", ratio), "1.00, noise aside", ratio >= 0.9,
			fmt.Sprintf("%.1f against %.1f MiB/s, medians of %d; bare alone from %.1f to %.1f", in[rounds/2], on[rounds/2], rounds, on[0], on[rounds-1]))
	}
}
