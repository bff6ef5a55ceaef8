package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
	"github.com/openstack/fuxi/volume/docker"
)

// cloudless is a small Service over a list of volumes, with a failure for each
// name that has one.
type cloudless struct {
	infos    []volume.Info
	status   volume.Status
	failures map[string]error
	options  map[string]string // of the last Create
	format   volume.FormatRequest
	grow     volume.GrowRequest
	grown    volume.Grown
}

func (c *cloudless) Create(_ context.Context, name string, raw map[string]string) error {
	c.options = raw
	return c.failures[name]
}

func (c *cloudless) Remove(_ context.Context, name string) error { return c.failures[name] }

func (c *cloudless) Format(_ context.Context, req volume.FormatRequest) error {
	c.format = req
	return c.failures[req.Name]
}

func (c *cloudless) Grow(_ context.Context, req volume.GrowRequest) (volume.Grown, error) {
	c.grow = req
	return c.grown, c.failures[req.Name]
}

func (c *cloudless) Get(_ context.Context, name string) (volume.Info, error) {
	for _, info := range c.infos {
		if info.Name == name {
			return info, nil
		}
	}
	return volume.Info{}, volume.Errorf(volume.ErrNotFound, "no such volume: %s", name)
}

func (c *cloudless) Infos(context.Context) ([]volume.Info, error) {
	return c.infos, c.failures["*"]
}

func (c *cloudless) Status(context.Context) (volume.Status, error) {
	if c.status.Version == "" {
		c.status.Version = versionString()
	}
	return c.status, c.failures["*"]
}

// daemonOf serves svc behind a real admin socket until the test ends.
func daemonOf(t *testing.T, svc admin.Service) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "admin.sock")
	l, err := docker.Listen(socket, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l, svc, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// said is what one run of the program left behind.
type said struct {
	code     int
	out, err string
}

func fuxiSays(t *testing.T, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, &out, &errs)
	return said{code, out.String(), errs.String()}
}

// at adds the socket to a command line.
func at(socket string, args ...string) []string { return append(args, "--socket", socket) }

func someVolumes() []volume.Info {
	return []volume.Info{
		{Listed: volume.Listed{Name: "db"}, Key: volume.Key{Cloud: "default", Provider: "cinder", ID: "id-db"}, SizeGiB: 100, Type: "存储", State: "in-use",
			FSType: "xfs", Formatted: true, AttachedTo: "host node2", OnRemove: "delete"},
		{Listed: volume.Listed{Name: "web-site", Mountpoint: "/var/lib/fuxi/mounts/web-site"}, Key: volume.Key{Cloud: "default", Provider: "cinder", ID: "id-web"}, SizeGiB: 1,
			Type: "ssd", State: "in-use", FSType: "ext4", Formatted: true, AttachedTo: "host node1", Users: map[string]int{"0123456789abcdef": 2, "fedc": 1}, OnRemove: "delete"},
		{Listed: volume.Listed{Name: "x"}, Key: volume.Key{Cloud: "default", Provider: "cinder", ID: "id-x"}, SizeGiB: 2048, Type: "e\u0301\x1b[2J", State: "available", FSType: "ext4",
			Stale: true, OnRemove: "retain"},
	}
}
