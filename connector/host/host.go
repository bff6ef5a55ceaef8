// Package host is the only part of fuxi that starts a process or reads /proc,
// /sys and /dev. Everything it reads lies below a settable root, everything it
// runs goes through one Runner, and every effect on the system is announced as
// one crossing of the trace: a command by its words, a system call by its name.
package host

import (
	"context"
	"path/filepath"
)

// Host is this machine as fuxi sees it. Set the fields before first use; make
// it with New.
type Host struct {
	// Root is where the machine's /proc, /sys, /dev and /etc are found; "" is /.
	Root string
	// MountRoot is the directory below which all mount points lie. A managed
	// plugin sets it to its propagated mount.
	MountRoot string
	// CommandPrefix is put before each command, for running the host's own tools
	// from inside a container: nsenter, its options, "--".
	CommandPrefix []string
	// Runner starts the commands.
	Runner Runner
	// Keys hands keys to the kernel; nil is the keyring of the calling thread.
	Keys Keys

	loops   chan struct{} // holds the token while a loop device is taken and configured
	pending pending
	dockers dockers
}

// New returns the machine itself: root "/", commands run directly.
func New() *Host {
	return &Host{Runner: Exec{}, loops: make(chan struct{}, 1)}
}

// Path returns where an absolute path of the machine is found by this process.
func (h *Host) Path(elem ...string) string {
	return filepath.Join(append([]string{"/", h.Root}, elem...)...)
}

// Run runs one command of the host, the prefix put before it. See Runner for
// what the answer means.
func (h *Host) Run(ctx context.Context, cmd Command) (Result, error) {
	if n := len(h.CommandPrefix); n > 0 {
		args := append([]string{}, h.CommandPrefix[1:]...)
		cmd.Args = append(append(args, cmd.Name), cmd.Args...)
		cmd.Name = h.CommandPrefix[0]
	}
	return h.Runner.Run(ctx, cmd)
}
