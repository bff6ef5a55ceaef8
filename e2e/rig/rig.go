// Package rig sets up what an end-to-end test needs: a simulated cloud, the
// fuxi binary as it is shipped, a state directory each, and the protocol that
// Docker speaks. Whatever a test leaves behind (mount, loop device, attachment)
// fails it.
package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

// T is what the rig needs of a test; every testing.TB is one, and so is
// whatever else reports failures and cleans up.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Cloud is a simulated cloud that can be stopped and started again on the same
// address and the same directory.
type Cloud struct {
	t    T
	Dir  string
	Opts simulator.Options
	addr string

	program []string // arguments of fuxi-sim; nil serves from this process

	mu   sync.Mutex
	stop func() // nil when stopped

	idMu  sync.Mutex
	id    identity
	looks map[string]int // requests of the test's own, by kind
}

// NewCloud starts a cloud that ends with the test.
func NewCloud(t T, opts simulator.Options) *Cloud {
	t.Helper()
	c := &Cloud{t: t, Dir: TempDir(t, "cloud"), Opts: opts, addr: "127.0.0.1:0"}
	c.Start()
	t.Cleanup(c.Stop)
	return c
}

// TempDir is a short directory that ends with the test: socket paths are
// limited to 107 bytes, which Go's own names exceed.
func TempDir(t T, what string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fuxi-"+what+"-")
	if err != nil {
		t.Fatal(err)
	}
	made.Lock()
	made.dirs = append(made.dirs, dir)
	made.Unlock()
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("something is left in %s: %v", dir, err)
		}
	})
	return dir
}

// Start serves the cloud; the first time on a free port, later on the same.
func (c *Cloud) Start() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.program != nil {
		c.stop = c.launch()
	} else {
		c.stop = c.serve()
	}
	c.awaitURL()
}

func (c *Cloud) serve() (stop func()) {
	c.t.Helper()
	cloud, err := simulator.Open(c.Dir, c.Opts)
	if err != nil {
		c.t.Fatalf("open the cloud: %v", err)
	}
	var l net.Listener
	for try := 0; try < 50; try++ {
		if l, err = net.Listen("tcp", c.addr); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		c.t.Fatalf("listen: %v", err)
	}
	c.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := cloud.Serve(ctx, l); err != nil && ctx.Err() == nil {
			c.t.Errorf("the cloud ended: %v", err)
		}
	}()
	return func() {
		cancel()
		<-done
		_ = cloud.Close()
	}
}

func (c *Cloud) awaitURL() {
	for try := 0; try < 200; try++ {
		if resp, err := http.Get("http://" + c.addr + "/admin/counters"); err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatalf("the cloud does not answer on %s", c.addr)
}

// Stop ends the cloud; stopping a stopped one is fine.
func (c *Cloud) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		return
	}
	c.stop()
	c.stop = nil
}

// CloudsFile is the path of clouds.yaml, whose cloud is called sim.
func (c *Cloud) CloudsFile() string { return filepath.Join(c.Dir, "clouds.yaml") }

// Admin sends a request to the cloud's /admin and returns the answer's body.
func (c *Cloud) Admin(method, path string, body any) []byte {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, "http://"+c.addr+"/admin"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatalf("%s /admin%s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		c.t.Fatalf("%s /admin%s: %s: %s", method, path, resp.Status, out)
	}
	return out
}

// Fault is one rule of the cloud's misbehaviour.
type Fault struct {
	Service string `json:"service"`
	Method  string `json:"method,omitempty"`
	Path    string `json:"path"`
	Times   int    `json:"times"`
	Do      string `json:"do"`
	Value   any    `json:"value,omitempty"`
}

// Fault adds rules.
func (c *Cloud) Fault(faults ...Fault) { c.t.Helper(); c.Admin("POST", "/faults", faults) }

// Mend removes all rules.
func (c *Cloud) Mend() { c.t.Helper(); c.Admin("DELETE", "/faults", nil) }

// Counters is how often the cloud was asked what, less what the test itself
// asked.
func (c *Cloud) Counters() map[string]int {
	c.t.Helper()
	var out map[string]int
	if err := json.Unmarshal(c.Admin("GET", "/counters", nil), &out); err != nil {
		c.t.Fatal(err)
	}
	c.idMu.Lock()
	defer c.idMu.Unlock()
	for kind, n := range c.looks {
		if out[kind] -= n; out[kind] == 0 {
			delete(out, kind)
		}
	}
	return out
}

// Calls is the difference of two Counters, without tokens, as one number and
// by kind.
func Calls(before, after map[string]int) (int, map[string]int) {
	sum, by := 0, map[string]int{}
	for kind, n := range after {
		d := n - before[kind]
		if d == 0 || strings.Contains(kind, "/auth/tokens") {
			continue
		}
		by[kind] = d
		sum += d
	}
	return sum, by
}
