package pretend

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/trace"
)

// runner is the host.Runner of a pretend host.
type runner struct{ m *Machine }

// program does what one command says. It is called with the machine locked and
// may unlock it while it waits.
type program func(ctx context.Context, args []string) host.Result

// Run implements host.Runner. A command that the pretend host does not have, or
// an option of it that it does not know, fails the test.
func (r runner) Run(ctx context.Context, c host.Command) (host.Result, error) {
	if ctx.Err() != nil {
		return host.Result{}, fmt.Errorf("%s: not started: %w", c.Name, context.Cause(ctx))
	}
	defer trace.Cross(ctx, trace.Host, c.String())()
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = append(m.commands, c.String())
	if a := m.answer(c.String()); a != nil {
		if a.Also {
			m.program(c)(ctx, c.Args)
		}
		m.mu.Unlock()
		defer m.mu.Lock()
		return a.give(ctx, c)
	}
	res := m.program(c)(ctx, c.Args)
	if ctx.Err() != nil {
		return killed(ctx, c)
	}
	return res, nil
}

// program returns what a command's name stands for.
func (m *Machine) program(c host.Command) program {
	switch c.Name {
	case "iscsiadm":
		return m.iscsiadm
	case "multipath":
		return m.multipath
	case "multipathd":
		return m.multipathd
	case "rbd", "ceph":
		if m.rbd != nil {
			return func(ctx context.Context, _ []string) host.Result { return m.rbd.program(ctx, c) }
		}
	case "readlink", "stat", "blockdev", "find":
		return func(ctx context.Context, _ []string) host.Result { return m.borrow(ctx, c) }
	}
	return func(context.Context, []string) host.Result { return m.unknown(c.String()) }
}

// unknown is what nobody modelled: a silent guess would make a test worthless.
func (m *Machine) unknown(words string) host.Result {
	m.t.Errorf("the pretend host does not know: %s", words)
	return host.Result{ExitCode: 127, Stderr: []byte(words + ": not found\n")}
}

// borrow runs a tool of this machine below the pretend root.
func (m *Machine) borrow(ctx context.Context, c host.Command) host.Result {
	m.mu.Unlock()
	defer m.mu.Lock()
	c.Args = slices.Clone(c.Args)
	for i, arg := range c.Args {
		if filepath.IsAbs(arg) {
			c.Args[i] = m.Host.Path(arg)
			if strings.HasSuffix(arg, "/") {
				c.Args[i] += "/"
			}
		}
	}
	res, err := host.Exec{}.Run(ctx, c)
	if err != nil {
		return host.Result{ExitCode: 127, Stderr: []byte(err.Error())}
	}
	res.Stdout = []byte(strings.ReplaceAll(string(res.Stdout), m.Host.Root, ""))
	res.Stderr = []byte(strings.ReplaceAll(string(res.Stderr), m.Host.Root, ""))
	return res
}

// Commands lists what was run so far.
func (m *Machine) Commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.commands)
}

// wait lets time pass with the machine unlocked; false when the command was
// killed meanwhile.
func (m *Machine) wait(ctx context.Context, d time.Duration) bool {
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func said(out string) host.Result { return host.Result{Stdout: []byte(out)} }

// failed is an exit code and complaints, one a line.
func failed(code int, lines ...string) host.Result {
	return host.Result{ExitCode: code, Stderr: []byte(strings.Join(lines, "\n") + "\n")}
}
