//go:build lab

package rbd_test

import (
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
)

func TestHoldersOnARealCluster(t *testing.T) {
	conn := labImage(t, "holders")
	c := labConnector(t, conn, rbd.Options{})
	if holders, err := c.Holders(hosttest.Context(t), conn); err != nil || len(holders) != 0 {
		t.Errorf("nobody has it: %v, %v", holders, err)
	}
	src := labConnect(t, c, conn)
	holders, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(holders) != 1 || !holders[0].Self || holders[0].Client+" "+holders[0].Address != src.Proof["client"] {
		t.Fatalf("%+v, %v; connected as %v", holders, err, src.Proof)
	}
	says(t, c.Fence(hosttest.Context(t), conn, holders[0]), connector.ErrUnsafe, "", "this host")
	hidden := connector.Holder{Client: "client.1", Address: holders[0].Address}
	says(t, c.Fence(hosttest.Context(t), conn, hidden), connector.ErrUnsafe, "", "this host")
	missing := conn
	missing.Data = as(conn, conn.Data["auth_username"].(string), "").Data
	missing.Data["name"] = "volumes/fuxi-test-none"
	_, err = c.Holders(hosttest.Context(t), missing)
	says(t, err, nil, "", "fuxi-test-none")
}

func TestFenceOnARealCluster(t *testing.T) {
	conn := labImage(t, "fence")
	c := labConnector(t, conn, rbd.Options{})
	other := connector.Holder{Client: "client.1", Address: "192.0.2.1:0/1234567"}
	for range 2 {
		if err := c.Fence(hosttest.Context(t), conn, other); err != nil {
			t.Fatal(err)
		}
	}
	// The usual capabilities let a user shut out, not let in.
	says(t, c.Unfence(hosttest.Context(t), conn, other), connector.ErrUnsupported, "", "osd blocklist", "profile rbd")
	key := labUser(t, "unfence", "mon", `profile rbd, allow command "osd blocklist"`, "osd", "profile rbd")
	for range 2 {
		if err := c.Unfence(hosttest.Context(t), as(conn, "fuxi-test-unfence", key), other); err != nil {
			t.Fatal(err)
		}
	}
	key = labUser(t, "no-fence", "mon", "allow r", "osd", "allow rwx")
	says(t, c.Fence(hosttest.Context(t), as(conn, "fuxi-test-no-fence", key), other), connector.ErrUnsupported, key, "capability", "profile rbd")
	says(t, c.Fence(hosttest.Context(t), conn, connector.Holder{Address: "--help"}), connector.ErrUnsupported, "", "no address")
}

// A mapping that the cluster has shut out is made anew when nobody uses it.
func TestShutOutOnARealCluster(t *testing.T) {
	conn := labImage(t, "shutout")
	c := labConnector(t, conn, rbd.Options{})
	src := labConnect(t, c, conn)
	holders, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(holders) != 1 {
		t.Fatalf("%v, %v", holders, err)
	}
	hosttest.Tool(t, "ceph", "osd", "blocklist", "add", holders[0].Address)
	t.Cleanup(func() { hosttest.Tool(t, "ceph", "osd", "blocklist", "rm", holders[0].Address) })
	release := holdDevice(t, src.Device)
	_, err = c.Connect(hosttest.Context(t), conn)
	says(t, err, connector.ErrBusy, "", src.Device)
	release()
	again := labConnect(t, c, conn)
	if again.Proof["client"] == src.Proof["client"] {
		t.Errorf("the same client: %v", again.Proof)
	}
	// And one that is shut out can be taken away.
	now, _ := c.Holders(hosttest.Context(t), conn)
	for _, h := range now {
		hosttest.Tool(t, "ceph", "osd", "blocklist", "add", h.Address)
		t.Cleanup(func() { hosttest.Tool(t, "ceph", "osd", "blocklist", "rm", h.Address) })
	}
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Error(err)
	}
	nothing(t)
}
