package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/trace"
)

// systemPath is searched after the daemon's own PATH: a daemon started by hand
// often lacks the sbin directories, where most of its tools are.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// defaultGrace is how long a killed command may take to die before it is left
// behind, and how long the pipes of a finished one may stay open.
const defaultGrace = 2 * time.Second

// Command is one program to run. Name and Args appear in traces and messages:
// secrets go by Stdin or Env, which appear nowhere.
type Command struct {
	Name  string
	Args  []string
	Stdin []byte   // nil is /dev/null
	Env   []string // added to a clean environment (PATH, LC_ALL=C)
}

// String returns the command's words.
func (c Command) String() string {
	return strings.Join(append([]string{c.Name}, c.Args...), " ")
}

// Result is what a command that ran to its end left. Each output is at most
// about 64 KiB; what was cut in the middle is said there.
type Result struct {
	Stdout, Stderr []byte
	ExitCode       int
}

// Check returns nil for exit code 0, else an error with the tool's last words.
func (r Result) Check(what string) error {
	if r.ExitCode == 0 {
		return nil
	}
	return fmt.Errorf("%s: exit code %d: %s", what, r.ExitCode, r.LastWords())
}

// LastWords returns the last lines of what the command said, for messages.
func (r Result) LastWords() string {
	for _, out := range [][]byte{r.Stderr, r.Stdout} {
		if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); lines[0] != "" {
			return strings.Join(lines[max(0, len(lines)-5):], "; ")
		}
	}
	return "it said nothing"
}

// Runner runs one command and returns when it ended, or soon after ctx ended.
//
// An error means the command did not run to its end: not found, killed at the
// end of ctx (the whole process group, with SIGKILL), ended by a signal, or left
// behind because even SIGKILL did not end it (a process in uninterruptible sleep
// on a dead disk). Any exit code, zero or not, is no error: only the caller
// knows what a tool means by it.
type Runner interface {
	Run(ctx context.Context, cmd Command) (Result, error)
}

// Exec is the Runner that starts real processes.
//
// A child dies with the daemon (PDEATHSIG), so that an mkfs does not go on
// writing below a restarted fuxi. The kernel ties that signal to the thread
// that forked, not to the process: the thread is therefore kept until the child
// ended. The signal is not instant; a restarted daemon that is quicker meets the
// exclusive open of the dying tool and waits.
type Exec struct {
	Grace time.Duration // 0 is two seconds
}

// process is one started command and the stages of its end.
type process struct {
	cmd      *exec.Cmd
	started  chan error
	exited   chan struct{} // ended but not reaped: its pid still means it
	reap     chan struct{} // closed by the caller after its last signal
	finished chan error    // reaped, outputs complete
}

// Run implements Runner.
func (e Exec) Run(ctx context.Context, c Command) (Result, error) {
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s: not started: %w", c.Name, context.Cause(ctx))
	}
	path, err := lookPath(c.Name)
	if err != nil {
		return Result{}, err
	}
	grace := e.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	var stdout, stderr boundedOutput
	cmd := exec.Command(path, c.Args...)
	cmd.Env = append([]string{"PATH=" + searchPath(), "LC_ALL=C", "LANGUAGE=C", "HOME=/"}, c.Env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "/", &stdout, &stderr, grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	p := &process{cmd: cmd, started: make(chan error, 1), exited: make(chan struct{}), reap: make(chan struct{}), finished: make(chan error, 1)}
	begin := time.Now()
	go p.follow(trace.Cross(ctx, trace.Host, c.String()))
	if err := <-p.started; err != nil {
		return Result{}, fmt.Errorf("%s: cannot start: %w", c.Name, err)
	}
	err = p.await(ctx, grace)
	res := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: -1}
	return p.judge(ctx, c, res, err, time.Since(begin))
}

// follow starts the command, waits for its end and reaps it, all on one thread:
// the thread that forked must outlive the child, or PDEATHSIG would fire early.
func (p *process) follow(done func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	if err != nil {
		done()
	}
	p.started <- err
	if err != nil {
		return
	}
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	close(p.exited)
	<-p.reap
	err = p.cmd.Wait()
	done()
	p.finished <- err
}

// errLeftBehind says that a command did not die of SIGKILL.
var errLeftBehind = errors.New("still there after SIGKILL")

// await returns how the process ended. The group is signalled only while its
// leader is not reaped, so that the number cannot mean anybody else.
func (p *process) await(ctx context.Context, grace time.Duration) error {
	defer func() {
		select {
		case <-p.reap:
		default:
			close(p.reap)
		}
	}()
	select {
	case <-p.exited:
	case <-ctx.Done():
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
		select {
		case <-p.exited:
		case <-time.After(grace):
			return errLeftBehind
		}
	}
	close(p.reap)
	select {
	case err := <-p.finished:
		return err
	case <-time.After(2 * grace):
		return errLeftBehind
	}
}

// judge turns the end of a process into Runner's answer.
func (p *process) judge(ctx context.Context, c Command, res Result, err error, took time.Duration) (Result, error) {
	took = took.Round(time.Millisecond)
	if errors.Is(err, errLeftBehind) {
		pid := p.cmd.Process.Pid
		return res, fmt.Errorf("%s: pid %d does not die of SIGKILL (%s) and is left behind after %s: %w",
			c.Name, pid, processState(pid), took, context.Cause(ctx))
	}
	state := p.cmd.ProcessState
	if state == nil {
		return res, fmt.Errorf("%s: %w", c.Name, err)
	}
	if state.Exited() {
		res.ExitCode = state.ExitCode()
		return res, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return res, fmt.Errorf("%s: killed after %s: %w: %s", c.Name, took, cause, res.LastWords())
	}
	return res, fmt.Errorf("%s: ended by %s after %s: %s", c.Name, state, took, res.LastWords())
}

// processState tells what the kernel says of a process, for messages: its
// state letter and where it sleeps.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "gone meanwhile"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	return fmt.Sprintf("state %.1s in %s", rest, wchan)
}

// lookPath finds a program in the daemon's PATH and the system's directories.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath()) {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 && filepath.IsAbs(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w: install the package that has it", name, exec.ErrNotFound)
}

func searchPath() string {
	if own := os.Getenv("PATH"); own != "" {
		return own + ":" + systemPath
	}
	return systemPath
}
