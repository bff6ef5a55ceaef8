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

// way is one of the ways to a volume on which fuxi is compared with the library,
// and how many times faster it should be at least.
type way struct {
	name                string
	on                  storage
	multipath           bool
	settings            settings
	connect, disconnect float64
}

// against compares connecting and disconnecting with the library, on one path
// or on two.
func (s *scene) against(n *node, name string, multipath bool, rounds int) {
	s.t.Helper()
	w := way{"one path", lvm(), false, settings{"cinder": {`multipath = "off"`, `linger = "200ms"`}}, 6, 4}
	if multipath {
		w = way{"two paths", lvm(), true, settings{"cinder": {`multipath = "require"`, `linger = "200ms"`}}, 1.5, 1.5}
	}
	s.compare(n, name, w, rounds)
}

func (s *scene) compare(n *node, name string, w way, rounds int) {
	s.t.Helper()
	var theirs, ours [2][]time.Duration
	r := s.newRawOn(n, "brick"+strings.Fields(w.name)[0], w.on, w.multipath)
	for range rounds {
		took, _ := r.brick("both", w.multipath)
		theirs[0], theirs[1] = append(theirs[0], took["connect"]), append(theirs[1], took["disconnect"])
	}
	lines := s.traced(n, w.settings, func() {
		for range rounds {
			s.coldMount(n, name)
		}
	})
	ours[0], ours[1] = connects(lines), disconnects(lines)
	for i, what := range []string{"connecting", "disconnecting"} {
		want := []float64{w.connect, w.disconnect}[i]
		if len(ours[i]) != rounds {
			s.t.Fatalf("%s on %s: the trace shows %d, there were %d", what, w.name, len(ours[i]), rounds)
		}
		mine, other := median(ours[i]), median(theirs[i])
		ratio := other.Seconds() / mine.Seconds()
		s.target(fmt.Sprintf("%s on %s: os-brick / fuxi", what, w.name), fmt.Sprintf("%.1f×", ratio), fmt.Sprintf("≥ %.1f×", want), ratio >= want,
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
