package nova_test

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

	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

// The servers of the simulated cloud: this machine, and another.
const (
	me    = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e01"
	other = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e02"
)

// cloud is a simulated cloud, and an Attacher for this machine on it.
type cloud struct {
	*nova.Attacher
	t       *testing.T
	session *openstack.Session
	volumes *cinder.Provider
	base    string
}

func start(t *testing.T, settle time.Duration) *cloud {
	return startWith(t, settle, nova.Config{})
}

func startWith(t *testing.T, settle time.Duration, cfg nova.Config) *cloud {
	t.Helper()
	ready := make(chan string, 1)
	sim, err := simulator.Open(t.TempDir(), simulator.Options{
		Settle: settle, Servers: []simulator.Server{{ID: me}, {ID: other}}, Ready: func(url string) { ready <- url },
	})
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
	c.session, err = openstack.New(openstack.Config{Name: "sim", Cloud: "sim", CloudsFile: sim.CloudsFile()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.volumes = cinder.New(c.session, cinder.Config{Cluster: "fuxi"})
	c.Attacher = c.on(me, cfg)
	return c
}

// on is an Attacher of a server.
func (c *cloud) on(server string, cfg nova.Config) *nova.Attacher {
	cfg.Instance = nova.NewInstance(c.session, nova.Sources{Configured: server, MetadataURL: "off"})
	return nova.New(c.session, c.volumes, cfg)
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

func (c *cloud) server(id, fields string) { c.t.Helper(); c.admin("POST", "servers/"+id, fields) }

func (c *cloud) fault(method, path, do, value string) {
	c.t.Helper()
	if value != "" {
		value = `,"value":` + value
	}
	c.admin("POST", "faults", fmt.Sprintf(`[{"service":"nova","method":%q,"path":%q,"times":1,"do":%q%s}]`, method, path, do, value))
}

// calls runs do and returns the requests it made to Nova, by kind.
func (c *cloud) calls(do func()) map[string]int {
	c.t.Helper()
	c.admin("DELETE", "counters", "")
	do()
	var all map[string]int
	if err := json.Unmarshal(c.admin("GET", "counters", ""), &all); err != nil {
		c.t.Fatal(err)
	}
	for kind := range all {
		if !strings.Contains(kind, "/v2.1/") {
			delete(all, kind)
		}
	}
	return all
}

// made creates a volume and waits until it is available.
func (c *cloud) made(name string, typ string) volume.Volume {
	c.t.Helper()
	v, err := c.volumes.Create(c.t.Context(), volume.NewVolume{Name: name, SizeGiB: 1, Type: typ, Metadata: map[string]string{"volume_from": "fuxi"}})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.until(v.ID, "available")
}

func (c *cloud) until(id, status string) volume.Volume {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		v, err := c.volumes.Get(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		if v.Status == status {
			return v
		}
		if time.Now().After(end) {
			c.t.Fatalf("volume is %s, not %s", v.Status, status)
		}
	}
}

// attach brings a volume to this machine.
func (c *cloud) attach(v volume.Volume) string {
	c.t.Helper()
	id, err := c.Reserve(c.t.Context(), v.ID, false)
	if err == nil {
		_, err = c.Expose(c.t.Context(), v, id, volume.HostIdentity{Name: "vm"})
	}
	if err == nil {
		err = c.Complete(c.t.Context(), id)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}
