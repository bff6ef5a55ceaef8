package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/trace"
)

// childMode makes the test binary play the daemon that is killed.
const childMode = "FUXI_TEST_RUN_A_SLEEP"

func TestMain(m *testing.M) {
	if pidFile := os.Getenv(childMode); pidFile != "" {
		_, err := host.New().Run(context.Background(), shell("echo $$ > "+pidFile+"; exec sleep 1000"))
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(hosttest.Main(m))
}

func shell(script string) host.Command {
	return host.Command{Name: "sh", Args: []string{"-c", script}}
}

func TestRunAnswers(t *testing.T) {
	ctx := hosttest.Context(t)
	h := host.New()
	res, err := h.Run(ctx, shell("echo out; echo err >&2; exit 3"))
	if err != nil || res.ExitCode != 3 || string(res.Stdout) != "out\n" || string(res.Stderr) != "err\n" {
		t.Errorf("got %+v, %v", res, err)
	}
	if err := res.Check("tool"); err == nil || err.Error() != "tool: exit code 3: err" {
		t.Errorf("Check: %v", err)
	}
	if _, err := h.Run(ctx, host.Command{Name: "no-such-program"}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("missing program: %v", err)
	}
	if _, err := h.Run(ctx, shell("kill -9 $$")); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("program that was killed: %v", err)
	}
	h.CommandPrefix = []string{"env", "PREFIXED=yes"}
	if res, err := h.Run(ctx, shell("echo $PREFIXED")); err != nil || string(res.Stdout) != "yes\n" {
		t.Errorf("with a prefix: %q, %v", res.Stdout, err)
	}
}

func TestRunHidesSecretsAndCleansTheEnvironment(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("FROM_OUTSIDE", "yes")
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	cmd := shell("read secret; echo \"$secret $KEY $LC_ALL $FROM_OUTSIDE\"; exit 1")
	cmd.Stdin, cmd.Env = []byte("s3cret\n"), []string{"KEY=k3y"}
	res, err := host.New().Run(ctx, cmd)
	if err != nil || string(res.Stdout) != "s3cret k3y C \n" {
		t.Errorf("got %q, %v", res.Stdout, err)
	}
	if seen := fmt.Sprint(steps.List()); strings.Contains(seen, "s3cret") || strings.Contains(seen, "k3y") || len(steps.Host()) != 1 {
		t.Errorf("crossings: %s", seen)
	}
}

func TestRunBoundsOutput(t *testing.T) {
	res, err := host.New().Run(hosttest.Context(t), shell("echo first; head -c 5000000 /dev/zero; echo last"))
	if err != nil {
		t.Fatal(err)
	}
	out := string(res.Stdout)
	if len(out) > 65<<10 || !strings.HasPrefix(out, "first\n") || !strings.HasSuffix(out, "last\n") || !strings.Contains(out, "truncated") {
		t.Errorf("%d bytes, %q … %q", len(out), out[:10], out[len(out)-10:])
	}
}

func TestDeadlineKillsGrandchildren(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(hosttest.Context(t))
	go func() {
		defer cancel()
		for len(words(pids)) < 2 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	_, err := host.New().Run(ctx, shell(fmt.Sprintf("echo $$ >> %s; sh -c 'echo $$ >> %s; sleep 1000; true'; true", pids, pids)))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "killed after") {
		t.Errorf("Run: %v", err)
	}
	for _, word := range words(pids) {
		awaitDead(t, word)
	}
}

func words(file string) []string {
	b, _ := os.ReadFile(file)
	return strings.Fields(string(b))
}

// awaitDead waits until a process is gone or a zombie of somebody else.
func awaitDead(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(unix.Kill(n, 0), unix.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s is still alive", pid)
}

// A daemon that the command leaves behind keeps its pipes open: that must not
// keep us.
func TestPipeHolderDoesNotKeepUs(t *testing.T) {
	h := host.New()
	h.Runner = host.Exec{Grace: 50 * time.Millisecond}
	pidFile := filepath.Join(t.TempDir(), "pid")
	res, err := h.Run(hosttest.Context(t), shell("setsid sh -c 'echo $$ > "+pidFile+"; exec sleep 1000' & while [ ! -s "+pidFile+" ]; do sleep 0.01; done; echo done"))
	if err != nil || res.ExitCode != 0 || string(res.Stdout) != "done\n" {
		t.Errorf("got %+v, %v", res, err)
	}
	for _, word := range words(pidFile) {
		if pid, err := strconv.Atoi(word); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func TestKilledDaemonTakesItsCommandsAlong(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	daemon := exec.Command(os.Args[0])
	daemon.Env = append(os.Environ(), childMode+"="+pidFile)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if len(words(pidFile)) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = daemon.Process.Kill()
	_ = daemon.Wait()
	if pids := words(pidFile); len(pids) != 1 {
		t.Fatalf("the child was not started: %v", pids)
	}
	awaitDead(t, words(pidFile)[0])
}

// Many commands at once: PDEATHSIG must not fire because a thread ended.
func TestManyCommandsSurviveTheirThreads(t *testing.T) {
	ctx := hosttest.Context(t)
	h := host.New()
	errs := make(chan error, 100)
	for range cap(errs) {
		go func() {
			res, err := h.Run(ctx, shell("sleep 0.05; exit 0"))
			if err == nil {
				err = res.Check("sh")
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A process that writes to a frozen filesystem sleeps uninterruptibly, as one on
// a dead disk does.
func TestUnkillableCommandIsLeftBehind(t *testing.T) {
	hosttest.NeedTools(t, "mkfs.ext4", "fsfreeze")
	h := host.New()
	h.Runner = host.Exec{Grace: 100 * time.Millisecond}
	device := hosttest.Loop(t, h, hosttest.Image(t, 64<<20))
	hosttest.Tool(t, "mkfs.ext4", "-q", device)
	dir := t.TempDir()
	if err := h.Mount(hosttest.Context(t), host.MountCall{Source: device, Target: dir, FSType: "ext4"}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Unmount(hosttest.Context(t), dir); err != nil {
			t.Error(err)
		}
	}()
	hosttest.Tool(t, "fsfreeze", "-f", dir)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := h.Run(ctx, shell("exec touch "+dir+"/x"))
	took := time.Since(began)
	hosttest.Tool(t, "fsfreeze", "-u", dir)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || took > 20*time.Second {
		t.Errorf("Run after %s: %v", took, err)
	}
	if !strings.Contains(err.Error(), "left behind") && !strings.Contains(err.Error(), "killed") {
		t.Errorf("Run: %v", err)
	}
	t.Log(err)
}
