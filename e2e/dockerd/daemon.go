package dockerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
)

func (e *Env) socket() string  { return filepath.Join(e.Dir, "docker.sock") }
func (e *Env) logPath() string { return filepath.Join(e.Dir, "dockerd.log") }

// Start starts dockerd and returns when it answers, within 30 s. After Stop or
// Kill9 it is the same dockerd: what it stored is still there.
func (e *Env) Start() error {
	if e.exited != nil {
		return errors.New("dockerd is running already")
	}
	log, err := os.OpenFile(e.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := e.Command(context.Background(), "dockerd", e.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	e.daemon, e.exited = cmd, make(chan error, 1)
	go func() { e.exited <- cmd.Wait() }()
	return e.awaitAnswer()
}

func (e *Env) args() []string {
	state := filepath.Join(e.Dir, "docker")
	args := []string{
		"--config-file=", // not the system's
		"--data-root=" + filepath.Join(state, "data"),
		"--exec-root=" + filepath.Join(state, "exec"),
		"--pidfile=" + filepath.Join(state, "dockerd.pid"),
		"--host=unix://" + e.socket(),
		"--storage-driver=" + e.opts.StorageDriver,
		"--cgroup-parent=/" + e.cgroup(),
		"--bridge=none", "--iptables=false", "--ip6tables=false",
	}
	if e.opts.LiveRestore {
		args = append(args, "--live-restore")
	}
	return append(args, e.opts.Args...)
}

func (e *Env) awaitAnswer() error {
	c := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", e.socket())
		},
	}}
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		if resp, err := c.Get("http://dockerd/_ping"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-e.exited:
			e.exited = nil
			return fmt.Errorf("dockerd ended at once: %v\n%s", err, e.logTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return errors.Join(fmt.Errorf("dockerd did not answer within %s:\n%s", startTimeout, e.logTail()), e.Kill9())
}

// Stop asks dockerd to stop, as a service manager does, and waits for it.
// Containers are stopped too, unless LiveRestore.
func (e *Env) Stop() error {
	if e.exited == nil {
		return nil
	}
	if err := e.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-e.exited:
		e.exited = nil
		return err
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("dockerd did not stop within %s:\n%s", stopTimeout, e.logTail()), e.Kill9())
	}
}

// Kill9 kills dockerd, and the kernel its containerd. Containers run on, until
// a dockerd without LiveRestore starts.
func (e *Env) Kill9() error {
	if e.exited == nil {
		return nil
	}
	err := e.daemon.Process.Kill()
	<-e.exited
	e.exited = nil
	return errors.Join(err, e.buryContainerd())
}

// buryContainerd waits for the end of a killed dockerd's containerd. Where no
// init reaps it, as in many a container, the next dockerd takes the zombie for
// a live containerd and waits for it in vain, so its pid file goes too.
func (e *Env) buryContainerd() error {
	file := filepath.Join(e.Dir, "docker/exec/containerd/containerd.pid")
	pid, err := os.ReadFile(e.Path(file))
	if err != nil {
		return nil // killed before it had one
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", string(bytes.TrimSpace(pid)), "stat"))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return os.Remove(e.Path(file))
		}
	}
	return fmt.Errorf("containerd (pid %s) survived dockerd", pid)
}

// RestartDockerd is Stop and Start.
func (e *Env) RestartDockerd() error {
	if err := e.Stop(); err != nil {
		return err
	}
	return e.Start()
}

// logTail is the end of dockerd's log, for a failure's text, without what its
// gRPC library has to say.
func (e *Env) logTail() string {
	const most = 20
	b, err := os.ReadFile(e.logPath())
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(b)), "\n"), func(line string) bool {
		return strings.Contains(line, "[core]") || strings.Contains(line, "loading plugin")
	})
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
