//go:build lab

package rbd_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
)

// stage tells somebody outside that a stage of a test is reached, and waits until
// he has done his part: the file FUXI_RBD_STAGE names holds the stage, and "go"
// afterwards.
func stage(t *testing.T, what string) {
	t.Helper()
	file := os.Getenv("FUXI_RBD_STAGE")
	if file == "" {
		hosttest.Skip(t, "needs somebody outside who turns hosts off: FUXI_RBD_STAGE names no file")
	}
	if err := os.WriteFile(file, []byte(what), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if now, _ := os.ReadFile(file); strings.TrimSpace(string(now)) == "go" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nobody came for %q", what)
		}
	}
}

// TestFirstHostOnARealCluster has the volume until it is told to let go, or dies.
func TestFirstHostOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{Shared: os.Getenv("FUXI_RBD_SHARED") != ""})
	t.Log(labConnect(t, c, conn))
	stage(t, "first has it")
}

// TestSecondHostOnARealCluster runs on another host while the first has the
// volume: it is refused at once, with a name; the first is turned off; then the
// second gets it as soon as the cluster gave the first up, and the kernel has
// shut the dead one out.
func TestSecondHostOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{})
	stage(t, "let the first take it")
	holders, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(holders) != 1 || holders[0].Self {
		t.Fatalf("%+v, %v", holders, err)
	}
	begin := time.Now()
	_, err = c.Connect(hosttest.Context(t), conn)
	t.Logf("refused after %s", time.Since(begin).Round(time.Millisecond))
	says(t, err, connector.ErrBusy, "", holders[0].Client, holders[0].Address)
	nothing(t)
	stage(t, "turn the first off")
	timed(t, "connect after the first died", func(ctx context.Context) error {
		src, err := c.Connect(ctx, conn)
		t.Log(src)
		return err
	})
	now, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(now) != 1 || !now[0].Self {
		t.Errorf("%+v, %v", now, err)
	}
	if list := hosttest.Tool(t, "ceph", "osd", "blocklist", "ls"); !strings.Contains(list, holders[0].Address+" ") {
		t.Errorf("the dead client %s is not shut out:\n%s", holders[0].Address, list)
	}
}

// TestFencedHostOnARealCluster shuts the first host out while it lives and takes
// the volume over.
func TestFencedHostOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{})
	stage(t, "let the first take it")
	holders, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(holders) != 1 || holders[0].Self {
		t.Fatalf("%+v, %v", holders, err)
	}
	timed(t, "fence", func(ctx context.Context) error { return c.Fence(ctx, conn, holders[0]) })
	timed(t, "connect after fencing", func(ctx context.Context) error { _, err := c.Connect(ctx, conn); return err })
	stage(t, "let the first write")
}

// TestSharedHostsOnARealCluster: without exclusive mapping (the first host has
// FUXI_RBD_SHARED) the second is not refused by the storage, sees who has it, and
// goes again; the first works on.
func TestSharedHostsOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	c := labConnector(t, conn, rbd.Options{Shared: true})
	stage(t, "let the first take it")
	if src := labConnect(t, c, conn); src.Proof["exclusive"] != "false" {
		t.Errorf("got %v", src.Proof)
	}
	holders, err := c.Holders(hosttest.Context(t), conn)
	if err != nil || len(holders) != 2 || holders[0].Self == holders[1].Self {
		t.Errorf("%+v, %v", holders, err)
	}
	if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	stage(t, "let the first write")
}
