//go:build lab

package iscsi_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/iscsi"
)

// shared is one unit of a target that has several, with CHAP both ways. The
// file that FUXI_ISCSI_SHARED names begins with the target's name and its
// portals, a word each.
func shared(t *testing.T, unit int) connector.Connection {
	t.Helper()
	file := os.Getenv("FUXI_ISCSI_SHARED")
	if file == "" {
		hosttest.Skip(t, "needs a real target with several units: FUXI_ISCSI_SHARED names no file")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(content))
	var portals, iqns, units []any
	for _, p := range words[1:] {
		portals, iqns, units = append(portals, p), append(iqns, words[0]), append(units, float64(unit))
	}
	return connector.Connection{Driver: iscsi.Driver, VolumeID: "unit-" + string(rune('0'+unit)), SizeGiB: 1, Access: connector.ReadWrite,
		Data: map[string]any{"target_portals": portals, "target_iqns": iqns, "target_luns": units,
			"auth_method": "CHAP", "auth_username": "fuxiuser", "auth_username_in": "targetuser"},
		Secret: map[string]any{"auth_password": "fuxisecret123", "auth_password_in": "targetsecret1"}}
}

func sharedConnector(t *testing.T, conns ...connector.Connection) *iscsi.Connector {
	c := iscsi.New(host.New(), iscsi.Options{Multipath: labMode(), Notice: func(_ context.Context, text string) { t.Log("notice:", text) }})
	t.Cleanup(func() {
		for _, conn := range conns {
			if err := c.Disconnect(context.Background(), conn); err != nil {
				t.Error(err)
			}
		}
		_ = c.Close(hosttest.Context(t))
		if left := leftovers(host.New()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return c
}

func TestSharedTargetOnARealTarget(t *testing.T) {
	a, b := shared(t, 0), shared(t, 1)
	c := sharedConnector(t, a, b)
	ctx := hosttest.Context(t)
	var srcA, srcB connector.Source
	var errA, errB error
	var both sync.WaitGroup
	both.Go(func() { srcA, errA = c.Connect(ctx, a) })
	both.Go(func() { srcB, errB = c.Connect(ctx, b) })
	both.Wait()
	if errA != nil || errB != nil || srcA.Device == srcB.Device || srcA.Proof["wwid"] == srcB.Proof["wwid"] {
		t.Fatalf("got %v, %v, %v, %v", srcA, errA, srcB, errB)
	}
	records, _ := filepath.Glob("/var/lib/iscsi/nodes/*/*")
	for _, r := range records {
		if st, err := os.Stat(r); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", r, st.Mode(), err)
		}
	}
	if err := c.Disconnect(ctx, a); err != nil {
		t.Fatal(err)
	}
	if src, err := c.Find(ctx, b); err != nil || src.Device != srcB.Device {
		t.Errorf("the other unit after a Disconnect: %v, %v", src, err)
	}
	other := iscsi.New(host.New(), iscsi.Options{Multipath: labMode()})
	defer other.Close(ctx)
	for range 3 {
		both.Go(func() {
			if _, err := other.Connect(ctx, a); err != nil {
				t.Error(err)
			}
			if err := other.Disconnect(ctx, a); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := c.Disconnect(ctx, b); err != nil {
				t.Error(err)
			}
			if _, err := c.Connect(ctx, b); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
	}
}

// TestStaleUnitOnARealTarget needs somebody outside who gives unit 0 to another
// disk when the file of FUXI_ISCSI_CUT says so.
func TestStaleUnitOnARealTarget(t *testing.T) {
	a, b := shared(t, 0), shared(t, 1)
	c := sharedConnector(t, a, b)
	stage := stageFile(t)
	ctx := hosttest.Context(t)
	if _, err := c.Connect(ctx, b); err != nil {
		t.Fatal(err)
	}
	first, err := c.Connect(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	release := holdDevice(t, first.Device)
	stage("swap")
	a.Proven = first.Proof
	_, err = c.Connect(ctx, a)
	t.Log("in use, another disk behind it:", err)
	if !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("in use: got %v", err)
	}
	release()
	_, err = c.Connect(ctx, a)
	t.Log("idle, proved to be another:", err)
	if !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("proved: got %v", err)
	}
	a.Proven = nil
	time.Sleep(time.Second)
	second, err := c.Connect(ctx, a)
	t.Log(second, err)
	if err != nil || second.Proof["wwid"] == first.Proof["wwid"] {
		t.Errorf("afterwards: %v, %v", second, err)
	}
	if _, err := c.Find(ctx, b); err != nil {
		t.Errorf("the other unit: %v", err)
	}
}
