package nova_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/nova"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

const volumeID = "6a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001"

// cloud is what stands behind the connector: it plugs the volume's disk in and
// takes it away.
type cloud interface {
	plug(t testing.TB)
	unplug(t testing.TB)
	left() []string
}

// attached is the connector together with what Nova does around it, as the rest
// of fuxi has it: the disk is plugged before Connect, and taken away after
// Disconnect, or when Connect failed.
type attached struct {
	*nova.Connector
	t     testing.TB
	cloud cloud
	mu    sync.Mutex
}

func (a *attached) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cloud.plug(a.t)
	src, err := a.Connector.Connect(ctx, conn)
	if err != nil {
		a.cloud.unplug(a.t)
	}
	return src, err
}

func (a *attached) Disconnect(ctx context.Context, conn connector.Connection) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.Connector.Disconnect(ctx, conn); err != nil {
		return err
	}
	a.cloud.unplug(a.t)
	return nil
}

func (a *attached) subject(conn connector.Connection) connectortest.Subject {
	return connectortest.Subject{Connector: a, Connection: conn, Leftovers: a.cloud.left}
}

func connection(gib int) connector.Connection {
	return connector.Connection{Driver: nova.Driver, VolumeID: volumeID, SizeGiB: gib, Access: connector.ReadWrite,
		Data: map[string]any{"serial": volumeID, "server": "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e01"}}
}

// vm is a pretend virtual machine.
type vm struct {
	*nova.Connector
	m    *pretend.Machine
	h    *pretend.Hypervisor
	conn connector.Connection

	form  pretend.Plug // of the volume's disk
	disk  *pretend.Disk
	guest *pretend.GuestDisk
}

func newVM(t *testing.T, form pretend.Plug) *vm {
	m := pretend.New(t)
	v := &vm{m: m, h: m.Hypervisor(), conn: connection(1), form: form, disk: m.Disk(hosttest.GiB)}
	v.Connector = nova.New(m.Host, nova.Options{Arrival: 3 * time.Second, Notice: func(_ context.Context, text string) { t.Log("notice:", text) }})
	return v
}

func (v *vm) plug(testing.TB) {
	if v.guest == nil {
		v.guest = v.h.Plug(v.disk, v.form)
	}
}

func (v *vm) unplug(testing.TB) {
	if v.guest != nil {
		v.guest.Unplug()
	}
	v.guest = nil
}

func (v *vm) left() []string {
	drives, err := v.m.Host.Drives()
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, d := range drives {
		left = append(left, d.String())
	}
	return left
}

// subject is the machine as the conformance suite wants it.
func (v *vm) subject(t *testing.T) connectortest.Subject {
	s := (&attached{Connector: v.Connector, t: t, cloud: v}).subject(v.conn)
	s.Hold = func(t *testing.T, src connector.Source) func() { return hold(t, v.m.Host.Path(src.Device)) }
	return s
}

// hold opens a device exclusively until the returned function is called.
func hold(t *testing.T, device string) func() {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	release := sync.OnceFunc(func() { unix.Close(fd) })
	t.Cleanup(release)
	return release
}

// another plugs a disk of somebody else's.
func (v *vm) another(gib int64, form pretend.Plug) *pretend.GuestDisk {
	return v.h.Plug(v.m.Disk(gib*hosttest.GiB), form)
}

func whole(bus string) pretend.Plug { return pretend.Plug{Bus: bus, Serial: volumeID} }
