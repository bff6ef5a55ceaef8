//go:build e2e

package lab

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/trace"
)

// speed measures in one run what fuxi adds to the cloud's and the kernel's
// time, and compares it with what OpenStack's own library takes for the same
// connections on the same host.
func speed(s *scene) {
	n := s.nodes[0]
	rounds := 1
	if s.full {
		rounds = 5
	}
	name := s.name("cold")
	n.docker("volume", "create", "-d", "fuxi", name)
	s.coldMount(n, name) // makes the filesystem
	s.ownTime(n, name, max(rounds, 3), 12)
	s.traceIsTrue(n, name)
	s.against(n, name, false, rounds)
	s.against(n, name, true, rounds)
	if !s.full {
		return
	}
	s.with(settings{"cinder": {`multipath = "off"`}}) // as the bare device has one path
	s.throughput(n, name)
}

// coldMount attaches, mounts, unmounts and detaches once.
func (s *scene) coldMount(n *node, name string) {
	s.t.Helper()
	n.docker("run", "--rm", "--network", "none", "-v", name+":/vol", image, "true")
	s.released(name, time.Minute)
}

// traced runs fuxi with a fresh trace and these settings for as long as the
// function takes, and returns the crossings with waits.
func (s *scene) traced(n *node, changed settings, act func()) []trace.Line {
	s.t.Helper()
	n.stop()
	n.configure(changed)
	n.sh("rm", "-f", traceFile)
	n.launch("FUXI_TRACE=" + traceFile)
	n.answers(30 * time.Second)
	act()
	n.stop()
	n.configure(settings{})
	n.start()
	var all []trace.Line
	for line := range strings.Lines(n.sh("cat", traceFile)) {
		var l trace.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatalf("the trace has %q: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

// ownTime takes from fuxi's log what of a cold mount is its own: by the clock, and
// of the processor. In a guest whose one processor multipathd, udev and what the
// mount starts want at the same moments, and on a machine that has not one for
// each guest, the first is mostly waiting for a turn. The guest's kernel counts
// processor time in ticks of 10 ms, whoever is met by one: only a mean says
// something.
func (s *scene) ownTime(n *node, name string, rounds, mostCommands int) {
	s.t.Helper()
	for range rounds {
		s.coldMount(n, name)
	}
	pattern := regexp.MustCompile(`own=(\S+) total=(\S+) own_cpu=(\S+) cpu=(\S+)`)
	var own, total, ownCPU, cpu []time.Duration
	steps := ""
	for line := range strings.Lines(n.sh(fmt.Sprintf(`/lab/unit fuxi logs | grep -a '"msg":"mount steps"' | grep '"volume":"%s"' | tail -n %d`, name, rounds))) {
		var l struct{ Steps string }
		m := pattern.FindStringSubmatch(line)
		if err := json.Unmarshal([]byte(line), &l); err != nil || m == nil {
			s.t.Fatalf("fuxi's log has %q: %v", line, err)
		}
		for i, all := range []*[]time.Duration{&own, &total, &ownCPU, &cpu} {
			took, err := time.ParseDuration(m[i+1])
			if err != nil {
				s.t.Fatal(err)
			}
			*all = append(*all, took)
		}
		steps = l.Steps
	}
	if len(own) != rounds {
		s.t.Fatalf("fuxi's log tells of %d mounts, there were %d", len(own), rounds)
	}
	s.target("own time of a cold mount on "+s.on.name+", median", median(own).Round(100*time.Microsecond).String(), "≤ 20ms", median(own) <= 20*time.Millisecond,
		fmt.Sprintf("by the clock, of %s in all; the least %s, the most %s of %d", median(total).Round(time.Millisecond),
			slices.Min(own).Round(100*time.Microsecond), slices.Max(own).Round(100*time.Microsecond), rounds))
	s.figures.add("processor time of a cold mount on "+s.on.name+", mean", mean(ownCPU).Round(time.Millisecond).String(), "",
		fmt.Sprintf("of %s in the whole mount, which is all that fuxi computes: also while it waits, and for calls and commands", mean(cpu).Round(time.Millisecond)))
	s.countCommands(steps, mostCommands)
}

// countCommands takes the commands from the steps of a cold mount.
func (s *scene) countCommands(steps string, most int) {
	s.t.Helper()
	var names []string
	commands := 0
	for _, m := range regexp.MustCompile(`host:"((?:[^"\\]|\\.)*)"=(\S+)`).FindAllStringSubmatch(steps, -1) {
		took, _ := time.ParseDuration(m[2])
		names = append(names, fmt.Sprintf("%s (%s)", brief(m[1]), took.Round(time.Millisecond)))
		if !isWrite(m[1]) {
			commands++
		}
	}
	s.figures.add("host commands and mounts in a cold mount on "+s.on.name, fmt.Sprint(commands), fmt.Sprintf("≤ %d", most), "with what is written to files: "+strings.Join(names, ", "))
	if commands > most {
		s.t.Errorf("a cold mount on "+s.on.name+" takes %d host commands: %q", commands, names)
	}
}

// isWrite tells a write to sysfs, a node record or a device from a command.
func isWrite(crossing string) bool {
	word, _, _ := strings.Cut(crossing, " ")
	return slices.Contains([]string{"write", "rewrite", "fsync", "blkroset"}, word)
}

// exposed is how long the cloud took to hand a volume out to a host, the last
// time that it did.
func (n *node) exposed(name string) time.Duration {
	n.t.Helper()
	all := regexp.MustCompile(`PUT /v3/\{project\}/attachments/\{id\}\\"=([^ "]+)`).FindAllStringSubmatch(
		n.sh(fmt.Sprintf(`/lab/unit fuxi logs | grep -a '"msg":"mount steps"' | grep '"volume":"%s"'`, name)), -1)
	if len(all) == 0 {
		n.t.Fatalf("fuxi's log on %s does not tell how %s was handed out", n.name, name)
	}
	took, err := time.ParseDuration(all[len(all)-1][1])
	if err != nil {
		n.t.Fatal(err)
	}
	return took
}

// brief is a command without what differs each time.
func brief(command string) string {
	words := strings.Fields(regexp.MustCompile(`iqn\.\S+|[0-9a-f]{8}-[0-9a-f-]{27}|/\S*/`).ReplaceAllString(command, ""))
	return strings.Join(words[:min(len(words), 8)], " ")
}

// target adds a figure, and says so when it misses what it should be. That is no
// failure: on a busy machine it would say nothing of fuxi.
func (s *scene) target(what, value, want string, met bool, note string) {
	if !met {
		value += " (missed)"
	}
	s.figures.add(what, value, want, note)
}

func mean(all []time.Duration) time.Duration {
	var sum time.Duration
	for _, one := range all {
		sum += one
	}
	return sum / time.Duration(len(all))
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// traceIsTrue compares the trace of a cold mount with what the kernel saw: each
// program that was started crossed the seam, and no crossing was made up.
func (s *scene) traceIsTrue(n *node, name string) {
	s.t.Helper()
	const seen = "/var/log/fuxi-strace.txt"
	n.stop()
	n.sh("rm", "-f", traceFile, seen)
	n.sh("/lab/unit", "fuxi", "start", "--later", "--", "env", "FUXI_TRACE="+traceFile,
		"strace", "-D", "-f", "-qq", "-o", seen, "-e", "trace=execve,mount,umount2,move_mount", binary, "serve")
	n.answers(time.Minute)
	s.coldMount(n, name)
	n.stop()
	counted := map[string]int{}
	for _, l := range crossings(n.sh("cat", traceFile)) {
		if l.Kind != trace.Host {
			continue
		}
		switch word, _, _ := strings.Cut(l.What, " "); {
		case slices.Contains([]string{"mount", "umount2", "move_mount"}, word):
			counted[word]++
		case !isWrite(l.What):
			counted["execve"]++
		}
	}
	text := n.sh("cat", seen)
	for _, call := range []string{"execve", "mount", "umount2", "move_mount"} {
		// A search along the PATH fails in each directory but one.
		got := len(regexp.MustCompile(`(?m)^\d+ +`+call+`\(.*= 0$`).FindAllString(text, -1)) +
			len(regexp.MustCompile(`(?m)^\d+ +<\.\.\. `+call+` resumed.*= 0$`).FindAllString(text, -1))
		if call == "execve" {
			got-- // fuxi itself
		}
		if got != counted[call] {
			s.t.Errorf("the trace has %d × %s, strace saw %d:\n%s", counted[call], call, got, text)
		}
	}
	n.start()
}
