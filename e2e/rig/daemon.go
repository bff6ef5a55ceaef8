package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Daemon is one fuxi process and the directory it lives in.
type Daemon struct {
	t      T
	Dir    string
	Host   string
	Config string // path of fuxi.toml
	Socket string
	client *http.Client
	// Wrap, when set, makes the command that runs the binary: for running it in
	// another mount namespace or under strace.
	Wrap func(name string, args ...string) *exec.Cmd

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	log  lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Settings are lines of fuxi.toml by section.
type Settings map[string][]string

// NewDaemon writes the configuration of a daemon on cloud c. Sensible short
// times are set unless settings say otherwise.
func NewDaemon(t T, c *Cloud, host string, settings Settings) *Daemon {
	t.Helper()
	return NewDaemonIn(t, c, host, TempDir(t, "host"), settings)
}

// NewDaemonIn is NewDaemon in a directory of the caller's, who removes it.
func NewDaemonIn(t T, c *Cloud, host, dir string, settings Settings) *Daemon {
	t.Helper()
	d := &Daemon{t: t, Dir: dir, Host: host, Config: filepath.Join(dir, "fuxi.toml"), Socket: filepath.Join(dir, "fuxi.sock")}
	d.Configure(c.CloudsFile(), settings)
	d.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", d.Socket)
		},
		MaxIdleConnsPerHost: 64,
	}}
	t.Cleanup(d.end)
	return d
}

// Configure writes fuxi.toml anew.
func (d *Daemon) Configure(cloudsFile string, settings Settings) {
	d.t.Helper()
	lines := map[string][]string{
		"plugin": {fmt.Sprintf("socket = %q", d.Socket), fmt.Sprintf("state_dir = %q", filepath.Join(d.Dir, "state")), `refresh = "2s"`},
		"cloud":  {`cloud = "sim"`, fmt.Sprintf("clouds_file = %q", cloudsFile)},
		"cinder": {`linger = "300ms"`, `wait_for_release = "3s"`, `reservation_age = "1s"`},
		"host":   {fmt.Sprintf("name = %q", d.Host)},
		"log":    {`level = "debug"`},
	}
	var text strings.Builder
	for _, section := range []string{"plugin", "cloud", "cinder", "nova", "ceph", "manila", "host", "log"} {
		fmt.Fprintf(&text, "[%s]\n", section)
		for _, line := range override(lines[section], settings[section]) {
			fmt.Fprintln(&text, line)
		}
	}
	if err := os.WriteFile(d.Config, []byte(text.String()), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// override replaces lines of the same key.
func override(base, with []string) []string {
	key := func(line string) string { k, _, _ := strings.Cut(line, "="); return strings.TrimSpace(k) }
	var out []string
	for _, b := range base {
		replaced := false
		for _, w := range with {
			replaced = replaced || key(w) == key(b)
		}
		if !replaced {
			out = append(out, b)
		}
	}
	return append(out, with...)
}

// StateDir is the daemon's state directory.
func (d *Daemon) StateDir() string { return filepath.Join(d.Dir, "state") }

// Start runs the shipped binary and waits until it answers.
func (d *Daemon) Start(env ...string) {
	d.t.Helper()
	d.Launch(env...)
	d.Await()
}

// Launch runs the binary without waiting.
func (d *Daemon) Launch(env ...string) {
	d.t.Helper()
	bin := Binary(d.t, "fuxi")
	command := exec.Command
	if d.Wrap != nil {
		command = d.Wrap
	}
	cmd := command(bin, "serve", "--config", d.Config)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("start fuxi: %v", err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	d.mu.Lock()
	d.cmd, d.done = cmd, done
	d.mu.Unlock()
}

// Await waits until the daemon answers Get, which it does once its state is
// read.
func (d *Daemon) Await() {
	d.t.Helper()
	if !d.AwaitOrDie() {
		d.t.Fatalf("fuxi did not start; its log:\n%s", d.Log())
	}
}

// Log is what the daemon has written so far.
func (d *Daemon) Log() string { return d.log.String() }

// Dead tells whether the process has ended.
func (d *Daemon) Dead() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// AwaitExit tells whether the process ends within d.
func (d *Daemon) AwaitExit(limit time.Duration) bool {
	select {
	case <-d.done:
		d.client.CloseIdleConnections()
		return true
	case <-time.After(limit):
		return d.Dead()
	}
}

// AwaitOrDie waits until the daemon answers, true, or has died, false.
func (d *Daemon) AwaitOrDie() bool {
	d.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if d.Dead() {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := d.Call(ctx, "List", map[string]any{})
		cancel()
		if err == nil {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.t.Fatalf("fuxi neither answers nor dies; its log:\n%s", d.Log())
	return false
}

// Pid of the running process.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Kill9 ends the process as a crash does.
func (d *Daemon) Kill9() {
	d.t.Helper()
	_ = d.cmd.Process.Kill()
	d.AwaitDeath(10 * time.Second)
}

// AwaitDeath waits for the process to end by itself.
func (d *Daemon) AwaitDeath(limit time.Duration) {
	d.t.Helper()
	select {
	case <-d.done:
		d.client.CloseIdleConnections()
	case <-time.After(limit):
		d.t.Fatalf("fuxi is still running after %s; its log:\n%s", limit, d.Log())
	}
}

// Stop ends the process as a service manager does.
func (d *Daemon) Stop() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	d.AwaitDeath(40 * time.Second)
}

// end is the test's end: the daemon is stopped, and what it left is named and
// then taken away, so that other tests do not suffer.
func (d *Daemon) end() {
	if d.cmd != nil && !d.Dead() {
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	if d.t.Failed() {
		d.t.Logf("log of fuxi on %s:\n%s", d.Host, tail(withoutGets(d.Log()), 60))
	}
	left := append(MountsBelow(d.Dir), LoopsOf(d.StateDir())...)
	if len(left) > 0 && !d.t.Failed() {
		d.t.Errorf("left behind: %v", left)
	}
	UnmountBelow(d.Dir)
	DetachLoops(d.StateDir())
	RemoveImmutable(d.Dir)
}

// withoutGets drops the successful Gets of tests that poll.
func withoutGets(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "operation=Get") || strings.Contains(line, "error=") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Call sends one request of Docker's protocol and decodes the answer. The
// error is the answer's Err, or a failure of the connection.
func (d *Daemon) Call(ctx context.Context, method string, body any) (map[string]any, error) {
	var in io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(data)
	}
	path := "/VolumeDriver." + method
	if strings.Contains(method, ".") {
		path = "/" + method
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://fuxi"+path, in)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("%s: %s: %q", method, resp.Status, data)
	}
	if text, _ := out["Err"].(string); text != "" {
		return out, errors.New(text)
	}
	return out, nil
}

func (d *Daemon) call(method string, body any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	return d.Call(ctx, method, body)
}

// Create sends VolumeDriver.Create.
func (d *Daemon) Create(name string, opts map[string]string) error {
	_, err := d.call("Create", map[string]any{"Name": name, "Opts": opts})
	return err
}

// Remove sends VolumeDriver.Remove.
func (d *Daemon) Remove(name string) error {
	_, err := d.call("Remove", map[string]any{"Name": name})
	return err
}

// Mount sends VolumeDriver.Mount and returns the path.
func (d *Daemon) Mount(name, id string) (string, error) {
	out, err := d.call("Mount", map[string]any{"Name": name, "ID": id})
	if err != nil {
		return "", err
	}
	path, _ := out["Mountpoint"].(string)
	return path, nil
}

// Unmount sends VolumeDriver.Unmount.
func (d *Daemon) Unmount(name, id string) error {
	_, err := d.call("Unmount", map[string]any{"Name": name, "ID": id})
	return err
}

// Get sends VolumeDriver.Get and returns the volume with its Status.
func (d *Daemon) Get(name string) (map[string]any, error) {
	out, err := d.call("Get", map[string]any{"Name": name})
	if err != nil {
		return nil, err
	}
	v, _ := out["Volume"].(map[string]any)
	return v, nil
}

// CLI runs the fuxi binary against this daemon.
func (d *Daemon) CLI(args ...string) (stdout, stderr string, exit int) {
	cmd := exec.Command(Binary(d.t, "fuxi"), append([]string{"--config", d.Config}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		exit = ee.ExitCode()
	case err != nil:
		d.t.Fatalf("run the CLI: %v", err)
	}
	return out.String(), errs.String(), exit
}
