package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/trace"
)

// mounts measures a daemon that has little to remember and much to do.
func (b *bench) mounts(t rig.T) {
	cloud := rig.NewProgram(t)
	d := rig.NewDaemon(t, cloud, "bench", rig.Settings{
		"plugin": {`refresh = "1h"`}, "cinder": {`linger = "0s"`}, "log": {`format = "json"`},
	})
	d.Start()
	m := &mounter{t: t, d: d, cloud: cloud}
	b.calls(m)
	b.cold(m)
	b.atOnce(m)
	b.throughput(m)
	d.Stop()
}

// mounter does what Docker does with volumes.
type mounter struct {
	t     rig.T
	d     *rig.Daemon
	cloud *rig.Cloud
}

func (m *mounter) create(name string) {
	m.t.Helper()
	if err := m.d.Create(name, map[string]string{"size": "1"}); err != nil {
		m.t.Fatalf("create %s: %v", name, err)
	}
}

// mount returns the path and how long the answer took.
func (m *mounter) mount(name string) (string, time.Duration) {
	m.t.Helper()
	begin := time.Now()
	path, err := m.d.Mount(name, "bench")
	took := time.Since(begin)
	if err != nil {
		m.t.Fatalf("mount %s: %v", name, err)
	}
	return path, took
}

// detach unmounts and waits until the volume is given back.
func (m *mounter) detach(name string) {
	m.t.Helper()
	if err := m.d.Unmount(name, "bench"); err != nil {
		m.t.Fatalf("unmount %s: %v", name, err)
	}
	rig.Eventually(m.t, 30*time.Second, func() string {
		v, err := m.d.Get(name)
		if err != nil {
			m.t.Fatalf("get %s: %v", name, err)
		}
		status, _ := v["Status"].(map[string]any)
		if step, _ := status["step"].(string); step != "" {
			return name + " is still at step " + step
		}
		return ""
	})
}

func (m *mounter) remove(name string) {
	m.t.Helper()
	if err := m.d.Remove(name); err != nil {
		m.t.Fatalf("remove %s: %v", name, err)
	}
}

// flight is what the daemon says about one mount: its own time and its steps.
type flight struct {
	own, total time.Duration
	steps      []trace.Step // What, Kind and Took
}

// flights reads all "mount steps" lines of a volume from the daemon's log.
func (m *mounter) flights(name string) []flight {
	var out []flight
	for line := range strings.Lines(m.d.Log()) {
		var l struct{ Msg, Volume, Steps string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "mount steps" && l.Volume == name {
			out = append(out, parseSteps(l.Steps))
		}
	}
	return out
}

// lastFlight waits for the line of the mount that was just answered.
func (m *mounter) lastFlight(name string, nth int) flight {
	m.t.Helper()
	var all []flight
	rig.Eventually(m.t, 5*time.Second, func() string {
		if all = m.flights(name); len(all) < nth {
			return fmt.Sprintf("the log tells of %d mounts of %s, not of %d", len(all), name, nth)
		}
		return ""
	})
	return all[nth-1]
}

// parseSteps reads what trace.Steps.Summary wrote.
func parseSteps(text string) flight {
	var f flight
	for _, m := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllStringSubmatch(text, 2) {
		d, _ := time.ParseDuration(m[2])
		if m[1] == "own" {
			f.own = d
		} else {
			f.total = d
		}
	}
	for _, m := range regexp.MustCompile(`(\w+):"((?:[^"\\]|\\.)*)"=(\S+)`).FindAllStringSubmatch(text, -1) {
		d, _ := time.ParseDuration(m[3])
		f.steps = append(f.steps, trace.Step{Kind: trace.Kind(m[1]), What: m[2], Took: d})
	}
	return f
}

// of returns how long the steps of a kind took.
func (f flight) of(kind trace.Kind) (each []time.Duration, sum time.Duration) {
	for _, s := range f.steps {
		if s.Kind == kind {
			each = append(each, s.Took)
			sum += s.Took
		}
	}
	return each, sum
}

// named lists the steps of a kind by their first words.
func (f flight) named(kind trace.Kind) []string {
	var names []string
	for _, s := range f.steps {
		if s.Kind == kind {
			word, _, _ := strings.Cut(s.What, " ")
			names = append(names, fmt.Sprintf("%s %s", word, short(s.Took)))
		}
	}
	return names
}
