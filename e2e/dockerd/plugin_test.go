package dockerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/docker"
)

const (
	pluginEnv    = "FUXI_TEST_PLUGIN_DIR"
	pluginSocket = "/run/docker/plugins/probe.sock"
)

// TestMain lets this binary be the plugin as well, which must run as a process
// inside the namespace.
func TestMain(m *testing.M) {
	if dir := os.Getenv(pluginEnv); dir != "" {
		if err := servePlugin(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func servePlugin(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := docker.Listen(pluginSocket, 0)
	if err != nil {
		return err
	}
	p := &plugin{dir: dir, calls: os.Stdout}
	p.say("ready")
	return docker.New(p, docker.Options{Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
}

// plugin is a Service whose volumes are directories. It says every call.
type plugin struct {
	mu    sync.Mutex
	dir   string
	calls io.Writer
}

func (p *plugin) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.calls, format+"\n", args...)
}

func (p *plugin) path(name string) string { return filepath.Join(p.dir, name) }

func (p *plugin) Create(_ context.Context, name string, raw map[string]string) error {
	p.say("Create %s %v", name, raw)
	if raw["help"] != "" {
		return volume.Errorf(volume.ErrInvalid, "options:\n  size=N\tGiB\n  \"quoted\" <&>")
	}
	return os.MkdirAll(p.path(name), 0o755)
}

func (p *plugin) Remove(_ context.Context, name string) error {
	p.say("Remove %s", name)
	return os.RemoveAll(p.path(name))
}

func (p *plugin) Mount(_ context.Context, req volume.MountRequest) (string, error) {
	p.say("Mount %s %s", req.Name, req.User)
	return p.path(req.Name), nil
}

func (p *plugin) Unmount(_ context.Context, name, user string) error {
	p.say("Unmount %s %s", name, user)
	return nil
}

func (p *plugin) Get(_ context.Context, name string) (volume.Info, error) {
	p.say("Get %s", name)
	if _, err := os.Stat(p.path("cloud-is-silent")); err == nil {
		return volume.Info{}, volume.Errorf(volume.ErrUnavailable, "the cloud does not answer")
	}
	st, err := os.Stat(p.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return volume.Info{}, volume.Errorf(volume.ErrNotFound, "no directory %s", name)
	}
	if err != nil {
		return volume.Info{}, err
	}
	return volume.Info{Listed: volume.Listed{Name: name, CreatedAt: st.ModTime()}, SizeGiB: 10, State: "available"}, nil
}

func (p *plugin) List(context.Context) (iter.Seq[volume.Listed], error) {
	p.say("List")
	entries, err := os.ReadDir(p.dir)
	var all []volume.Listed
	for _, e := range entries {
		all = append(all, volume.Listed{Name: e.Name()})
	}
	return slices.Values(all), err
}

func (p *plugin) Path(_ context.Context, name string) (string, error) {
	p.say("Path %s", name)
	return "", nil
}
