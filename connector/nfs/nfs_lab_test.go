//go:build lab

// The suite of shares against a real server, and what happens when that server
// is gone. It needs a host with mount.nfs and iptables, and an export that this
// host may write to and that is not mounted.
//
//	FUXI_NFS_EXPORT     SERVER:/PATH of a share of Manila
//	FUXI_NFS_WITHDRAW   shell command that takes this host's access away, done when it returns
//	FUXI_NFS_ALLOW      … that gives it back, and may return before the server knows
package nfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
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

// cut lets nothing of the server arrive any more, as when its host is dead.
func (b *bench) cut() (mend func()) {
	b.Helper()
	server, _, _ := strings.Cut(os.Getenv("FUXI_NFS_EXPORT"), ":/")
	rules := [][]string{{"OUTPUT", "-d", server}, {"INPUT", "-s", server}}
	for _, rule := range rules {
		hosttest.Tool(b, "iptables", append([]string{"-I"}, append(rule, "-p", "tcp", "-j", "DROP")...)...)
	}
	is := true
	mend = func() {
		for _, rule := range rules {
			if is {
				hosttest.Tool(b, "iptables", append([]string{"-D"}, append(rule, "-p", "tcp", "-j", "DROP")...)...)
			}
		}
		is = false
	}
	b.Cleanup(mend)
	return mend
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

// A server that is dead is found out before anything is mounted.
func TestDeadServerBeforeMount(t *testing.T) {
	b := newBench(t)
	b.cut()
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(hosttest.Context(t), steps)
	if err := b.within(10*time.Second, "connect", func() error { _, err := b.c.Connect(ctx, b.conn); return err }); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	if slices.ContainsFunc(steps.List(), func(s string) bool { return strings.Contains(s, "mount") }) {
		t.Errorf("a mount from a dead server was tried: %v", steps.List())
	}
	if left, _ := os.ReadDir(b.base); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// F7: a server that dies with a share in use.
func TestDeadServerInUse(t *testing.T) {
	b := newBench(t)
	src := b.connect()
	b.show(src)
	if err := os.WriteFile(filepath.Join(b.spec.Target, "kept"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	mend := b.cut()
	ctx := hosttest.Context(t)
	if err := b.within(time.Second, "find", func() error { _, err := b.c.Find(ctx, b.conn); return err }); err != nil {
		t.Error(err)
	}
	if err := b.within(time.Second, "mounts", func() error { _, err := b.m.Mounts(ctx, filepath.Dir(b.spec.Target)); return err }); err != nil {
		t.Error(err)
	}
	if err := b.within(time.Second, "mount of what is mounted", func() error { return b.m.Mount(ctx, src, b.spec) }); err != nil {
		t.Error(err)
	}
	if err := b.within(10*time.Second, "connect", func() error { _, err := b.c.Connect(ctx, b.conn); return err }); err == nil {
		t.Error("a share of a dead server was connected")
	}
	// A cached directory is opened without the server; what is not known is asked.
	other := b.spec
	other.Target, other.Subdir = b.spec.Target+"2", "other"
	if err := b.within(25*time.Second, "mount of another directory", func() error { return b.m.Mount(ctx, src, other) }); err == nil {
		t.Error("a directory was made on a dead server")
	}
	if err := b.within(time.Second, "unmount of the target", func() error { return b.m.Unmount(ctx, b.spec.Target, b.spec.Staging) }); err != nil {
		t.Error(err)
	}
	mend()
	hang := time.Now()
	for err := error(connector.ErrBusy); errors.Is(err, connector.ErrBusy) && time.Since(hang) < time.Minute; {
		time.Sleep(time.Second)
		err = b.c.Disconnect(ctx, b.conn)
	}
	b.show(b.connect())
	if kept, err := os.ReadFile(filepath.Join(b.spec.Target, "kept")); err != nil || string(kept) != "kept" {
		t.Errorf("after the server came back: %q, %v", kept, err)
	}
}

// A server that is dead for good does not keep a share that nobody uses.
func TestDeadServerDisconnect(t *testing.T) {
	b := newBench(t)
	b.show(b.connect())
	if err := os.WriteFile(filepath.Join(b.spec.Target, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cut()
	ctx := hosttest.Context(t)
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Fatal(err)
	}
	if err := b.within(20*time.Second, "disconnect", func() error { return b.c.Disconnect(ctx, b.conn) }); err != nil {
		t.Error(err)
	}
	if layers, _ := b.h.MountsAt(filepath.Join(b.base, b.conn.VolumeID)); len(layers) > 0 {
		t.Errorf("still there: %+v", layers)
	}
}

// Data that could not be written is not thrown away before Patience is over.
func TestDeadServerUnwrittenData(t *testing.T) {
	b := newBench(t)
	src := b.connect()
	b.conn.Proven = src.Proof // as the journal has it
	b.show(src)
	writer, err := os.Create(filepath.Join(b.spec.Target, "unwritten"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.m.Unmount(hosttest.Context(t), b.spec.Target, b.spec.Staging); !errors.Is(err, connector.ErrBusy) {
		t.Fatalf("unmount with an open file: %v", err)
	}
	hosttest.Tool(t, "umount", "-l", b.spec.Target) // its process is stuck, as a container that was killed
	mend := b.cut()
	go func() {
		_, _ = writer.Write(make([]byte, 300000))
		writer.Close()
	}()
	time.Sleep(time.Second)
	ctx := hosttest.Context(t)
	err = b.within(20*time.Second, "disconnect", func() error { return b.c.Disconnect(ctx, b.conn) })
	if err == nil || !strings.Contains(err.Error(), "kept for the server's return") {
		t.Errorf("Disconnect with unwritten data: %v", err)
	}
	time.Sleep(4 * time.Second)
	if err := b.within(30*time.Second, "disconnect after Patience", func() error { return b.c.Disconnect(ctx, b.conn) }); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(b.notices, func(n string) bool { return strings.Contains(n, "is lost") }) {
		t.Errorf("nobody was told: %v", b.notices)
	}
	mend() // what was given up is still written when the server returns in time
	for begin := time.Now(); time.Since(begin) < 20*time.Second && b.kernelHas(); {
		time.Sleep(100 * time.Millisecond)
	}
	b.show(b.connect())
	if st, err := os.Stat(filepath.Join(b.spec.Target, "unwritten")); err != nil || st.Size() != 300000 {
		t.Errorf("after the server came back: %v, %v", st, err)
	}
}

// kernelHas tells whether the kernel has any filesystem of an NFS server.
func (b *bench) kernelHas() bool {
	volumes, err := os.ReadFile("/proc/fs/nfsfs/volumes")
	if err != nil {
		b.Fatal(err)
	}
	return strings.Count(string(volumes), "\n") > 1
}

// One dead share holds up no other.
func TestDeadServerHoldsUpNobody(t *testing.T) {
	b := newBench(t)
	b.connect()
	b.cut()
	ctx := hosttest.Context(t)
	ended := make(chan error, 1)
	go func() { _, err := b.c.Connect(ctx, b.conn); ended <- err }()
	time.Sleep(100 * time.Millisecond)
	other := connection("10.77.0.1:/nothing/here")
	other.VolumeID = "5b0d3f3e-0f4c-4f7e-8a57-3a1f1d2b6c02"
	_ = b.within(3*time.Second, "another volume", func() error { _, err := b.c.Connect(ctx, other); return err })
	if err := <-ended; err == nil {
		t.Error("a share of a dead server was connected")
	}
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

// An export that is withdrawn and given back: the handle of the mount is stale,
// or its access is refused, until the server knows this host again.
func TestWithdrawn(t *testing.T) {
	withdraw, allow := os.Getenv("FUXI_NFS_WITHDRAW"), os.Getenv("FUXI_NFS_ALLOW")
	if withdraw == "" || allow == "" {
		hosttest.Skip(t, "needs FUXI_NFS_WITHDRAW and FUXI_NFS_ALLOW")
	}
	b := newBench(t)
	b.show(b.connect())
	ctx := hosttest.Context(t)
	run(t, withdraw)
	allowed := false
	t.Cleanup(func() {
		if !allowed {
			run(t, allow)
		}
	})
	err := b.within(15*time.Second, "connect, in use", func() error { _, err := b.c.Connect(ctx, b.conn); return err })
	if err == nil {
		t.Error("a share that was withdrawn was connected")
	}
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Fatal(err)
	}
	err = b.within(25*time.Second, "connect, not in use", func() error { _, err := b.c.Connect(ctx, b.conn); return err })
	if err == nil || !strings.Contains(err.Error(), "access rules") {
		t.Errorf("a share that was withdrawn: %v", err)
	}
	run(t, allow)
	allowed = true
	_ = b.within(15*time.Second, "connect, allowed again", func() error { b.show(b.connect()); return nil })
}

// A directory that the server does not know any more is mounted anew, but not
// under those who use it.
func TestStale(t *testing.T) {
	b := newBench(t)
	export, parent := os.Getenv("FUXI_NFS_EXPORT"), t.TempDir()
	run(t, "mount.nfs4 "+export+" "+parent+" && mkdir "+parent+"/stale")
	t.Cleanup(func() { run(t, "rm -r "+parent+"/stale; umount "+parent) })
	b.conn.Data = map[string]any{"exports": []any{export + "/stale"}}
	b.show(b.connect())
	run(t, "rm -r "+parent+"/stale && mkdir "+parent+"/stale")
	ctx := hosttest.Context(t)
	if _, err := b.c.Connect(ctx, b.conn); !errors.Is(err, connector.ErrBusy) || !errors.Is(err, host.ErrStale) {
		t.Errorf("Connect of a stale share in use: %v, want ErrBusy and ErrStale", err)
	}
	if err := b.m.Unmount(ctx, b.spec.Target, b.spec.Staging); err != nil {
		t.Fatal(err)
	}
	b.show(b.connect())
	if err := os.WriteFile(filepath.Join(b.spec.Target, "x"), nil, 0o600); err != nil {
		t.Errorf("after it was mounted anew: %v", err)
	}
	if err := errors.Join(b.m.Unmount(ctx, b.spec.Target, b.spec.Staging), b.c.Disconnect(ctx, b.conn)); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// Connecting takes no longer than mount.nfs4 by hand.
func TestAsQuickAsByHand(t *testing.T) {
	b := newBench(t)
	dir, export := t.TempDir(), os.Getenv("FUXI_NFS_EXPORT")
	var hand, ours, most []time.Duration
	for range 7 {
		begin := time.Now()
		hosttest.Tool(t, "mount.nfs4", export, dir, "-o", "hard,nosuid,nodev,vers=4.2")
		hand = append(hand, time.Since(begin))
		hosttest.Tool(t, "umount", dir)
		steps := trace.NewSteps()
		ctx := trace.WithRecorder(hosttest.Context(t), steps)
		begin = time.Now()
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
	slices.Sort(hand)
	slices.Sort(ours)
	slices.Sort(most)
	ratio := ours[3].Seconds() / hand[3].Seconds()
	t.Logf("medians of 7: mount.nfs4 by hand %s, Connect %s (ratio %.2f), Connect and Mount %s", hand[3].Round(time.Millisecond), ours[3].Round(time.Millisecond), ratio, most[3].Round(time.Millisecond))
	if ratio > 1.25 {
		t.Errorf("Connect takes %.2f times as long as mount.nfs4", ratio)
	}
}
