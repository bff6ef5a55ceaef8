//go:build e2e

package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	binary    = "/usr/local/bin/fuxi"
	committer = "/usr/local/lib/committer" // what containers run as a database
	stateDir  = "/var/lib/fuxi"
	traceFile = "/var/log/fuxi-trace.jsonl"
	image     = "busybox"
)

// node is a Docker host in the hands of one test.
type node struct {
	t    testing.TB
	lab  lab
	name string
}

// try runs a command on the host: one word is a shell line, several are its
// arguments.
func (n *node) try(args ...string) (string, error) {
	return n.lab.run(patience, append([]string{"exec", n.name}, args...)...)
}

// sh runs a command that must succeed.
func (n *node) sh(args ...string) string {
	n.t.Helper()
	out, err := n.try(args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// docker runs the Docker client, which must succeed.
func (n *node) docker(args ...string) string {
	n.t.Helper()
	return n.sh(append([]string{"docker"}, args...)...)
}

// refused runs the Docker client, which must fail, and returns what it says.
func (n *node) refused(args ...string) string {
	n.t.Helper()
	out, err := n.try(append([]string{"docker"}, args...)...)
	if err == nil {
		n.t.Fatalf("docker %q on %s is not refused: %s", args, n.name, out)
	}
	return err.Error()
}

// fuxi runs the operator's command, which must succeed.
func (n *node) fuxi(args ...string) string {
	n.t.Helper()
	return n.sh(append([]string{"fuxi"}, args...)...)
}

// write stores a small text file.
func (n *node) write(path, text string, mode os.FileMode) {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		n.t.Fatal(err)
	}
	n.push(file, path)
}

func (n *node) push(from, to string) {
	n.t.Helper()
	if _, err := n.lab.run(patience, "push", n.name, from, to); err != nil {
		n.t.Fatal(err)
	}
}

// settings are lines of fuxi.toml by section.
type settings map[string][]string

// text is fuxi.toml with what differs from a fresh installation.
func (s settings) text() string {
	all := settings{
		"plugin": {`providers = ["cinder", "manila"]`},
		"cloud":  {`cloud = "lab"`},
		"cinder": {`volume_type = "lvm"`, `linger = "2s"`},
		"log":    {`level = "debug"`, `format = "json"`},
	}.and(s)
	var out strings.Builder
	for _, section := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&out, "[%s]\n%s\n\n", section, strings.Join(all[section], "\n"))
	}
	return out.String()
}

// and is both, where they differ the others.
func (s settings) and(others settings) settings {
	both := maps.Clone(s)
	if both == nil {
		both = settings{}
	}
	for section, lines := range others {
		for _, line := range lines {
			key, _, _ := strings.Cut(line, " ")
			same := func(l string) bool { return strings.HasPrefix(l, key+" ") }
			both[section] = append(slices.DeleteFunc(slices.Clone(both[section]), same), line)
		}
	}
	return both
}

// install does what the manual tells an administrator to do.
func (n *node) install(fuxi, clouds string, s settings) {
	n.t.Helper()
	n.push(fuxi, binary)
	n.sh("mkdir -p /etc/fuxi /etc/openstack; [ -s /etc/machine-id ] || systemd-machine-id-setup || dbus-uuidgen >/etc/machine-id")
	n.write("/etc/openstack/clouds.yaml", clouds, 0o600)
	n.configure(s)
}

func (n *node) configure(s settings) {
	n.t.Helper()
	n.write("/etc/fuxi/fuxi.toml", strings.ReplaceAll(s.text(), itself, server(n.name)), 0o644)
}

// start has fuxi started as a service, now and at every start of the machine
// before Docker, and returns when it answers.
func (n *node) start() {
	n.t.Helper()
	n.sh("/lab/unit", "fuxi", "start", "--enable", "--ready", "fuxi status", "--timeout", "30", "--", binary, "serve")
}

// launch starts fuxi this once with these variables in its environment, which
// may be the end of it.
func (n *node) launch(environment ...string) {
	n.t.Helper()
	n.sh(append(append([]string{"/lab/unit", "fuxi", "start", "--later", "--", "env"}, environment...), binary, "serve")...)
}

// answers waits until fuxi answers its command.
func (n *node) answers(limit time.Duration) {
	n.t.Helper()
	eventually(n.t, limit, func() string {
		if out, err := n.try("fuxi status"); err != nil {
			return fmt.Sprintf("fuxi on %s: %v %s\n%s", n.name, err, out, n.log(5))
		}
		return ""
	})
}

func (n *node) stop()    { n.t.Helper(); n.sh("/lab/unit", "fuxi", "stop") }
func (n *node) restart() { n.t.Helper(); n.stop(); n.start() }

// kill9 ends fuxi without any warning.
func (n *node) kill9() { n.t.Helper(); n.sh("/lab/unit", "fuxi", "kill") }

// running tells whether fuxi's process is there.
func (n *node) running() bool {
	_, err := n.try("pgrep -x fuxi >/dev/null")
	return err == nil
}

// log is the end of what fuxi wrote.
func (n *node) log(lines int) string {
	out, _ := n.try(fmt.Sprintf(`/lab/unit fuxi logs 2>&1 | grep -av '"method":"GET"' | tail -n %d | cut -c1-700`, lines))
	return out
}

// info is what fuxi knows of one volume.
type info struct {
	Name       string         `json:"name"`
	State      string         `json:"state"`
	Step       string         `json:"step"`
	Users      map[string]int `json:"users"`
	Mountpoint string         `json:"mountpoint"`
	AttachedTo string         `json:"attached_to"`
	LastError  string         `json:"last_error"`
	SizeGiB    int            `json:"size_gib"`
}

func (n *node) inspect(volume string) info {
	n.t.Helper()
	now, err := n.tryInspect(volume)
	if err != nil {
		n.t.Fatal(err)
	}
	return now
}

func (n *node) tryInspect(volume string) (info, error) {
	out, err := n.try("fuxi", "inspect", "--json", volume)
	if err != nil {
		return info{}, err
	}
	var all []info
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return info{}, fmt.Errorf("fuxi inspect %s on %s: %v in %s", volume, n.name, err, out)
	}
	return all[0], nil
}

// users counts the users of a volume, with multiplicity.
func (n *node) users(volume string) int {
	n.t.Helper()
	sum := 0
	for _, count := range n.inspect(volume).Users {
		sum += count
	}
	return sum
}

// eventually waits until check returns "", else fails with its last words.
func eventually(t testing.TB, limit time.Duration, check func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		if last = check(); last == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s still: %s", limit, last)
		}
	}
}
