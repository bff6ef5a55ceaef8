//go:build lab

package rbd_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
)

const otherKey = "AQDm1mJpAAAAABAAgq5vDzSBRF6+qA6NhDUgTg=="

func TestRefusalsOnARealCluster(t *testing.T) {
	conn := labImage(t, "refused")
	c := labConnector(t, conn, rbd.Options{})
	pool, image, _ := strings.Cut(conn.Data["name"].(string), "/")
	user, _ := conn.Data["auth_username"].(string)
	named := func(name string) connector.Connection {
		other := as(conn, user, "")
		other.Secret, other.Data["name"] = nil, name
		return other
	}
	nobody := as(conn, "nobody", "")
	nobody.Secret = nil
	for name, test := range map[string]struct {
		conn  connector.Connection
		kind  error
		words []string
	}{
		"wrong key":     {as(conn, user, otherKey), nil, []string{"refuses the key", "profile rbd pool=" + pool}},
		"bad key":       {as(conn, user, "no-key"), nil, []string{"the cloud sent", "no Ceph key"}},
		"no keyring":    {nobody, connector.ErrUnsupported, []string{"/etc/ceph/ceph.client.nobody.keyring", "/etc/ceph/keyring.bin", "ceph auth get client.nobody", "profile rbd"}},
		"wrong pool":    {named("nopool/" + image), nil, []string{"error opening pool 'nopool'"}},
		"missing image": {named(pool + "/missing"), nil, []string{"error opening image missing"}},
		"no namespace":  {named(pool + "/nons/" + image), nil, []string{"namespace 'nons' does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Connect(hosttest.Context(t), test.conn)
			says(t, err, test.kind, otherKey, test.words...)
			nothing(t)
		})
	}
}

// A user that may not touch the pool's data makes the kernel ask for ever, or
// be refused: both end in time and name the capability.
func TestMissingCapabilitiesOnARealCluster(t *testing.T) {
	conn := labImage(t, "caps")
	c := labConnector(t, conn, rbd.Options{})
	for name, caps := range map[string][]string{
		"no-osd":    {"mon", "profile rbd"},
		"read-only": {"mon", "allow r", "osd", "allow r"},
		"no-mon":    {"osd", "profile rbd"},
	} {
		t.Run(name, func(t *testing.T) {
			key := labUser(t, name, caps...)
			ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := c.Connect(ctx, as(conn, "fuxi-test-"+name, key))
			says(t, err, nil, key, "osd 'profile rbd pool=")
			t.Log(time.Since(begin))
			if name == "no-osd" { // what hangs goes on when it may, and is taken back
				hosttest.Tool(t, "ceph", "auth", "caps", "client.fuxi-test-"+name, "mon", "profile rbd", "osd", "profile rbd")
				if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
					t.Error(err)
				}
				t.Log(time.Since(begin))
			}
			nothing(t)
		})
	}
}

func TestFeaturesOnARealCluster(t *testing.T) {
	conn := labImage(t, "journal", "--image-feature", "layering,exclusive-lock,journaling")
	c := labConnector(t, conn, rbd.Options{})
	_, err := c.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrUnsupported, "", "journaling", "rbd feature disable "+conn.Data["name"].(string)+" journaling", "rbd-nbd")
	nothing(t)
	if _, err := exec.LookPath("rbd-nbd"); err == nil { // it can
		c := labConnector(t, conn, rbd.Options{Mapper: rbd.NBD})
		if src := labConnect(t, c, conn); src.Proof["mapper"] != rbd.NBD || src.Proof["image_id"] == "" || src.Proof["exclusive"] != "true" {
			t.Errorf("got %+v", src)
		}
		if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
			t.Error(err)
		}
		nothing(t)
	}

	plain := labImage(t, "plain", "--image-feature", "layering")
	c = labConnector(t, plain, rbd.Options{})
	if src := labConnect(t, c, plain); src.Proof["exclusive"] != "false" {
		t.Errorf("an image without exclusive-lock: %v", src.Proof)
	}
}

func TestStrangersMappingOnARealCluster(t *testing.T) {
	conn := labImage(t, "stranger")
	c := labConnector(t, conn, rbd.Options{})
	device := strings.TrimSpace(hosttest.Tool(t, "rbd", "map", conn.Data["name"].(string)))
	_, err := c.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrUnsafe, "", "somebody else", device)
	_, err = c.Find(hosttest.Context(t), conn)
	says(t, err, connector.ErrNotConnected, "", device)
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Error(err)
	}
	hosttest.Tool(t, "rbd", "unmap", device)
	nothing(t)
}

// TestGrowthOnARealCluster lets an image grow while it is in use.
func TestGrowthOnARealCluster(t *testing.T) {
	for _, access := range []string{connector.ReadWrite, connector.ReadOnly} {
		t.Run(access, func(t *testing.T) { growth(t, access) })
	}
}

func growth(t *testing.T, access string) {
	conn := labImage(t, "growth")
	conn.Access = access
	c := labConnector(t, conn, rbd.Options{Shared: true})
	src := labConnect(t, c, conn)
	if src.Proof["exclusive"] != "false" {
		t.Errorf("shared and yet exclusive: %v", src.Proof)
	}
	release := holdDevice(t, src.Device)
	hosttest.Tool(t, "rbd", "resize", "--no-progress", "--size", "2G", conn.Data["name"].(string))
	conn.SizeGiB = 2
	for range 2 {
		timed(t, "resize", func(ctx context.Context) (err error) {
			src, err = c.Resize(ctx, conn)
			return err
		})
	}
	if src.SizeBytes != 2<<30 {
		t.Errorf("got %+v", src)
	}
	conn.SizeGiB = 1
	if _, err := c.Resize(hosttest.Context(t), conn); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("smaller than the device: %v", err)
	}
	release()
}

// Mapped exclusively, an image can be grown by nobody, and grows when it is not.
func TestNoGrowthOnARealCluster(t *testing.T) {
	conn := labImage(t, "fixed")
	c := labConnector(t, conn, rbd.Options{})
	if src := labConnect(t, c, conn); src.Proof["exclusive"] != "true" {
		t.Errorf("not exclusive: %v", src.Proof)
	}
	if out, err := exec.Command("rbd", "resize", "--no-progress", "--size", "2G", conn.Data["name"].(string)).CombinedOutput(); err == nil {
		t.Errorf("an exclusively mapped image was grown: %s", out)
	}
	conn.SizeGiB = 2
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	_, err := c.Resize(ctx, conn)
	cancel()
	says(t, err, context.DeadlineExceeded, "", "rbd info")
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	hosttest.Tool(t, "rbd", "resize", "--no-progress", "--size", "2G", conn.Data["name"].(string))
	if src := labConnect(t, c, conn); src.SizeBytes != 2<<30 {
		t.Errorf("got %+v", src)
	}
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
}

// An image of the same name that was made anew is another one.
func TestRecreatedImageOnARealCluster(t *testing.T) {
	conn := labImage(t, "twin")
	c := labConnector(t, conn, rbd.Options{})
	src := labConnect(t, c, conn)
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	conn.Proven = src.Proof
	labConnect(t, c, conn)
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	name := conn.Data["name"].(string)
	hosttest.Tool(t, "rbd", "rm", "--no-progress", name)
	hosttest.Tool(t, "rbd", "create", "--size", "1G", name)
	_, err := c.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrUnsafe, "", src.Proof["image_id"], "made anew")
	nothing(t)
}
