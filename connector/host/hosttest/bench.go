package hosttest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/trace"
)

// GiB in bytes.
const GiB = int64(1) << 30

// Context returns a context that ends with the test or after two minutes.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Image makes a sparse file of the size in a directory of the test.
func Image(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return path
}

// Loop puts a file behind a loop device that goes with the test.
func Loop(t testing.TB, h *host.Host, path string) string {
	t.Helper()
	NeedRoot(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loop, err := h.LoopAttach(Context(t), f, "hosttest", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.LoopDetach(ctx, loop); err != nil {
			t.Errorf("detach %s: %v", loop.Device, err)
		}
	})
	return loop.Device
}

// Tool runs a program and fails the test if it fails.
func Tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	NeedTools(t, name)
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// othersGo takes the copies of mounts away that belong to daemons of tests
// which run at the same time: their volumes would be busy.
const othersGo = `while read -r dev point rest; do
case $point in */fuxi-host-*/state/*) umount "$point" ;; esac
done </proc/self/mounts
`

// OtherNamespace starts a process in a mount namespace of its own, a copy of
// ours as it is now, that lives until the returned function is called (or the
// test ends). It returns the process's pid.
func OtherNamespace(t testing.TB) (pid int, end func()) {
	t.Helper()
	return namespace(t, "private", othersGo)
}

// NamespaceThatFollows is OtherNamespace, but what is mounted and unmounted here
// is there as well, as for a service of systemd with PrivateTmp=.
func NamespaceThatFollows(t testing.TB) (pid int, end func()) {
	t.Helper()
	return namespace(t, "slave", "")
}

func namespace(t testing.TB, propagation, script string) (pid int, end func()) {
	t.Helper()
	NeedTools(t, "unshare", "sh")
	cmd := exec.Command("unshare", "-m", "--propagation", propagation, "sh", "-c", script+"echo ready; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		in.Close()
		_ = cmd.Wait()
	})
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("unshare said %q, %v", line, err)
	}
	return cmd.Process.Pid, end
}

// Crossings records the crossings of a context. Before, if set, is called with
// the number of each (from 1) before it is made.
type Crossings struct {
	Before func(n int, kind trace.Kind, what string)

	mu   sync.Mutex
	list []string
}

// Cross implements trace.Recorder.
func (c *Crossings) Cross(kind trace.Kind, what string) func() {
	c.mu.Lock()
	c.list = append(c.list, string(kind)+" "+what)
	n := len(c.list)
	c.mu.Unlock()
	if c.Before != nil {
		c.Before(n, kind, what)
	}
	return func() {}
}

// List returns "kind what" of each crossing so far.
func (c *Crossings) List() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.list...)
}

// Host returns those of kind trace.Host.
func (c *Crossings) Host() []string {
	var list []string
	for _, x := range c.List() {
		if rest, ok := cutKind(x, trace.Host); ok {
			list = append(list, rest)
		}
	}
	return list
}

func cutKind(x string, kind trace.Kind) (string, bool) {
	n := len(kind) + 1
	if len(x) > n && x[:n] == string(kind)+" " {
		return x[n:], true
	}
	return "", false
}
