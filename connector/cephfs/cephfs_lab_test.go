//go:build lab

// The suite of shares on a real cluster, and what happens when it is gone. It
// needs a host with the kernel's CephFS client and iptables.
//
//	FUXI_CEPHFS_MONITOR   10.0.0.1:6789
//	FUXI_CEPHFS_CLIENT    name of a client that may write to /
//	FUXI_CEPHFS_KEY       its key
//	FUXI_CEPHFS_FS        name of the filesystem
package cephfs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/cephfs"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
)

const sharePath = "/volumes/_nogroup/fuxi-conformance"

type bench struct {
	*testing.T
	c       *cephfs.Connector
	m       *mount.Mounter
	base    string
	monitor string
	conn    connector.Connection
	spec    connector.MountSpec
	notices []string
}

func newBench(t *testing.T) *bench {
	hosttest.NeedRoot(t)
	monitor, client, key, fs := os.Getenv("FUXI_CEPHFS_MONITOR"), os.Getenv("FUXI_CEPHFS_CLIENT"), os.Getenv("FUXI_CEPHFS_KEY"), os.Getenv("FUXI_CEPHFS_FS")
	if monitor == "" || key == "" {
		hosttest.Skip(t, "needs a real cluster: FUXI_CEPHFS_MONITOR and FUXI_CEPHFS_KEY name none")
	}
	root := t.TempDir()
	hosttest.Tool(t, "mount", "-i", "-t", "ceph", monitor+":/", root, "-o", "name="+client+",secret="+key+",mds_namespace="+fs)
	if err := os.MkdirAll(filepath.Join(root, sharePath), 0o755); err != nil {
		t.Fatal(err)
	}
	hosttest.Tool(t, "umount", root)
	state := t.TempDir()
	b := &bench{T: t, base: filepath.Join(state, "shares"), m: mount.New(host.New()), monitor: monitor}
	b.c = cephfs.New(host.New(), cephfs.Options{Base: b.base, Patience: 3 * time.Second, Notice: func(_ context.Context, text string) {
		t.Log("notice:", text)
		b.notices = append(b.notices, text)
	}})
	b.m.Shares = b.base
	b.conn = connector.Connection{Driver: cephfs.Driver, VolumeID: "8d1f6a52-77aa-4d0e-9d7d-21a3f7a1e9c1", SizeGiB: 1, Access: connector.ReadWrite,
		Data:   map[string]any{"exports": []any{monitor + ":" + sharePath}, "client": client, "fs": fs},
		Secret: map[string]any{"access_key": key}}
	b.spec = connector.MountSpec{Target: filepath.Join(state, "volumes", "s"), Staging: filepath.Join(state, "staging", "s"), Subdir: "data"}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(b.m.Unmount(ctx, b.spec.Target, b.spec.Staging), b.c.Disconnect(ctx, b.conn)); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) connect() connector.Source {
	b.Helper()
	src, err := b.c.Connect(hosttest.Context(b), b.conn)
	if err != nil {
		b.Fatal(err)
	}
	return src
}

// cut lets nothing of the cluster arrive any more.
func (b *bench) cut() (mend func()) {
	b.Helper()
	server, _, _ := strings.Cut(b.monitor, ":")
	rules := [][]string{{"OUTPUT", "-d", server}, {"INPUT", "-s", server}}
	for _, rule := range rules {
		for _, ports := range []string{"--dport", "--sport"} {
			hosttest.Tool(b, "iptables", append([]string{"-I"}, append(rule, "-p", "tcp", ports, "3300:7568", "-j", "DROP")...)...)
		}
	}
	is := true
	mend = func() {
		for _, rule := range rules {
			for _, ports := range []string{"--dport", "--sport"} {
				if is {
					hosttest.Tool(b, "iptables", append([]string{"-D"}, append(rule, "-p", "tcp", ports, "3300:7568", "-j", "DROP")...)...)
				}
			}
		}
		is = false
	}
	b.Cleanup(mend)
	return mend
}

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

func TestConformanceOnARealCluster(t *testing.T) {
	connectortest.RunShares(t, func(t *testing.T) (connectortest.Subject, string) {
		b := newBench(t)
		return connectortest.Subject{Connector: b.c, Connection: b.conn}, b.base
	})
}

func TestShown(t *testing.T) {
	b := newBench(t)
	steps := trace.NewSteps()
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	src, err := b.c.Connect(ctx, b.conn)
	if err != nil {
		t.Fatal(err)
	}
	uid := 1000
	b.spec.Owner = connector.Owner{UID: &uid}
	for range 2 {
		if err := b.m.Mount(ctx, src, b.spec); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(steps.Summary())
	mounted, err := b.m.Mounts(ctx, b.spec.Target)
	if err != nil || len(mounted) != 1 || mounted[0].Export != src.Export || mounted[0].Device != "" || mounted[0].Subdir != "/data" {
		t.Errorf("Mounts: %+v, %v; source %+v", mounted, err, src)
	}
	if strings.Contains(steps.Summary(), b.conn.Secret["access_key"].(string)) {
		t.Error("the key is in the trace")
	}
}

// The wrong filesystem, path, key or client is an error that says which.
func TestWrong(t *testing.T) {
	for name, wrong := range map[string]struct {
		change func(b *bench)
		says   string
	}{
		"filesystem": {func(b *bench) { b.conn.Data["fs"] = "nosuchfs" }, `filesystem "nosuchfs"`},
		"path":       {func(b *bench) { b.conn.Data["exports"] = []any{b.monitor + ":/volumes/_nogroup/nothing"} }, "no such directory"},
		"key": {func(b *bench) {
			b.conn.Secret = map[string]any{"access_key": "AQDkxQNrAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}
		}, "does not take the key"},
		"client": {func(b *bench) { b.conn.Data["client"] = "nobody" }, "does not take the key"},
		"no key": {func(b *bench) { b.conn.Secret = nil }, "no access key"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			wrong.change(b)
			if err := b.within(25*time.Second, "connect", func() error { _, err := b.c.Connect(hosttest.Context(t), b.conn); return err }); err == nil || !strings.Contains(err.Error(), wrong.says) {
				t.Errorf("%v, want %q", err, wrong.says)
			}
			if left, _ := os.ReadDir(b.base); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// F7 for a cluster that is gone: before a mount, while in use, and at the end.
func TestDeadCluster(t *testing.T) {
	b := newBench(t)
	ctx := hosttest.Context(t)
	mend := b.cut()
	if err := b.within(10*time.Second, "connect", func() error { _, err := b.c.Connect(ctx, b.conn); return err }); err == nil {
		t.Error("connected to a dead cluster")
	}
	mend()
	src := b.connect()
	if err := b.m.Mount(ctx, src, b.spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.spec.Target, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	mend = b.cut()
	if err := b.within(time.Second, "find", func() error { _, err := b.c.Find(ctx, b.conn); return err }); err != nil {
		t.Error(err)
	}
	if err := b.within(10*time.Second, "connect again", func() error { _, err := b.c.Connect(ctx, b.conn); return err }); err == nil {
		t.Error("connected to a dead cluster")
	}
	if err := b.within(time.Second, "unmount of the target", func() error { return b.m.Unmount(ctx, b.spec.Target, b.spec.Staging) }); err != nil {
		t.Error(err)
	}
	disconnect := func() error { return b.c.Disconnect(ctx, b.conn) }
	if err := b.within(10*time.Second, "disconnect", disconnect); err == nil || !strings.Contains(err.Error(), "kept for the server's return") {
		t.Errorf("unwritten data was given up at once: %v", err)
	}
	mend()
	if err := b.within(30*time.Second, "disconnect after the cluster came back", disconnect); err != nil {
		t.Error(err)
	}
	src = b.connect()
	if err := b.m.Mount(ctx, src, b.spec); err != nil {
		t.Fatal(err)
	}
	if x, err := os.ReadFile(filepath.Join(b.spec.Target, "x")); err != nil || string(x) != "x" {
		t.Errorf("what was written before the cluster was away: %q, %v", x, err)
	}
	if err := os.Remove(filepath.Join(b.spec.Target, "x")); err != nil {
		t.Error(err)
	}
	mend = b.cut()
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Error(err)
	}
	_ = disconnect()
	time.Sleep(3 * time.Second)
	if err := b.within(30*time.Second, "disconnect after Patience", disconnect); err != nil {
		t.Errorf("a dead cluster keeps the share: %v", err)
	}
	mend()
}
