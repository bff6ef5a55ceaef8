package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	"github.com/openstack/fuxi/config"
	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/cephfs"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/iscsi"
	"github.com/openstack/fuxi/connector/local"
	"github.com/openstack/fuxi/connector/nfs"
	"github.com/openstack/fuxi/connector/nova"
	"github.com/openstack/fuxi/connector/rbd"
	"github.com/openstack/fuxi/connector/share"
	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/manila"
	novaapi "github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// builder makes the backends of a configuration: for each provider one, with
// everything that can reach its volumes. It asks no cloud.
type builder struct {
	cfg     config.Config
	machine *host.Host
	host    volume.HostIdentity
	log     *slog.Logger
	notice  func(ctx context.Context, text string)
	iscsi   *iscsi.Connector // set by backends
}

func (b *builder) backends() ([]volume.Backend, error) {
	b.iscsi = iscsi.New(b.machine, iscsi.Options{Multipath: b.cfg.Cinder.Multipath, Notice: b.notice})
	var all []volume.Backend
	for _, provider := range b.cfg.Plugin.Providers {
		made, err := b.backend(provider)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

// backend gives each provider a session of its own: what one service of the
// cloud fails at says nothing of the other.
func (b *builder) backend(provider string) (volume.Backend, error) {
	session, err := openstack.New(cloudConfig(b.cfg.Cloud), b.log)
	if err != nil {
		return volume.Backend{}, err
	}
	session.KeepProject(volume.ProjectKeeper(b.cfg.Plugin.StateDir))
	machineID, err := b.machine.MachineID()
	if err != nil {
		return volume.Backend{}, err
	}
	backend := volume.Backend{
		Cloud: b.cfg.Cloud.Name, Name: provider, Health: health{session},
		Origin: volume.Origin{
			MachineID: machineID, Host: b.host.Name, Cloud: b.cfg.Cloud.Name,
			AuthURL: session.AuthURL(), Project: session.Scope(), Region: session.Region(),
		},
	}
	if provider == "manila" {
		err := b.manila(&backend, session)
		return backend, err
	}
	volumes := b.cinder(&backend, session)
	if b.cfg.Cinder.Connector == "nova" {
		b.nova(&backend, session, volumes)
	}
	return backend, nil
}

// nova has the hypervisor attach the volumes: of what a host of its own could do
// nothing is needed.
func (b *builder) nova(backend *volume.Backend, session *openstack.Session, volumes *cinder.Provider) {
	me := novaapi.NewInstance(session, novaapi.Sources{
		Configured: b.cfg.Nova.InstanceID, ConfigDrive: b.machine.ConfigDriveInstance, Firmware: b.machine.FirmwareIDs,
	})
	room := func() (slots, used int, err error) {
		room, err := nova.Limit(b.machine)
		return room.Slots, room.Used, err
	}
	backend.Attacher = novaapi.New(session, volumes, novaapi.Config{Instance: me, Room: room, MaxVolumes: b.cfg.Nova.MaxVolumes})
	backend.Describe, backend.Decrypted = nil, true
	backend.Connectors = map[string]connector.Connector{nova.Driver: nova.New(b.machine, nova.Options{Notice: b.notice})}
}

func (b *builder) manila(backend *volume.Backend, session *openstack.Session) error {
	m := b.cfg.Manila
	settings := manila.Config{
		Cluster: b.cfg.Plugin.Cluster, CloudName: b.cfg.Cloud.Name, HostName: b.host.Name, HostIP: b.host.IP,
		ShareProto: m.ShareProto, ShareType: m.ShareType, ShareNetwork: m.ShareNetwork,
	}
	for _, cidr := range m.Networks {
		network, err := netip.ParsePrefix(cidr)
		if err != nil {
			return err
		}
		settings.Networks = append(settings.Networks, network)
	}
	mounted := share.Options{Base: sharesDir(b.cfg.Plugin.StateDir), Patience: -1, Notice: b.notice}
	backend.Connectors = map[string]connector.Connector{
		nfs.Driver:    nfs.New(b.machine, mounted),
		cephfs.Driver: cephfs.New(b.machine, mounted),
	}
	if onThisHost(session.AuthURL()) {
		backend.Connectors[local.ShareDriver] = local.NewShare(b.machine, mounted)
	}
	provider := manila.New(session, settings)
	backend.Shares, backend.Provider, backend.Attacher = true, provider, provider
	backend.Defaults = volume.Defaults{SizeGiB: m.DefaultSize, Type: m.ShareType, Zone: m.Zone, ShareProto: m.ShareProto, ShareNetwork: m.ShareNetwork}
	return nil
}

func (b *builder) cinder(backend *volume.Backend, session *openstack.Session) *cinder.Provider {
	c := b.cfg.Cinder
	provider := cinder.New(session, cinder.Config{Cluster: b.cfg.Plugin.Cluster, CloudName: b.cfg.Cloud.Name})
	backend.Provider, backend.Attacher = provider, provider
	backend.Defaults = volume.Defaults{SizeGiB: c.DefaultSize, FSType: c.FSType, Type: c.VolumeType, Zone: c.Zone}
	backend.Describe = b.paths
	backend.Connectors = map[string]connector.Connector{
		local.Driver: local.New(b.machine, ownerTag(b.cfg.Plugin.StateDir)),
		iscsi.Driver: b.iscsi,
		rbd.Driver: rbd.New(b.machine, rbd.Options{
			Mapper: b.cfg.Ceph.Mapper, OSDRequestTimeout: int(b.cfg.Ceph.OSDRequestTimeout.Seconds()),
			ConfDir: b.cfg.Ceph.ConfDir, Shared: !b.cfg.Ceph.Exclusive, Notice: b.notice,
		}),
	}
	return provider
}

// onThisHost tells whether a cloud is the simulated one beside this daemon, whose
// shares are directories: of any other, a path is no export.
func onThisHost(authURL string) bool {
	u, err := url.Parse(authURL)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// sharesDir is where whole exports are mounted, out of users' sight.
func sharesDir(stateDir string) string { return filepath.Join(stateDir, "shares") }

// paths is what the cloud is told about several paths to one volume, as it is
// now: multipathd may be started and stopped while fuxi runs.
func (b *builder) paths(context.Context) (map[string]any, error) {
	mode := b.cfg.Cinder.Multipath
	several, err := iscsi.UseMultipath(b.machine, mode)
	if err != nil {
		return nil, fmt.Errorf("[cinder] multipath = %q: %w", mode, err)
	}
	return map[string]any{"multipath": several, "enforce_multipath": mode == iscsi.Require}, nil
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
