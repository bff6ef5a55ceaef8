// Package dockerd runs a real dockerd for tests, in a mount namespace of its
// own. A system's dockerd, its plugins, its containers and its /run are not
// seen and not touched, and when the test ends, however it ends, nothing is
// left: no process, mount, loop device, control group or file.
package dockerd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	holdTimeout   = 20 * time.Second
	closeTimeout  = 60 * time.Second
	dockerTimeout = 150 * time.Second // dockerd itself gives a Mount 120 s
)

// Options choose how dockerd runs.
type Options struct {
	// LiveRestore lets containers run on while dockerd is away.
	LiveRestore bool
	// StorageDriver is overlay2 if empty.
	StorageDriver string
	// Args are further arguments of dockerd.
	Args []string
}

// Env is a private mount namespace in which dockerd and what a test adds to it
// run. It is used by one goroutine, but Command and Docker by any number.
type Env struct {
	// Dir is a new directory that is the same inside and outside. It is removed
	// in the end; loop devices on files in it are detached.
	Dir string

	t      testing.TB
	opts   Options
	holder *exec.Cmd
	stdin  io.Closer
	said   *os.File // the holder's output
	daemon *exec.Cmd
	exited chan error // of the daemon; nil if none runs
}

// Require skips t, and says so, if a real dockerd cannot run here; with CI=true
// that is a failure.
func Require(t testing.TB) {
	t.Helper()
	var missing []string
	for _, tool := range []string{"dockerd", "docker", "containerd", "runc", "nsenter", "busybox", "losetup"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if os.Getuid() != 0 {
		missing = append(missing, "root's rights")
	}
	if len(missing) == 0 {
		return
	}
	text := "a real dockerd cannot run here, missing: " + strings.Join(missing, ", ")
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	fmt.Fprintf(os.Stderr, "\n*** SKIPPED %s: %s\n\n", t.Name(), text)
	t.Skip("SKIPPED: " + text)
}

// New makes the namespace, for as long as t runs; nothing runs in it yet. It
// calls Require.
func New(t testing.TB, opts Options) *Env {
	t.Helper()
	Require(t)
	dir, err := os.MkdirTemp("", "fuxi-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if opts.StorageDriver == "" {
		opts.StorageDriver = "overlay2"
	}
	e := &Env{Dir: dir, t: t, opts: opts}
	t.Cleanup(e.close)
	if err := e.hold(); err != nil {
		t.Fatalf("making a mount namespace: %v", err)
	}
	return e
}

// hold starts the holder and waits until the namespace is furnished.
func (e *Env) hold() error {
	e.holder = exec.Command("/bin/sh", "-c", holder, "fuxi-e2e-holder", e.Dir, e.cgroup())
	// Its own session, so that ^C ends the test and not the cleaning up. Go
	// makes all mounts of the new namespace private.
	e.holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := e.holder.StdinPipe()
	if err != nil {
		return err
	}
	said, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	e.stdin, e.said = stdin, said
	e.holder.Stdout, e.holder.Stderr = w, w
	if err := e.holder.Start(); err != nil {
		return err
	}
	_ = said.SetReadDeadline(time.Now().Add(holdTimeout))
	var text []byte
	for one := make([]byte, 1); !bytes.HasSuffix(text, []byte("ready\n")); text = append(text, one...) {
		if _, err := said.Read(one); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}

// close ends the namespace and everything in it.
func (e *Env) close() {
	e.t.Helper()
	if e.t.Failed() {
		e.t.Logf("dockerd's log ends with:\n%s", e.logTail())
	}
	if e.holder == nil || e.holder.Process == nil {
		_ = os.RemoveAll(e.Dir)
		return
	}
	_ = e.stdin.Close()
	_ = e.said.SetReadDeadline(time.Now().Add(closeTimeout))
	text, err := io.ReadAll(e.said)
	if err != nil {
		_ = e.holder.Process.Kill()
		e.t.Errorf("cleaning up %s did not end within %s; look for its processes and mounts", e.Dir, closeTimeout)
	}
	if len(bytes.TrimSpace(text)) > 0 {
		e.t.Errorf("cleaning up %s:\n%s", e.Dir, text)
	}
	_ = e.said.Close()
	_ = e.holder.Wait()
	if e.exited != nil {
		<-e.exited
	}
	e.checkLoops()
}

// checkLoops fails the test if a loop device outlives the namespace.
func (e *Env) checkLoops() {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left = nil
		files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(b), e.Dir+"/") {
				left = append(left, filepath.Base(filepath.Dir(filepath.Dir(f))))
			}
		}
		if len(left) == 0 {
			return
		}
	}
	e.t.Errorf("loop devices on files in %s are left: %s", e.Dir, strings.Join(left, ", "))
}

func (e *Env) cgroup() string { return filepath.Base(e.Dir) }

// Path is where a file inside the namespace, say /run/docker/plugins/x.sock, is
// found from outside.
func (e *Env) Path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(e.holder.Process.Pid), "root", inside)
}

// MountInfo is the path of the file that lists the namespace's mounts.
func (e *Env) MountInfo() string {
	return filepath.Join("/proc", strconv.Itoa(e.holder.Process.Pid), "mountinfo")
}

// Command is exec.CommandContext for inside the namespace. Its process is the
// program itself, for signals, and starts in /. If it is still running when the
// test ends it is killed.
func (e *Env) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if path, err := exec.LookPath(name); err == nil {
		if abs, err := filepath.Abs(path); err == nil {
			name = abs
		}
	}
	pid := strconv.Itoa(e.holder.Process.Pid)
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", pid, "--mount", "--", name}, args...)...)
}

// Docker runs the docker client and returns what it wrote to standard output,
// trimmed; the error has what it wrote to standard error. It runs outside the
// namespace: files to copy are the test's own.
func (e *Env) Docker(args ...string) (out string, err error) { return e.docker(nil, args...) }

func (e *Env) docker(stdin io.Reader, args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), dockerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+e.socket(), "DOCKER_CONFIG="+filepath.Join(e.Dir, "client"), "DOCKER_CONTEXT=")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %s", dockerTimeout)
	}
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), err
}
