package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// command is a running command: a session of its own, so that all of it can
// be found and ended.
type command struct {
	cmd            *exec.Cmd
	stdout, stderr *stream

	mu     sync.Mutex
	stdin  *os.File // nil once closed
	reaped bool     // its process id may be another's
}

func start(req request) (*command, error) {
	argv := req.Argv
	if len(argv) == 1 {
		argv = []string{"bash", "-c", argv[0]}
	}
	c := &command{cmd: exec.Command(argv[0], argv[1:]...)}
	c.cmd.Dir = os.Getenv("HOME")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	theirs, err := c.plumb(req.Stdin)
	if err == nil {
		err = c.cmd.Start()
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	if err != nil {
		c.closeInput()
		c.closeOutput()
		return nil, err
	}
	return c, nil
}

// plumb makes the pipes and returns the ends that are the command's. With
// files of our own, not io.Writers, the end of the command is not held up by
// a daemon that keeps its output open.
func (c *command) plumb(stdin bool) (theirs []*os.File, err error) {
	add := func(s **stream) *os.File {
		var w *os.File
		if err != nil {
			return nil
		}
		if *s, w, err = newStream(); err == nil {
			theirs = append(theirs, w)
		}
		return w
	}
	stdout, stderr := add(&c.stdout), add(&c.stderr)
	if err != nil {
		return theirs, err
	}
	c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
	if stdin {
		var r *os.File
		if r, c.stdin, err = os.Pipe(); err != nil {
			return theirs, err
		}
		c.cmd.Stdin = r
		theirs = append(theirs, r)
	}
	return theirs, nil
}

// wait returns the exit status as a shell counts it. The process is only
// looked at until no kill can be under way, then reaped.
func (c *command) wait() byte {
	for {
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.cmd.Wait()
	c.reaped = true
	status, _ := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + byte(status.Signal())
	}
	return byte(status.ExitStatus())
}

// kill ends every process of the command's session: timeout and interactive
// shells put their children in groups of their own, so one group is not enough.
func (c *command) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.reaped {
		members := session(c.cmd.Process.Pid)
		if len(members) == 0 {
			return
		}
		for _, pid := range members {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// session lists the living processes of a session.
func session(sid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// pid (name) state parent group session; the name may hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 3 && fields[0] != "Z" && fields[3] == strconv.Itoa(sid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// input writes to the command; one that does not read any more is no error.
func (c *command) input(data []byte) {
	if c.stdin != nil {
		_, _ = c.stdin.Write(data)
	}
}

func (c *command) closeInput() {
	if c.stdin != nil {
		_ = c.stdin.Close()
		c.stdin = nil
	}
}

func (c *command) closeOutput() {
	for _, s := range []*stream{c.stdout, c.stderr} {
		if s != nil {
			s.close()
		}
	}
}

// notStarted is the status a shell gives a command that it cannot start.
func notStarted(err error) byte {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}
