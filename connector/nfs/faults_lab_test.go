//go:build lab

package nfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
)

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

// A daemon that waits for a dead server in a thread can end all the same.
func TestDeadServerKeepsNoDaemon(t *testing.T) {
	if dir := os.Getenv("FUXI_TEST_DAEMON_WITH"); dir != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		target := filepath.Join(os.Getenv("FUXI_TEST_DAEMON_AT"), "volumes", "x")
		spec := connector.MountSpec{Target: target, Subdir: "never"}
		err := mount.New(host.New()).Mount(ctx, connector.Source{Export: "it", Directory: dir}, spec)
		if err == nil || !strings.Contains(err.Error(), "left behind") {
			t.Fatal(err)
		}
		return
	}
	b := newBench(t)
	src := b.connect()
	b.cut()
	err := b.within(10*time.Second, "life of a daemon", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		daemon := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDeadServerKeepsNoDaemon$")
		daemon.Env = append(os.Environ(), "FUXI_TEST_DAEMON_WITH="+src.Directory, "FUXI_TEST_DAEMON_AT="+t.TempDir())
		out, err := daemon.CombinedOutput()
		t.Logf("%s", out)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
