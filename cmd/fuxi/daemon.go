package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/openstack/fuxi/config"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/iscsi"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
	"github.com/openstack/fuxi/volume/docker"
)

// stopLimit bounds a stop: answering the calls that run, for at most half of
// it, and giving back unused volumes, for at least half of it.
const stopLimit = 20 * time.Second

// fuxi is the daemon as a value: made by newDaemon, run by run.
type fuxi struct {
	cfg     config.Config
	log     *slog.Logger
	service *volume.Service
	iscsi   *iscsi.Connector
	door    *docker.Door
	base    context.Context
}

// newDaemon wires everything. It asks no cloud and changes nothing.
func newDaemon(ctx context.Context, cfg config.Config, logs io.Writer) (*fuxi, error) {
	log, err := newLogger(cfg.Log, logs)
	if err != nil {
		return nil, err
	}
	recorders, err := trace.FromEnvironment()
	if err != nil {
		return nil, err
	}
	for _, r := range recorders {
		ctx = trace.WithRecorder(ctx, r)
	}
	machine := host.New()
	machine.MountRoot = cfg.Plugin.MountDir
	settings, err := serviceConfig(cfg, machine)
	if err != nil {
		return nil, err
	}
	notice := func(_ context.Context, text string) { log.Warn(text) }
	b := builder{cfg: cfg, machine: machine, host: settings.Host, log: log, notice: notice}
	backends, err := b.backends()
	if err != nil {
		return nil, err
	}
	filesystems := mount.New(machine)
	filesystems.Notice, filesystems.Shares = notice, sharesDir(cfg.Plugin.StateDir)
	service := volume.New(ctx, settings, backends, filesystems, log)
	door := docker.New(service, docker.Options{Log: log, Drain: stopLimit / 2})
	return &fuxi{cfg: cfg, log: log, service: service, iscsi: b.iscsi, door: door, base: ctx}, nil
}

func newLogger(cfg config.Log, out io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("log.level %q: %w", cfg.Level, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, opts)), nil
	}
	return slog.New(slog.NewTextHandler(out, opts)), nil
}

func serviceConfig(cfg config.Config, machine *host.Host) (volume.Config, error) {
	boot, err := machine.BootID()
	if err != nil {
		return volume.Config{}, err
	}
	name, ip := cfg.Host.Name, cfg.Host.IP
	if name == "" {
		if name, err = machine.Hostname(); err != nil {
			return volume.Config{}, fmt.Errorf("this host's name cannot be found out (%w): set [host] name", err)
		}
	}
	if ip == "" {
		if ip, err = machine.DefaultIP(); err != nil {
			ip = "127.0.0.1" // no network yet: connectors that need an address say so
		}
	}
	return volume.Config{
		Version: versionString(), Cluster: cfg.Plugin.Cluster,
		StateDir: cfg.Plugin.StateDir, MountDir: cfg.Plugin.MountDir, BootID: boot,
		Host:    volume.HostIdentity{Name: name, IP: ip, Properties: machine.Properties(name, ip)},
		Refresh: cfg.Plugin.Refresh.Duration, Linger: cfg.Cinder.Linger.Duration,
		WaitForRelease: cfg.Cinder.WaitForRelease.Duration, ReservationAge: cfg.Cinder.ReservationAge.Duration,
		UnzeroedTypes: cfg.Cinder.UnzeroedTypes,
	}, nil
}

// run serves until ctx ends. It listens first and reads its state afterwards,
// so that Docker, which may be starting at the same moment, never finds the
// door shut.
func (f *fuxi) run(ctx context.Context) error {
	front, err := docker.Listen(f.cfg.Plugin.Socket, 0)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.cfg.Plugin.StateDir, 0o711); err != nil {
		return errors.Join(err, front.Close())
	}
	served := make(chan error, 2)
	doorCtx, closeDoors := context.WithCancel(f.base)
	defer closeDoors()
	go func() { served <- f.door.Serve(doorCtx, front) }()
	if err := f.service.Load(f.base); err != nil {
		closeDoors()
		return errors.Join(err, <-served)
	}
	back, err := docker.Listen(f.cfg.Plugin.AdminSocket, 0)
	if err != nil {
		closeDoors()
		return errors.Join(err, <-served)
	}
	go func() { served <- admin.Serve(doorCtx, back, f.service, f.log) }()
	work, stopWork := context.WithCancel(f.base)
	defer stopWork()
	go f.service.Run(work)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	f.log.Info("fuxi is ready", "version", versionString(), "socket", f.cfg.Plugin.Socket, "state_dir", f.cfg.Plugin.StateDir, "cloud", f.cfg.Cloud.Name)
	var told time.Time
	select {
	case err = <-served:
		told = time.Now()
		err = errors.Join(errors.New("a door closed by itself"), err)
		closeDoors()
	case <-ctx.Done():
		told = time.Now()
		_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
		closeDoors()
		err = <-served
	}
	stopWork()
	return errors.Join(err, <-served, f.stop(told))
}

// stop gives back what is not used, in what is left of the time.
func (f *fuxi) stop(told time.Time) error {
	ctx, cancel := context.WithTimeout(f.base, max(stopLimit-time.Since(told), stopLimit/2))
	defer cancel()
	err := errors.Join(f.service.Stop(ctx), f.iscsi.Close(ctx))
	f.log.Info("fuxi has stopped; volumes in use stay mounted and attached")
	return err
}
