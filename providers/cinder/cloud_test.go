package cinder_test

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
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

// cloud is a simulated cloud and a Provider on it.
type cloud struct {
	*cinder.Provider
	t       *testing.T
	sim     *simulator.Cloud
	session *openstack.Session
	base    string
}

func start(t *testing.T, opts simulator.Options) *cloud { return startAs(t, "sim", opts) }

func startAs(t *testing.T, account string, opts simulator.Options) *cloud {
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
	c := &cloud{t: t, sim: sim, base: strings.TrimSuffix(<-ready, "/v3")}
	c.session, err = openstack.New(openstack.Config{Name: "sim", Cloud: account, CloudsFile: sim.CloudsFile()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Provider = c.cluster("fuxi", 0)
	return c
}

func (c *cloud) cluster(name string, page int) *cinder.Provider {
	return cinder.New(c.session, cinder.Config{Cluster: name, PageSize: page})
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

func (c *cloud) fault(method, path, do, value string) {
	c.t.Helper()
	if value != "" {
		value = `,"value":` + value
	}
	c.admin("POST", "faults", fmt.Sprintf(`[{"service":"cinder","method":%q,"path":%q,"times":1,"do":%q%s}]`, method, path, do, value))
}

// calls runs do and returns the requests it made, by kind.
func (c *cloud) calls(do func()) map[string]int {
	c.t.Helper()
	c.admin("DELETE", "counters", "")
	do()
	var all map[string]int
	if err := json.Unmarshal(c.admin("GET", "counters", ""), &all); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// made creates a volume and waits until it is available.
func (c *cloud) made(name string, marks map[string]string) volume.Volume {
	c.t.Helper()
	metadata := map[string]string{"volume_from": "fuxi"}
	for k, v := range marks {
		metadata[k] = v
	}
	v, err := c.Create(c.t.Context(), volume.NewVolume{Name: name, SizeGiB: 1, Metadata: metadata})
	if err != nil {
		c.t.Fatal(err)
	}
	c.until(v.ID, "available")
	return v
}

func (c *cloud) until(id, status string) volume.Volume {
	c.t.Helper()
	for {
		v, err := c.Get(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		if v.Status == status {
			return v
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *cloud) host(name string) volume.HostIdentity {
	return volume.HostIdentity{Name: name, IP: "192.0.2.1", Properties: map[string]any{"initiator": "iqn.2024-01.test:" + name}}
}

func names(all []volume.Volume) []string {
	var out []string
	for _, v := range all {
		out = append(out, v.Name)
	}
	return out
}

func (c *cloud) list(p *cinder.Provider, q volume.Query) []volume.Volume {
	c.t.Helper()
	var all []volume.Volume
	err := p.List(c.t.Context(), q, func(page []volume.Volume) error {
		all = append(all, page...)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}
