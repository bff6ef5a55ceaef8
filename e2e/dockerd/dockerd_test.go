package dockerd

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// probe is the plugin as a running process, and the calls it saw.
type probe struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	mu   sync.Mutex
	seen []string
	ids  map[string]string
}

// startProbe runs the plugin inside e.
func startProbe(t *testing.T, e *Env) *probe {
	t.Helper()
	p := &probe{t: t, dir: filepath.Join(e.Dir, "volumes"), ids: map[string]string{}}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.cmd = e.Command(context.Background(), os.Args[0])
	p.cmd.Env = append(os.Environ(), pluginEnv+"="+p.dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the plugin does not start: %v", lines.Text())
	}
	go func() {
		for lines.Scan() {
			p.mu.Lock()
			p.seen = append(p.seen, lines.Text())
			p.mu.Unlock()
		}
	}()
	return p
}

// calls returns what came since the last time, with Docker's ids named a, b …
// in their order.
func (p *probe) calls() string {
	time.Sleep(100 * time.Millisecond) // for what dockerd does behind an answer
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.seen, ", ")
	p.seen = nil
	return regexp.MustCompile("[0-9a-f]{64}").ReplaceAllStringFunc(all, func(id string) string {
		if p.ids[id] == "" {
			p.ids[id] = string(rune('a' + len(p.ids)))
		}
		return p.ids[id]
	})
}

func (p *probe) expect(what, want string) {
	p.t.Helper()
	if got := p.calls(); got != want {
		p.t.Errorf("%s: dockerd called %s\nwant %s", what, got, want)
	}
}

// start returns an environment with dockerd, the image busybox and the plugin.
func start(t *testing.T, opts Options) (*Env, *probe, func(args ...string) string) {
	t.Helper()
	e := New(t, opts)
	p := startProbe(t, e)
	begin := time.Now()
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("dockerd took %s to start", took)
	}
	if err := e.Import("busybox", map[string]string{"/data/": "", "/data/motd": "from the image\n"}); err != nil {
		t.Fatal(err)
	}
	return e, p, func(args ...string) string {
		t.Helper()
		out, err := e.Docker(args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// The order of calls that all else relies on.
func TestOrderOfCalls(t *testing.T) {
	t.Parallel()
	e, p, docker := start(t, Options{})
	docker("volume", "create", "-d", "probe", "-o", "size=1", "v1")
	p.expect("volume create", "Get v1, Create v1 map[size:1]")

	id := docker("run", "-d", "--name", "c1", "--network", "none", "-v", "v1:/data", "--stop-signal", "KILL", "busybox", "sleep", "1000")
	p.expect("run with copy-up", "Get v1, Get v1, Mount v1 a, Get v1, Unmount v1 a, Get v1, Mount v1 b")
	if got := docker("exec", "c1", "cat", "/data/motd"); got != "from the image" {
		t.Errorf("copy-up made %q of container %s", got, id)
	}
	docker("cp", "c1:/data/motd", filepath.Join(e.Dir, "motd"))
	p.expect("cp from a running container", "Get v1, Mount v1 b, Get v1, Unmount v1 b")

	docker("run", "--rm", "--network", "none", "-v", "v1:/data:nocopy", "busybox", "true")
	p.expect("second container, nocopy", "Get v1, Get v1, Mount v1 c, Get v1, Unmount v1 c")

	docker("restart", "-t", "0", "c1")
	p.expect("restart", "Get v1, Unmount v1 b, Get v1, Mount v1 d")
	if _, err := e.Docker("volume", "rm", "v1"); err == nil || !strings.Contains(err.Error(), "volume is in use") {
		t.Errorf("volume rm in use: %v", err)
	}
	p.expect("volume rm in use", "Get v1")
	docker("rm", "-f", "c1")
	p.expect("rm -f", "Get v1, Unmount v1 d")
	docker("volume", "rm", "v1")
	p.expect("volume rm", "Get v1, Get v1, Remove v1")
}

func TestWhatTheUserSees(t *testing.T) {
	t.Parallel()
	e, p, docker := start(t, Options{})
	_, err := e.Docker("volume", "create", "-d", "probe", "-o", "help=1", "v1")
	want := "Error response from daemon: create v1: options:\n  size=N\tGiB\n  \"quoted\" <&>"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
	docker("volume", "create", "-d", "probe", "v1")
	p.calls()
	if got := docker("volume", "inspect", "-f", "{{.Scope}} {{.Status.size}} {{.Status.stale}}", "v1"); got != "global 10 GiB false" {
		t.Errorf("inspect shows %s", got)
	}
	p.expect("inspect", "Get v1")
	if got := docker("volume", "ls", "-q"); got != "v1" {
		t.Errorf("ls shows %s", got)
	}
	p.expect("ls", "List")
	if _, err := e.Docker("volume", "inspect", "v2"); err == nil || !strings.Contains(err.Error(), "no such volume") {
		t.Errorf("inspect of an unknown volume: %v", err)
	}
}

// E7: dockerd keeps its record of a volume that Get cannot tell about.
func TestAbortedGetKeepsTheRecord(t *testing.T) {
	t.Parallel()
	e, p, docker := start(t, Options{})
	docker("volume", "create", "-d", "probe", "--label", "kept=yes", "v1")
	silent := filepath.Join(p.dir, "cloud-is-silent")
	if err := os.WriteFile(silent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Logf("dockerd started in %s while Get was aborted", time.Since(begin))
	if err := os.Remove(silent); err != nil {
		t.Fatal(err)
	}
	if got := docker("volume", "inspect", "-f", "{{.Labels.kept}}", "v1"); got != "yes" {
		t.Errorf("dockerd forgot its record: label %q", got)
	}
}

// A plugin that is restarted within some seconds is not missed.
func TestPluginRestart(t *testing.T) {
	t.Parallel()
	e, p, docker := start(t, Options{})
	docker("volume", "create", "-d", "probe", "v1")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the plugin did not end well: %v", err)
	}
	if _, err := os.Lstat(e.Path(pluginSocket)); !os.IsNotExist(err) {
		t.Errorf("the plugin left its socket: %v", err)
	}
	created := make(chan error, 1)
	go func() {
		_, err := e.Docker("volume", "create", "-d", "probe", "-o", "x=1", "v2")
		created <- err
	}()
	time.Sleep(1500 * time.Millisecond)
	p = startProbe(t, e)
	if err := <-created; err != nil {
		t.Error(err)
	}
	p.expect("volume create meanwhile", "Get v2, Create v2 map[x:1]")
}

// After kill -9 a container that is not restarted is never unmounted; with
// live-restore it runs on and is unmounted with its old id.
func TestKill9(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts    Options
		running string
		calls   string
	}{
		"plain":        {Options{}, "false", "Remove v1"},
		"live-restore": {Options{LiveRestore: true}, "true", "Unmount v1 a, Remove v1"},
	} {
		t.Run(name, func(t *testing.T) {
			e, p, docker := start(t, tc.opts)
			docker("run", "-d", "--name", "c1", "--network", "none", "--volume-driver", "probe", "-v", "v1:/nodata", "--stop-signal", "KILL", "busybox", "sleep", "1000")
			p.calls()
			if err := e.Kill9(); err != nil {
				t.Fatal(err)
			}
			if err := e.Start(); err != nil {
				t.Fatal(err)
			}
			if got := docker("inspect", "-f", "{{.State.Running}}", "c1"); got != tc.running {
				t.Errorf("running: %s, want %s", got, tc.running)
			}
			docker("rm", "-f", "c1")
			docker("volume", "rm", "v1")
			if got := strings.ReplaceAll(p.calls(), "Get v1, ", ""); got != tc.calls {
				t.Errorf("dockerd called %s\nwant %s", got, tc.calls)
			}
		})
	}
}
