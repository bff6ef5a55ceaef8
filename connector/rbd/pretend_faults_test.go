package rbd_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/rbd"
	"github.com/openstack/fuxi/trace"
)

// Whatever the kernel refuses, the error says what to do, and nothing is left.
func TestPretendRefusals(t *testing.T) {
	s := newScene(t, rbd.Options{})
	s.cluster.User("no-data", pretend.User{Key: secret, NoData: true})
	s.cluster.Image("volumes/journal", hosttest.GiB, pretend.DefaultRBD|pretend.FeatureJournal)
	sent := func(user, key string) connector.Connection {
		conn := s.with("auth_username", user)
		conn.Secret = map[string]any{"keyring": "[client." + user + "]\nkey=" + key + "\n"}
		return conn
	}
	for name, test := range map[string]struct {
		conn  connector.Connection
		kind  error
		words []string
	}{
		"wrong key":     {sent("cinder", text("\x01\x00another-key-of-28-bytes!!!!!")), nil, []string{"refuses the key", "mon 'profile rbd'", "osd 'profile rbd pool=volumes'"}},
		"bad key":       {sent("cinder", "s3cret"), nil, []string{"the cloud sent", "no Ceph key"}},
		"other section": {sent("cinder]\n[client.x", text(secret)), connector.ErrUnsupported, []string{"auth_username"}},
		"no keyring": {s.with("auth_username", "nobody"), connector.ErrUnsupported, []string{"/etc/ceph/ceph.client.nobody.keyring", "/etc/ceph/ceph.keyring",
			"/etc/ceph/keyring (", "ceph auth get client.nobody", "profile rbd", "0600"}},
		"no capability": {sent("no-data", text(secret)), nil, []string{"client.no-data", "osd 'profile rbd pool=volumes'"}},
		"wrong pool":    {s.with("name", "nopool/image"), nil, []string{"error opening pool 'nopool'"}},
		"missing image": {s.with("name", "volumes/none"), nil, []string{"error opening image none"}},
		"features":      {s.with("name", "volumes/journal"), connector.ErrUnsupported, []string{"features journaling", "rbd feature disable volumes/journal journaling"}},
		"no monitor":    {s.with("hosts", []any{"192.0.2.99"}), nil, []string{"192.0.2.99:6789", "no monitor answered"}},
		"nowhere":       {s.with("hosts", nil), connector.ErrUnsupported, []string{"/etc/ceph/ceph.conf", "mon_host"}},
		"no key asked":  {s.with("auth_enabled", false), connector.ErrUnsupported, []string{"the cloud says that it does not"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Connect(hosttest.Context(t), test.conn)
			expect(t, err, test.kind, test.words...)
			s.nothing(t)
		})
	}
}

// The way there and back has no command and at most three writes, and the key is
// in nothing that anybody can read.
func TestPretendNoCommandNoSecret(t *testing.T) {
	s := newScene(t, rbd.Options{})
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	src, err := s.Connect(ctx, s.conn)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile(s.m.Host.Path("/sys/bus/rbd/devices/0/config_info"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Disconnect(ctx, s.conn); err != nil {
		t.Fatal(err)
	}
	if commands := s.m.Commands(); len(commands) > 0 || len(steps.Host()) > 3 {
		t.Errorf("commands %v, crossings %v", commands, steps.Host())
	}
	seen := strings.Join(steps.List(), "\n") + string(info) + strings.Join(s.kernel.Lines(), "\n")
	for _, value := range src.Proof {
		seen += value
	}
	if strings.Contains(seen, text(secret)) || strings.Contains(seen, secret) {
		t.Errorf("the key is to be seen: %s", seen)
	}
	// Of a key that is in no file, the tools get it by the environment.
	conn := s.with("name", "volumes/none")
	conn.Secret = map[string]any{"keyring": text(secret)}
	_, err = s.Connect(ctx, conn)
	expect(t, err, nil, "error opening image")
	if all := strings.Join(s.m.Commands(), "\n"); strings.Contains(all, text(secret)) || !strings.Contains(all, "rbd ") {
		t.Errorf("commands: %s", all)
	}
	s.nothing(t)
}

// A cluster that does not answer holds Connect up no longer than its time, and
// what the kernel does in the end is taken back.
func TestPretendHang(t *testing.T) {
	s := newScene(t, rbd.Options{})
	hang := make(chan struct{})
	s.m.Set(func(*pretend.Faults) { s.kernel.Hang = hang })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err := s.Connect(ctx, s.conn)
	expect(t, err, context.DeadlineExceeded, "hangs in the kernel", "rbd info finds it", "profile rbd")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	short, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	expect(t, s.Disconnect(short, s.conn), context.DeadlineExceeded, "hangs in the kernel")
	s.m.Set(func(*pretend.Faults) { s.kernel.Hang = nil })
	close(hang)
	s.disconnect(t, s.conn)
	s.nothing(t)
	s.connect(t, s.conn)
	s.disconnect(t, s.conn)
}

// Somebody else's mapping on this host is told and left alone.
func TestPretendStranger(t *testing.T) {
	s := newScene(t, rbd.Options{})
	if err := s.kernel.Map(s.image); err == nil {
		_, err = s.Connect(hosttest.Context(t), s.conn)
		expect(t, err, connector.ErrUnsafe, "somebody else", "/dev/rbd0", "client.admin")
	} else {
		t.Fatal(err)
	}
	_, err := s.Find(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrNotConnected, "/dev/rbd0")
	s.disconnect(t, s.conn)
	if left := s.kernel.Leftovers(); len(left) != 2 || !strings.Contains(s.noticed(), "left alone") {
		t.Errorf("left %v, noticed %q", left, s.noticed())
	}
}

// Another image of the same name, and another cluster of the same name, are
// refused under the same attachment.
func TestPretendAnotherImage(t *testing.T) {
	s := newScene(t, rbd.Options{})
	s.conn.Proven = s.connect(t, s.conn).Proof
	s.disconnect(t, s.conn)
	s.connect(t, s.conn)
	s.disconnect(t, s.conn)
	s.image = s.cluster.Image("volumes/volume-"+volumeID, hosttest.GiB, pretend.DefaultRBD)
	_, err := s.Connect(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrUnsafe, "image's id", s.image.ID, s.conn.Proven["image_id"])
	s.nothing(t)
	s.conn.Proven = map[string]string{"fsid": "another", "image_id": s.image.ID}
	_, err = s.Connect(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrUnsafe, "the cluster", "another", fsid)
	s.nothing(t)
}

// A mapping whose client was shut out is made anew, when nobody uses it.
func TestPretendShutOut(t *testing.T) {
	s := newScene(t, rbd.Options{})
	src := s.connect(t, s.conn)
	_, address, _ := strings.Cut(src.Proof["client"], " ")
	s.cluster.Block(address)
	release := s.hold(t, src.Device)
	_, err := s.Connect(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrBusy, "/dev/rbd0")
	release()
	if again := s.connect(t, s.conn); again.Proof["client"] == src.Proof["client"] || !strings.Contains(s.noticed(), address) {
		t.Errorf("%v, noticed %q", again.Proof, s.noticed())
	}
	s.disconnect(t, s.conn)
}

// One that was mapped for the other access is mapped anew, when nobody uses it.
func TestPretendAccess(t *testing.T) {
	s := newScene(t, rbd.Options{})
	reading := s.conn
	reading.Access = connector.ReadOnly
	src := s.connect(t, reading)
	if ro, err := s.m.Host.DeviceReadOnly(src.Device); err != nil || !ro || src.Proof["exclusive"] != "false" {
		t.Errorf("read-only %v, %v, %v", ro, err, src.Proof)
	}
	_, err := s.Find(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrNotConnected, "another access")
	release := s.hold(t, src.Device)
	_, err = s.Connect(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrBusy, src.Device)
	release()
	if src = s.connect(t, s.conn); src.Proof["exclusive"] != "true" {
		t.Errorf("%v", src.Proof)
	}
	s.disconnect(t, s.conn)
}

// A tool that is missing is said, and does not hide the reason.
func TestPretendNoTools(t *testing.T) {
	s := newScene(t, rbd.Options{})
	s.m.Host.Runner = host.Exec{}
	t.Setenv("PATH", "/nowhere")
	_, err := s.Connect(hosttest.Context(t), s.with("name", "volumes/none"))
	expect(t, err, nil, "no such file", "rbd")
	s.nothing(t)
}

func TestPretendGrowth(t *testing.T) {
	s := newScene(t, rbd.Options{Shared: true})
	src := s.connect(t, s.conn)
	defer s.disconnect(t, s.conn)
	release := s.hold(t, src.Device)
	defer release()
	grown := s.conn
	grown.SizeGiB = 2
	time.AfterFunc(300*time.Millisecond, func() {
		if err := s.image.Grow(2 * hosttest.GiB); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if src, err := s.Resize(hosttest.Context(t), grown); err != nil || src.SizeBytes != 2*hosttest.GiB {
			t.Errorf("got %+v, %v", src, err)
		}
	}
	_, err := s.Resize(hosttest.Context(t), s.conn)
	expect(t, err, connector.ErrUnsafe, "1 GiB")
	none := s.with("name", "volumes/none")
	_, err = s.Resize(hosttest.Context(t), none)
	expect(t, err, connector.ErrNotConnected)
}
