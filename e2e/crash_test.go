package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/trace"
)

// The crash table: the shipped binary is killed with SIGKILL at every crossing
// of its three seams (cloud calls, host commands and mounts, journal writes),
// before the act and after its effect, in the course of a volume's whole life.
// The table is made by recording that life, so a new step is in it without
// anybody remembering; and the recording is checked against what the cloud
// counted and what strace saw.

// life is the course that is recorded and then crashed.
type life struct {
	t     *testing.T
	d     *rig.Daemon
	cloud *rig.Cloud
	name  string
	kill  string // FUXI_KILL_AT of the first process
	share bool   // it is a share's life
	// what has been proven so far
	died    bool
	written bool
	uuid    string
	tries   int
}

// do runs one operation; when the process dies under it, it is started again
// and the operation repeated, as Docker or a user does.
func (l *life) do(what string, op func(id string) error) {
	l.t.Helper()
	for {
		l.tries++
		err := op(fmt.Sprintf("%s-%d", what, l.tries))
		if l.d.AwaitExit(0) {
			if l.died {
				l.t.Fatalf("%s: the daemon ended a second time", what)
			}
			l.died = true
			l.d.Start()
			if err != nil {
				continue
			}
		}
		if err != nil {
			if l.kill != "" && !l.died && l.d.AwaitExit(2*time.Second) {
				continue // the connection broke a moment before the process was gone
			}
			l.t.Fatalf("%s: %v", what, err)
		}
		l.watch()
		return
	}
}

// watch checks what must hold at every moment: one volume of the name, and a
// formatted mark that never changes.
func (l *life) watch() {
	l.t.Helper()
	volumes := l.stored()
	if len(volumes) > 1 {
		l.t.Fatalf("%d volumes are named %s", len(volumes), l.name)
	}
	for _, v := range volumes {
		mark := v.Metadata["fuxi:formatted"]
		if l.uuid != "" && mark != l.uuid {
			l.t.Fatalf("formatted twice: the mark was %q and is %q", l.uuid, mark)
		}
		if l.written {
			l.uuid = mark
		}
	}
}

// stored is what the cloud has of the name.
func (l *life) stored() []rig.CloudVolume {
	l.t.Helper()
	if l.share {
		return l.cloud.Shares(l.name)
	}
	return l.cloud.Volumes(l.name)
}

func (l *life) run() {
	opts := map[string]string{"size": "1"}
	if l.share {
		opts["volume_provider"], opts["uid"] = "manila", "33"
	}
	l.do("create", func(string) error { return l.d.Create(l.name, opts) })
	var path, user string
	mount := func(id string) error {
		p, err := l.d.Mount(l.name, id)
		if err == nil {
			path, user = p, id
		}
		return err
	}
	l.do("mount", mount)
	l.do("write", func(string) error { l.written = true; return writeSynced(filepath.Join(path, "f"), "precious") })
	l.do("unmount", func(string) error { return l.d.Unmount(l.name, user) })
	l.do("detach", func(string) error { return l.detached() })
	l.do("again", mount)
	l.do("read", func(string) error {
		got, err := os.ReadFile(filepath.Join(path, "f"))
		if err == nil && string(got) != "precious" {
			err = fmt.Errorf("the data is %q", got)
		}
		return err
	})
	l.do("unmount again", func(string) error { return l.d.Unmount(l.name, user) })
	l.do("remove", func(string) error { return l.d.Remove(l.name) })
	l.gone()
}

// detached waits until the volume is given back. A user whose Mount was
// answered to nobody, because the process died, keeps it: that one is dropped
// by Remove.
func (l *life) detached() error {
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) && !l.d.Dead() {
		v, err := l.d.Get(l.name)
		if err != nil {
			return err
		}
		status, _ := v["Status"].(map[string]any)
		step, _ := status["step"].(string)
		if users, _ := status["users"].(map[string]any); len(users) > 0 && l.died || step == "" {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	if l.d.Dead() {
		return fmt.Errorf("the daemon died")
	}
	return fmt.Errorf("not detached after 15 s")
}

func (l *life) gone() {
	l.t.Helper()
	rig.Eventually(l.t, 10*time.Second, func() string {
		switch {
		case len(l.stored()) > 0:
			return "the volume is still in the cloud"
		case len(rig.LoopsOf(l.d.StateDir())) > 0:
			return "a loop device is left"
		case len(rig.MountsBelow(l.d.Dir)) > 0:
			return "a mount is left"
		case len(journalFiles(l.d)) > 0:
			return fmt.Sprintf("journal files are left: %v", journalFiles(l.d))
		}
		return ""
	})
}

func journalFiles(d *rig.Daemon) []string {
	files, _ := filepath.Glob(filepath.Join(d.StateDir(), "journal", "*.json"))
	return files
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Sync()
}

// quiet has nothing happen in the background that would be counted.
func quiet() rig.Settings {
	return rig.Settings{
		"plugin": {`refresh = "1h"`},
		"cinder": {`linger = "100ms"`, `reservation_age = "1s"`},
	}
}

func lifeSettings(share bool) rig.Settings {
	s := quiet()
	if share {
		s["plugin"] = append(s["plugin"], `providers = ["cinder", "manila"]`)
	}
	return s
}

// record runs the life once under strace and returns the crossings.
func record(t *testing.T, share bool) []trace.Line {
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "recorder", lifeSettings(share))
	traced := filepath.Join(d.Dir, "trace.jsonl")
	straced := filepath.Join(d.Dir, "strace.txt")
	if _, err := exec.LookPath("strace"); err == nil {
		d.Wrap = func(name string, args ...string) *exec.Cmd {
			return exec.Command("strace", append([]string{"-D", "-f", "-qq", "-y", "-s", "300", "-o", straced,
				"-e", "trace=execve,mount,umount2,move_mount,rename,renameat,renameat2,unlink,unlinkat,ioctl,pwrite64,fdatasync", name}, args...)...)
		}
	} else if os.Getenv("CI") == "true" {
		t.Fatal("strace is missing, and in CI its part must not be skipped")
	}
	d.Start("FUXI_TRACE=" + traced)
	awaitRefresh(t, cloud)
	(&life{t: t, d: d, cloud: cloud, name: "recorded", share: share}).run()
	d.Stop()
	lines := readTrace(t, traced)
	compareWithCloud(t, lines, cloud.Counters())
	if d.Wrap != nil {
		compareWithStrace(t, lines, straced, d.StateDir())
	}
	return lines
}

func awaitRefresh(t *testing.T, cloud *rig.Cloud) {
	t.Helper()
	rig.Eventually(t, 10*time.Second, func() string {
		if cloud.Counters()["GET /v3/{project}/volumes/detail"] == 0 {
			return "the first refresh has not come"
		}
		return ""
	})
	time.Sleep(50 * time.Millisecond)
}

func readTrace(t *testing.T, path string) []trace.Line {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []trace.Line
	for in := bufio.NewScanner(f); in.Scan(); {
		var l trace.Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		if l.N > 0 {
			out = append(out, l)
		}
	}
	return out
}

func ofKind(lines []trace.Line, k trace.Kind, prefix string) int {
	n := 0
	for _, l := range lines {
		if l.Kind == k && strings.HasPrefix(l.What, prefix) {
			n++
		}
	}
	return n
}

// compareWithCloud: every call that the cloud counted crossed the seam, and
// nothing crossed it that the cloud did not see.
func compareWithCloud(t *testing.T, lines []trace.Line, counters map[string]int) {
	t.Helper()
	seen := 0
	for kind, n := range counters {
		seen += n
		if got := ofKind(lines, trace.Cloud, kind); got < n {
			t.Errorf("the cloud counted %d × %s, the trace has %d", n, kind, got)
		}
	}
	if got := ofKind(lines, trace.Cloud, ""); got != seen {
		t.Errorf("the trace has %d cloud calls, the cloud counted %d", got, seen)
	}
}

// compareWithStrace: every command, mount and journal write that the kernel
// saw crossed the seam.
func compareWithStrace(t *testing.T, lines []trace.Line, path, stateDir string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := func(pattern string) int {
		return len(regexp.MustCompile(`(?m)^\d+ +`+pattern).FindAllString(string(data), -1))
	}
	journal := regexp.QuoteMeta(filepath.Join(stateDir, "journal"))
	syscalls := 0
	for _, c := range []struct {
		what    string
		kind    trace.Kind
		prefix  string
		pattern string
	}{
		{"mounts", trace.Host, "mount ", `mount\(`},
		{"unmounts", trace.Host, "umount2 ", `umount2\(`},
		{"moved mounts", trace.Host, "move_mount ", `move_mount\(`},
		{"loop devices set up", trace.Host, "loop_configure ", `ioctl\(.*LOOP_CONFIGURE`},
		{"loop devices freed", trace.Host, "loop_clr_fd ", `ioctl\(.*LOOP_CLR_FD`},
		{"journal writes in place", trace.Journal, "in place", `pwrite64\(\d+<` + journal + `/(volume|create|secret)\.[^>]*\.json>`},
		{"journal files made", trace.Journal, "rename ", `rename\w*\(.*"` + journal + `/[^"]*\.tmp", .*"` + journal + `/`},
		{"journal removals", trace.Journal, "unlink ", `unlink\w*\(.*"` + journal + `/(volume|create)\.[^"]*\.json"`},
	} {
		traced, seen := ofKind(lines, c.kind, c.prefix), count(c.pattern)
		if c.prefix == "in place" {
			traced = ofKind(lines, c.kind, "write ") + ofKind(lines, c.kind, "note ")
		}
		if c.prefix == "umount2 " {
			seen -= ofKind(lines, trace.Host, "umount ") // a share is unmounted by a process of its own
		}
		if traced != seen || seen == 0 && c.kind == trace.Journal {
			t.Errorf("%s: the trace has %d, strace saw %d", c.what, traced, seen)
		}
		if c.kind == trace.Host {
			syscalls += traced
		}
	}
	writes := ofKind(lines, trace.Journal, "write ") + ofKind(lines, trace.Journal, "rename ")
	if synced := count(`fdatasync\(\d+<` + journal + `/`); synced != writes {
		t.Errorf("the trace has %d journal writes, strace saw %d of them synced", writes, synced)
	}
	// To open a directory of a share may ask its server, so it counts.
	commands := ofKind(lines, trace.Host, "") - syscalls - ofKind(lines, trace.Host, "open the directory of ")
	seen := count(`execve\(`) - count(`(execve\(|<\.\.\. execve resumed).*= -1 `) - 1 // less the daemon itself
	if commands != seen {
		t.Errorf("the trace has %d host commands, strace saw %d", commands, seen)
		for _, l := range lines {
			if l.Kind == trace.Host {
				t.Logf("%d: %s", l.N, l.What)
			}
		}
	}
}

// TestCrashAnywhere runs the table. Promise E6; protocols G 4.
func TestCrashAnywhere(t *testing.T) { crashTable(t, false) }

// TestShareCrashAnywhere_F8 is the table of a share's life.
func TestShareCrashAnywhere_F8(t *testing.T) { crashTable(t, true) }

func crashTable(t *testing.T, share bool) {
	rig.NeedRoot(t)
	lines := record(t, share)
	if t.Failed() {
		return
	}
	t.Logf("%d crossings: %d cloud calls, %d host commands and mounts, %d journal writes; %d points",
		len(lines), ofKind(lines, trace.Cloud, ""), ofKind(lines, trace.Host, ""), ofKind(lines, trace.Journal, ""), 2*len(lines))
	if len(lines) < 40 {
		t.Fatalf("only %d crossings: the recording is not the whole life", len(lines))
	}
	cloud := rig.NewCloud(t, simulator.Options{})
	t.Run("points", func(t *testing.T) {
		for _, l := range lines {
			for _, when := range []string{"before", "after"} {
				t.Run(fmt.Sprintf("%03d-%s-%s", l.N, when, strings.ReplaceAll(l.What, "/", "|")), func(t *testing.T) {
					t.Parallel()
					crashAt(t, cloud, fmt.Sprintf("%d:%s", l.N, when), fmt.Sprintf("v%d%s", l.N, when), share, share && l.N > len(lines)-spare)
				})
			}
		}
	})
	if left := cloud.Attachments(); len(left) > 0 {
		t.Errorf("attachments are left in the cloud: %v", left)
	}
}

// spare crossings at the end of a share's life may not come: how often the cloud
// is asked whether a rule or the share is gone is not the same each time.
const spare = 6

func crashAt(t *testing.T, cloud *rig.Cloud, point, name string, share, mayNotCome bool) {
	d := rig.NewDaemon(t, cloud, name, lifeSettings(share))
	l := &life{t: t, d: d, cloud: cloud, name: name, kill: point, share: share}
	d.Launch("FUXI_KILL_AT=" + point)
	if !d.AwaitOrDie() {
		l.died = true
		d.Start()
	}
	l.run()
	if !l.died && !mayNotCome {
		t.Errorf("the process never came to crossing %s", point)
	}
	d.Stop()
}
