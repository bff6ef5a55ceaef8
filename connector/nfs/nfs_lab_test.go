//go:build lab

// The suite of shares against a real server, and what happens when that server
// is gone. It needs a host with mount.nfs and iptables, and an export that this
// host may write to and that is not mounted.
//
//	FUXI_NFS_EXPORT     SERVER:/PATH of a share of Manila
//	FUXI_NFS_WITHDRAW   shell command that takes this host's access away, done when it returns
//	FUXI_NFS_ALLOW      … that gives it back, and may return before the server knows
//	FUXI_NFS_SQUASHED   SERVER:/PATH of an export with root_squash, writable for all
package nfs_test

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/connector/nfs"
	"github.com/openstack/fuxi/trace"
)

// bench is a connector of a test's own and a share it can reach.
type bench struct {
	*testing.T
	h       *host.Host
	c       *nfs.Connector
	m       *mount.Mounter
	base    string
	conn    connector.Connection
	spec    connector.MountSpec
	notices []string
}

func newBench(t *testing.T) *bench {
	hosttest.NeedRoot(t)
	export := os.Getenv("FUXI_NFS_EXPORT")
	if export == "" {
		hosttest.Skip(t, "needs a real server: FUXI_NFS_EXPORT names no export")
	}
	state := t.TempDir()
	b := &bench{T: t, h: host.New(), base: filepath.Join(state, "shares"), conn: connection(export)}
	b.c = nfs.New(b.h, nfs.Options{Base: b.base, Patience: 3 * time.Second, Notice: func(_ context.Context, text string) {
		t.Log("notice:", text)
		b.notices = append(b.notices, text)
	}})
	b.m = mount.New(b.h)
	b.m.Shares = b.base
	b.spec = connector.MountSpec{Target: filepath.Join(state, "volumes", "s"), Staging: filepath.Join(state, "staging", "s"), Subdir: "data"}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(b.m.Unmount(ctx, b.spec.Target, b.spec.Staging), b.c.Disconnect(ctx, b.conn)); err != nil {
			t.Error(err)
		}
		if b.kernelHas() {
			t.Error("the kernel still has a filesystem of the server")
		}
	})
	return b
}

func connection(export string) connector.Connection {
	return connector.Connection{Driver: nfs.Driver, VolumeID: "5b0d3f3e-0f4c-4f7e-8a57-3a1f1d2b6c01", SizeGiB: 1,
		Access: connector.ReadWrite, Data: map[string]any{"exports": []any{export}}}
}

func (b *bench) connect() connector.Source {
	b.Helper()
	src, err := b.c.Connect(hosttest.Context(b), b.conn)
	if err != nil {
		b.Fatal(err)
	}
	return src
}

func (b *bench) show(src connector.Source) {
	b.Helper()
	if err := b.m.Mount(hosttest.Context(b), src, b.spec); err != nil {
		b.Fatal(err)
	}
}

// within expects act to return in time.
func (b *bench) within(limit time.Duration, what string, act func() error) error {
	b.Helper()
	begin := time.Now()
	err := act()
	took := time.Since(begin)
	b.Logf("%s: %s, %v", what, took.Round(time.Millisecond), err)
	if took > limit {
		b.Errorf("%s took %s, want %s at most", what, took, limit)
	}
	return err
}

func TestConformanceOnARealServer(t *testing.T) {
	connectortest.RunShares(t, func(t *testing.T) (connectortest.Subject, string) {
		b := newBench(t)
		return connectortest.Subject{Connector: b.c, Connection: b.conn}, b.base
	})
}

func TestWrongExports(t *testing.T) {
	b := newBench(t)
	right := os.Getenv("FUXI_NFS_EXPORT")
	server, dir, _ := strings.Cut(right, ":")
	for _, export := range []string{server + ":/", server + ":" + dir + "-other", server + ":" + path.Dir(dir) + "/nothing"} {
		b.conn.Data = map[string]any{"exports": []any{export}}
		err := b.within(20*time.Second, export, func() error { _, err := b.c.Connect(hosttest.Context(t), b.conn); return err })
		if err == nil {
			t.Errorf("%s was connected", export)
		}
	}
	b.conn.Data = map[string]any{"exports": []any{right}}
	b.conn.Proven = map[string]string{"export": right, "version": "4.2", "fsid": "1:2"}
	if _, err := b.c.Connect(hosttest.Context(t), b.conn); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("another filesystem at the same export: %v, want ErrUnsafe", err)
	}
	// Written otherwise it is the same export.
	b.conn.Proven, b.conn.Data = nil, map[string]any{"exports": []any{server + ":" + path.Dir(dir) + "/./" + path.Base(dir) + "/"}}
	if src := b.connect(); src.Export != right {
		t.Errorf("connected %s", src.Export)
	}
}

// F8: a directory that only leads to exports can be mounted like one of them. No
// user's data gets there: the error says what it may be.
func TestWayToAnExport(t *testing.T) {
	b := newBench(t)
	b.conn = connection(path.Dir(os.Getenv("FUXI_NFS_EXPORT")))
	src, err := b.c.Connect(hosttest.Context(t), b.conn)
	if err != nil {
		t.Logf("this server does not show the way: %v", err)
		return
	}
	b.spec.Subdir = "fuxi-data"
	if err := b.m.Mount(hosttest.Context(t), src, b.spec); err == nil || !strings.Contains(err.Error(), "leads to others") {
		t.Errorf("Mount: %v", err)
	}
}

func TestVersions(t *testing.T) {
	for _, version := range []string{"4.2", "4.1", "4.0", "3"} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t)
			b.conn.MountOptions = []string{"vers=" + version}
			src := b.connect()
			if src.Proof["version"] != version || src.Proof["fsid"] == "" {
				t.Errorf("%+v", src)
			}
			b.show(src)
			mounted, err := b.m.Mounts(hosttest.Context(t), b.spec.Target)
			if err != nil || len(mounted) != 1 || mounted[0].Export != src.Export || mounted[0].Device != "" || mounted[0].Subdir != "/data" {
				t.Errorf("Mounts: %+v, %v", mounted, err)
			}
		})
	}
}

// Connecting takes no longer than mount.nfs4 by hand. They take turns, and the
// quicker half of each counts: a lab's host has other things to do as well.
func TestAsQuickAsByHand(t *testing.T) {
	b := newBench(t)
	dir, export := t.TempDir(), os.Getenv("FUXI_NFS_EXPORT")
	var hand, ours, most []time.Duration
	byHand := func() {
		begin := time.Now()
		hosttest.Tool(t, "mount.nfs4", export, dir, "-o", "hard,nosuid,nodev,vers=4.2")
		hand = append(hand, time.Since(begin))
		hosttest.Tool(t, "umount", dir)
	}
	byUs := func() {
		steps := trace.NewSteps()
		ctx := trace.WithRecorder(hosttest.Context(t), steps)
		begin := time.Now()
		src, err := b.c.Connect(ctx, b.conn)
		ours = append(ours, time.Since(begin))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.m.Mount(ctx, src, b.spec); err != nil {
			t.Fatal(err)
		}
		most = append(most, time.Since(begin))
		if n := len(steps.All()); n > 8 {
			t.Errorf("%d crossings of a cold mount: %s", n, steps.Summary())
		}
		t.Log(steps.Summary())
		if err := errors.Join(b.m.Unmount(ctx, b.spec.Target, b.spec.Staging), b.c.Disconnect(ctx, b.conn)); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 12 {
		if round%2 == 0 {
			byHand()
			byUs()
		} else {
			byUs()
			byHand()
		}
	}
	usual := func(times []time.Duration) time.Duration {
		slices.Sort(times)
		return times[len(times)/4].Round(time.Millisecond)
	}
	ratio := usual(ours).Seconds() / usual(hand).Seconds()
	t.Logf("of 12 the third quickest: mount.nfs4 by hand %s, Connect %s (ratio %.2f), Connect and Mount %s", usual(hand), usual(ours), ratio, usual(most))
	if ratio > 1.5 { // what a busy machine does to the figures
		t.Errorf("Connect takes %.2f times as long as mount.nfs4", ratio)
	}
}
