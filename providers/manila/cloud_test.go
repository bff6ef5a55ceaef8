package manila_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/manila"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

// cloud is a simulated cloud and a Provider on it, of host "a" at 192.0.2.1.
type cloud struct {
	*manila.Provider
	t       *testing.T
	session *openstack.Session
	base    string
}

func start(t *testing.T) *cloud {
	return startWith(t, simulator.Options{Settle: 10 * time.Millisecond}, "sim")
}

func startWith(t *testing.T, opts simulator.Options, account string) *cloud {
	t.Helper()
	ready := make(chan string, 1)
	opts.Ready = func(url string) { ready <- url }
	sim, err := simulator.Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{t: t, base: strings.TrimSuffix(<-ready, "/v3")}
	c.session, err = openstack.New(openstack.Config{Name: "sim", Cloud: account, CloudsFile: sim.CloudsFile()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Provider = c.host("a", "192.0.2.1")
	return c
}

func (c *cloud) host(name, ip string) *manila.Provider {
	return c.with(manila.Config{HostName: name, HostIP: ip})
}

// with returns a Provider that does not wait for long.
func (c *cloud) with(cfg manila.Config) *manila.Provider {
	cfg.Cluster, cfg.RuleWait = "fuxi", 400*time.Millisecond
	return manila.New(c.session, cfg)
}

// admin talks to the simulator's own entrances.
func (c *cloud) admin(method, path, body string) []byte {
	c.t.Helper()
	req, _ := http.NewRequest(method, c.base+"/admin/"+path, strings.NewReader(body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	return answer
}

// fault orders one misbehaviour, or more.
func (c *cloud) fault(times int, method, path, do, value string) {
	c.t.Helper()
	if value != "" {
		value = `,"value":` + value
	}
	c.admin("POST", "faults", fmt.Sprintf(`[{"service":"manila","method":%q,"path":%q,"times":%d,"do":%q%s}]`, method, path, times, do, value))
}

// calls runs do and returns how many requests it made to Manila.
func (c *cloud) calls(do func()) (n int) {
	c.t.Helper()
	c.admin("DELETE", "counters", "")
	do()
	var all map[string]int
	if err := json.Unmarshal(c.admin("GET", "counters", ""), &all); err != nil {
		c.t.Fatal(err)
	}
	for kind, times := range all {
		if strings.Contains(kind, "/v2/") {
			n += times
		}
	}
	return n
}

// ask is a request of an operator's, past the Provider.
func (c *cloud) ask(method, path string, body any) map[string]any {
	c.t.Helper()
	var answer map[string]any
	err := c.session.Do(c.t.Context(), openstack.Call{Service: openstack.SharedFileSystem, Microversion: "2.45",
		Method: method, Path: path, Body: body, Doing: "play the operator"}, &answer)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer
}

// operatorAllows makes a rule without fuxi's mark and returns its id.
func (c *cloud) operatorAllows(share, to, level string) string {
	c.t.Helper()
	answer := c.ask("POST", "shares/"+share+"/action",
		map[string]any{"allow_access": map[string]string{"access_type": "ip", "access_to": to, "access_level": level}})
	return answer["access"].(map[string]any)["id"].(string)
}

// made creates a share and waits until it is available.
func (c *cloud) made(req volume.NewVolume) volume.Volume {
	c.t.Helper()
	if req.Name == "" {
		req.Name = "data"
	}
	if req.SizeGiB == 0 && req.SnapshotID == "" {
		req.SizeGiB = 1
	}
	if req.Metadata == nil {
		req.Metadata = map[string]string{"volume_from": "fuxi"}
	}
	v, err := c.Create(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return until(c.t, c.Provider, v.ID, "available")
}
