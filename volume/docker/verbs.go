package docker

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	wire "github.com/docker/go-plugins-helpers/volume"

	"github.com/openstack/fuxi/volume"
)

// verb is one call of the protocol.
type verb struct {
	name   string
	budget time.Duration
	// quiet calls only look; when they succeed they are logged at debug.
	quiet bool
	// guarded calls never answer with an error but "no such volume": dockerd
	// would forget the volume, and never unmount it. What they cannot answer
	// they abort, and dockerd keeps its record.
	guarded bool
	do      func(ctx context.Context, c *call) (answer, error)
}

// answer appends what is sent to Docker to b.
type answer func(b []byte) ([]byte, error)

func (d *Door) verbs() []verb {
	return []verb{
		{name: "Create", budget: longBudget, do: d.create},
		{name: "Remove", budget: shortBudget, do: d.remove},
		{name: "Mount", budget: longBudget, do: d.mount},
		{name: "Unmount", budget: shortBudget, do: d.unmount},
		{name: "Get", budget: shortBudget, quiet: true, guarded: true, do: d.get},
		{name: "List", budget: shortBudget, quiet: true, do: d.list},
		{name: "Path", budget: shortBudget, quiet: true, do: d.path},
		{name: "Capabilities", budget: shortBudget, quiet: true, do: d.capabilities},
	}
}

func (d *Door) create(ctx context.Context, c *call) (answer, error) {
	var req wire.CreateRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume = req.Name
	return done, d.service.Create(ctx, req.Name, req.Options)
}

func (d *Door) remove(ctx context.Context, c *call) (answer, error) {
	var req wire.RemoveRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume = req.Name
	return done, d.service.Remove(ctx, req.Name)
}

func (d *Door) mount(ctx context.Context, c *call) (answer, error) {
	var req wire.MountRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume, c.id = req.Name, req.ID
	path, err := d.service.Mount(ctx, volume.MountRequest{Name: req.Name, User: req.ID})
	if err != nil {
		return nil, err
	}
	c.undo = func(ctx context.Context) error { return d.service.Unmount(ctx, req.Name, req.ID) }
	return encoded(wire.MountResponse{Mountpoint: path}), nil
}

func (d *Door) unmount(ctx context.Context, c *call) (answer, error) {
	var req wire.UnmountRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume, c.id = req.Name, req.ID
	return done, d.service.Unmount(ctx, req.Name, req.ID)
}

func (d *Door) get(ctx context.Context, c *call) (answer, error) {
	var req wire.GetRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume = req.Name
	// Docker asks every driver about every name it does not know, other
	// drivers' names included, and nothing it cannot name can be ours.
	if volume.CheckName(req.Name) != nil {
		return nil, noSuchVolume(req.Name)
	}
	info, err := d.service.Get(ctx, req.Name)
	if errors.Is(err, volume.ErrNotFound) {
		return nil, noSuchVolume(req.Name)
	}
	if err != nil {
		return nil, err
	}
	return func(b []byte) ([]byte, error) { return appendGet(b, info), nil }, nil
}

func (d *Door) list(ctx context.Context, _ *call) (answer, error) {
	all, err := d.service.List(ctx)
	if err != nil {
		return nil, err
	}
	return func(b []byte) ([]byte, error) { return appendList(b, all), nil }, nil
}

func (d *Door) path(ctx context.Context, c *call) (answer, error) {
	var req wire.PathRequest
	if err := c.read(&req); err != nil {
		return nil, err
	}
	c.volume = req.Name
	path, err := d.service.Path(ctx, req.Name)
	return encoded(wire.PathResponse{Mountpoint: path}), err
}

func (d *Door) capabilities(context.Context, *call) (answer, error) {
	return func(b []byte) ([]byte, error) { return append(b, d.caps...), nil }, nil
}

func noSuchVolume(name string) error {
	if len(name) > 255 {
		name = name[:255] + "…"
	}
	return volume.Errorf(volume.ErrNotFound, "no such volume: %s", name)
}

func done(b []byte) ([]byte, error) { return append(b, "{}\n"...), nil }

func encoded(v any) answer {
	return func(b []byte) ([]byte, error) {
		j, err := json.Marshal(v)
		return append(append(b, j...), '\n'), err
	}
}
