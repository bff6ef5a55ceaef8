package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	mountutils "k8s.io/mount-utils"
	"k8s.io/utils/exec"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// growSlack is how much smaller than its device a filesystem may be before it
// is grown: one ext4 block group. Clouds grow volumes by whole GiB; what is less
// is rounding, and costs no command.
const growSlack = 128 << 20

// grow lets the filesystem have the whole device, if its superblock says that
// it does not. When that fails the data are still served, at the old size:
// Notice is told.
func (j *job) grow(ctx context.Context) error {
	size, err := j.host.DeviceSize(j.src.Device)
	if err != nil {
		return err
	}
	if j.sb.size == 0 || j.spec.ReadOnly || size-j.sb.size < growSlack {
		return nil
	}
	resizer := mountutils.NewResizeFs(runnerExec{ctx: ctx, host: j.host})
	_, failed := resizer.Resize(j.src.Device, j.spec.Staging)
	if failed != nil && ctx.Err() == nil && strings.HasPrefix(j.sb.kind, "ext") {
		if failed, err = j.growUnmounted(ctx, failed); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed != nil {
		j.notice(ctx, fmt.Sprintf("%s has %d bytes but its %s stays at %d: %v", j.src.Device, size, j.sb.kind, j.sb.size, failed))
	}
	return nil
}

// Grow lets the filesystem of src, which is mounted at target, have the whole
// device, while it is in use. target may show any directory of it: the kernel
// grows a filesystem by whatever of it is open. Nothing left to do is success.
//
// An ext4 needs CAP_SYS_RESOURCE for that (the kernel's fs/ext4/resize.c); the
// error says so, and the data are served on, at the old size.
func (m *Mounter) Grow(ctx context.Context, src connector.Source, target string) error {
	shown, err := m.shownAt(src, target)
	if err != nil {
		return err
	}
	resizer := mountutils.NewResizeFs(runnerExec{ctx: ctx, host: m.host})
	_, err = resizer.Resize(src.Device, target)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case strings.HasPrefix(shown.FSType, "ext") && strings.Contains(err.Error(), "Permission denied"):
		return fmt.Errorf("the kernel does not let fuxi grow a mounted %s, which needs the capability CAP_SYS_RESOURCE "+
			"and a filesystem without recorded errors: give fuxi the capability, or stop what uses the volume: it is grown before the next mount (%w)", shown.FSType, err)
	}
	return fmt.Errorf("the %s at %s cannot be grown: %w", shown.FSType, target, err)
}

// shownAt proves that target shows src's filesystem, alone and writable: the
// tools take whatever is mounted there.
func (m *Mounter) shownAt(src connector.Source, target string) (host.Mount, error) {
	number, err := m.host.DeviceNumber(src.Device)
	if err != nil {
		return host.Mount{}, err
	}
	layers, err := m.host.MountsAt(target)
	if err != nil {
		return host.Mount{}, err
	}
	if len(layers) != 1 || !m.host.IsOn(layers[0], number) {
		return host.Mount{}, fmt.Errorf("%s does not show %s, and nothing else: %+v: %w", target, src.Device, layers, connector.ErrUnsafe)
	}
	if layers[0].ReadOnly() {
		return host.Mount{}, fmt.Errorf("the filesystem at %s is mounted read-only and cannot be grown: stop what uses it: %w", target, connector.ErrUnsupported)
	}
	return layers[0], nil
}

// growUnmounted grows an ext filesystem that the kernel would not grow while it
// is mounted: that needs CAP_SYS_RESOURCE, which containers rarely have, and
// some old layouts cannot do it at all. resize2fs insists on a full check first.
// failed says why the filesystem is as small as before; err that it is not
// mounted any more.
func (j *job) growUnmounted(ctx context.Context, online error) (failed, err error) {
	if err := j.clear(ctx, j.spec.Staging); err != nil {
		return online, err
	}
	mounted, err := j.mountedHere(ctx)
	if err != nil {
		return online, err
	}
	if mounted {
		return online, j.stage(ctx)
	}
	if err := j.fsck(ctx, "-f", "-p"); err != nil {
		return online, err
	}
	res, failed := j.host.Run(ctx, host.Command{Name: "resize2fs", Args: []string{j.src.Device}})
	if failed == nil {
		failed = res.Check("resize2fs")
	}
	if failed != nil {
		failed = fmt.Errorf("%w; unmounted: %w", online, failed)
	}
	return failed, j.stage(ctx)
}

// runnerExec lets mount-utils run its commands through the host's Runner, so
// that they end with the context, which mount-utils itself does not take.
type runnerExec struct {
	ctx  context.Context
	host *host.Host
}

// Command implements exec.Interface.
func (r runnerExec) Command(name string, args ...string) exec.Cmd {
	return r.CommandContext(r.ctx, name, args...)
}

// CommandContext implements exec.Interface.
func (r runnerExec) CommandContext(ctx context.Context, name string, args ...string) exec.Cmd {
	return &runnerCmd{ctx: ctx, host: r.host, cmd: host.Command{Name: name, Args: args}}
}

// LookPath implements exec.Interface. The Runner looks for itself.
func (r runnerExec) LookPath(name string) (string, error) { return name, nil }

// runnerCmd is one command of mount-utils. Of exec.Cmd only what its resizing
// uses is there; the rest answers errNotHere or does nothing.
type runnerCmd struct {
	ctx  context.Context
	host *host.Host
	cmd  host.Command
}

var errNotHere = errors.New("not offered by the host's runner")

func (c *runnerCmd) run() (host.Result, error) {
	res, err := c.host.Run(c.ctx, c.cmd)
	if err == nil && res.ExitCode != 0 {
		err = exec.CodeExitError{Err: res.Check(c.cmd.Name), Code: res.ExitCode}
	}
	return res, err
}

// Run implements exec.Cmd.
func (c *runnerCmd) Run() error { _, err := c.run(); return err }

// CombinedOutput implements exec.Cmd; what went to stderr comes last.
func (c *runnerCmd) CombinedOutput() ([]byte, error) {
	res, err := c.run()
	return append(res.Stdout, res.Stderr...), err
}

// Output implements exec.Cmd.
func (c *runnerCmd) Output() ([]byte, error) { res, err := c.run(); return res.Stdout, err }

// SetEnv implements exec.Cmd.
func (c *runnerCmd) SetEnv(env []string) { c.cmd.Env = env }

// SetDir, SetStdin, SetStdout, SetStderr and Stop do nothing here.
func (c *runnerCmd) SetDir(string)       {}
func (c *runnerCmd) SetStdin(io.Reader)  {}
func (c *runnerCmd) SetStdout(io.Writer) {}
func (c *runnerCmd) SetStderr(io.Writer) {}
func (c *runnerCmd) Stop()               {}

// StdoutPipe implements exec.Cmd.
func (c *runnerCmd) StdoutPipe() (io.ReadCloser, error) { return nil, errNotHere }

// StderrPipe implements exec.Cmd.
func (c *runnerCmd) StderrPipe() (io.ReadCloser, error) { return nil, errNotHere }

// Start implements exec.Cmd.
func (c *runnerCmd) Start() error { return errNotHere }

// Wait implements exec.Cmd.
func (c *runnerCmd) Wait() error { return errNotHere }
