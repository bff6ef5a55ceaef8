//go:build lab

// The conformance suite on real disks that a hypervisor plugs into this very
// machine: a cloud (the simulated one with user-mode Linux behind it will do, see
// docs/lab.md) attaches a volume to it.
//
//	FUXI_NOVA_CLOUDS   its clouds.yaml, with an entry "sim"
//	FUXI_NOVA_SERVER   the id of the server that this machine is
package nova_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/nova"
	"github.com/openstack/fuxi/providers/cinder"
	provider "github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/trace"
	"github.com/openstack/fuxi/volume"
)

// real is a volume of a cloud, and what attaches it to this machine.
type real struct {
	attacher *provider.Attacher
	volume   volume.Volume
	known    map[string]bool // disks that were here before
	id       string
}

func newReal(t *testing.T) *real {
	t.Helper()
	clouds, server := os.Getenv("FUXI_NOVA_CLOUDS"), os.Getenv("FUXI_NOVA_SERVER")
	if clouds == "" || server == "" {
		hosttest.Skip(t, "needs a cloud: FUXI_NOVA_CLOUDS and FUXI_NOVA_SERVER are not set")
	}
	session, err := openstack.New(openstack.Config{Name: "lab", Cloud: "sim", CloudsFile: clouds}, nil)
	if err != nil {
		t.Fatal(err)
	}
	volumes := cinder.New(session, cinder.Config{Cluster: "fuxi-test"})
	r := &real{known: map[string]bool{}, attacher: provider.New(session, volumes, provider.Config{
		Instance: provider.NewInstance(session, provider.Sources{Configured: server, MetadataURL: "off"})})}
	drives, err := host.New().Drives()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range drives {
		r.known[d.Name] = true
	}
	r.make(t, volumes)
	return r
}

// make creates a volume that goes with the test.
func (r *real) make(t *testing.T, volumes *cinder.Provider) {
	ctx := hosttest.Context(t)
	v, err := volumes.Create(ctx, volume.NewVolume{Name: "connector-nova", SizeGiB: 1})
	for err == nil && v.Status != "available" {
		time.Sleep(50 * time.Millisecond)
		v, err = volumes.Get(ctx, v.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.volume = v
	t.Cleanup(func() {
		r.unplug(t)
		if err := volumes.Delete(context.Background(), v.ID); err != nil {
			t.Error(err)
		}
	})
}

func (r *real) plug(t testing.TB) {
	if r.id != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id, err := r.attacher.Reserve(ctx, r.volume.ID, false)
	if err == nil {
		r.id = id
		_, err = r.attacher.Expose(ctx, r.volume, id, volume.HostIdentity{})
	}
	if err != nil {
		t.Errorf("attach: %v", err)
	}
}

func (r *real) unplug(t testing.TB) {
	if r.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.attacher.Release(ctx, r.id); err != nil {
		t.Errorf("detach: %v", err)
	}
	r.id = ""
}

func (r *real) left() []string {
	drives, err := host.New().Drives()
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, d := range drives {
		if !r.known[d.Name] {
			left = append(left, d.String())
		}
	}
	return left
}

func (r *real) conn() connector.Connection {
	return connector.Connection{Driver: nova.Driver, VolumeID: r.volume.ID, SizeGiB: 1, Access: connector.ReadWrite,
		Data: map[string]any{"serial": r.volume.ID, "server": os.Getenv("FUXI_NOVA_SERVER")}}
}

func TestConformanceOnRealDisks(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject {
		hosttest.NeedRoot(t)
		r := newReal(t)
		return (&attached{Connector: nova.New(host.New(), nova.Options{}), t: t, cloud: r}).subject(r.conn())
	})
}

func TestTimesOnRealDisks(t *testing.T) {
	hosttest.NeedRoot(t)
	r := newReal(t)
	c := nova.New(host.New(), nova.Options{})
	for range 3 {
		timed(t, "attach by Nova", func(context.Context) error { r.plug(t); return nil })
		timed(t, "connect", func(ctx context.Context) error {
			src, err := c.Connect(ctx, r.conn())
			t.Logf("%+v", src)
			return err
		})
		timed(t, "find", func(ctx context.Context) error { _, err := c.Find(ctx, r.conn()); return err })
		timed(t, "disconnect", func(ctx context.Context) error { return c.Disconnect(ctx, r.conn()) })
		timed(t, "detach by Nova", func(context.Context) error { r.unplug(t); return nil })
	}
	if room, err := nova.Limit(host.New()); err != nil || room.Bus != "ubd" || room.Used != 1 {
		t.Errorf("%+v, %v", room, err)
	}
}

func timed(t *testing.T, name string, act func(context.Context) error) {
	t.Helper()
	steps := trace.NewSteps()
	begin := time.Now()
	err := act(trace.WithRecorder(hosttest.Context(t), steps))
	t.Logf("%s: %s, %d crossings, %v", name, time.Since(begin).Round(time.Millisecond), len(steps.All()), err)
	if err != nil {
		t.Fail()
	}
}
