package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/openstack/fuxi/config"
	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/iscsi"
	"github.com/openstack/fuxi/connector/local"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/openstack"
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
	session, err := openstack.New(cloudConfig(cfg.Cloud), log)
	if err != nil {
		return nil, err
	}
	session.KeepProject(volume.ProjectKeeper(cfg.Plugin.StateDir))
	settings, err := serviceConfig(cfg, machine)
	if err != nil {
		return nil, err
	}
	notice := func(_ context.Context, text string) { log.Warn(text) }
	overISCSI := iscsi.New(machine, iscsi.Options{Multipath: cfg.Cinder.Multipath, Notice: notice})
	backend, err := newBackend(cfg, machine, session, settings.Host.Name)
	if err != nil {
		return nil, err
	}
	backend.Connectors = map[string]connector.Connector{
		local.Driver: local.New(machine, ownerTag(cfg.Plugin.StateDir)),
		iscsi.Driver: overISCSI,
	}
	filesystems := mount.New(machine)
	filesystems.Notice = notice
	service := volume.New(ctx, settings, backend, filesystems, log)
	door := docker.New(service, docker.Options{Log: log, Drain: stopLimit / 2})
	return &fuxi{cfg: cfg, log: log, service: service, iscsi: overISCSI, door: door, base: ctx}, nil
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

func cloudConfig(c config.Cloud) openstack.Config {
	out := openstack.Config{
		Name: c.Name, Cloud: c.Cloud, Region: c.Region, Interface: c.Interface,
		CACert: c.CAFile, ClientCert: c.CertFile, ClientKey: c.KeyFile, Insecure: c.Insecure,
	}
	if c.Cloud != "" {
		out.CloudsFile = c.CloudsFile
	}
	return out
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
		Host:     volume.HostIdentity{Name: name, IP: ip, Properties: machine.Properties(name, ip)},
		Describe: func(context.Context) (map[string]any, error) { return paths(machine, cfg.Cinder.Multipath) },
		Refresh:  cfg.Plugin.Refresh.Duration, Linger: cfg.Cinder.Linger.Duration,
		WaitForRelease: cfg.Cinder.WaitForRelease.Duration, ReservationAge: cfg.Cinder.ReservationAge.Duration,
		Defaults: volume.Defaults{
			Provider: cfg.Plugin.Providers[0], SizeGiB: cfg.Cinder.DefaultSize, FSType: cfg.Cinder.FSType,
			Type: cfg.Cinder.VolumeType, Zone: cfg.Cinder.Zone,
		},
		UnzeroedTypes: cfg.Cinder.UnzeroedTypes,
	}, nil
}

// paths is what the cloud is told about several paths to one volume, as it is
// now: multipathd may be started and stopped while fuxi runs.
func paths(machine *host.Host, mode string) (map[string]any, error) {
	several, err := iscsi.UseMultipath(machine, mode)
	if err != nil {
		return nil, fmt.Errorf("[cinder] multipath = %q: %w", mode, err)
	}
	return map[string]any{"multipath": several, "enforce_multipath": mode == iscsi.Require}, nil
}

// newBackend lacks the connectors, which are the caller's.
func newBackend(cfg config.Config, machine *host.Host, session *openstack.Session, hostName string) (volume.Backend, error) {
	machineID, err := machine.MachineID()
	if err != nil {
		return volume.Backend{}, err
	}
	provider := cinder.New(session, cinder.Config{Cluster: cfg.Plugin.Cluster, CloudName: cfg.Cloud.Name})
	return volume.Backend{
		Cloud: cfg.Cloud.Name, Name: "cinder",
		Origin: volume.Origin{
			MachineID: machineID, Host: hostName, Cloud: cfg.Cloud.Name,
			AuthURL: session.AuthURL(), Project: session.Scope(), Region: session.Region(),
		},
		Provider: provider, Attacher: provider, Health: health{session},
	}, nil
}

// ownerTag tells the daemons of one machine apart, on the devices they make.
func ownerTag(stateDir string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(filepath.Clean(stateDir))))[:8]
}

// health shows a session's health as the Service wants to see it.
type health struct{ *openstack.Session }

func (h health) LastAnswer() time.Time { return h.Session.Health().LastAnswer }

func (h health) LastError() string {
	if now := h.Session.Health(); now.Failures > 0 {
		return now.LastError
	}
	return ""
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
	err := errors.Join(f.service.Stop(ctx), f.iscsi.Close())
	f.log.Info("fuxi has stopped; volumes in use stay mounted and attached")
	return err
}
