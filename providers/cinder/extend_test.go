package cinder_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

// attached reserves, exposes and completes, as a mount does.
func (c *cloud) attached(v volume.Volume) (attachment string) {
	c.t.Helper()
	ctx := c.t.Context()
	id, err := c.Reserve(ctx, v.ID, false)
	if err == nil {
		_, err = c.Expose(ctx, v, id, c.host("a"))
	}
	if err == nil {
		err = c.Complete(ctx, id)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *cloud) sized(id string, size int) {
	c.t.Helper()
	for range 200 {
		v, err := c.Get(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		if v.SizeGiB == size && v.Status != "extending" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("volume %s never had %d GiB", id, size)
}

func TestExtend(t *testing.T) {
	c := start(t, simulator.Options{QuotaGigabytes: 20})
	ctx := t.Context()
	v := c.made("db", nil)
	calls := c.calls(func() {
		if err := c.Extend(ctx, v.ID, 2); err != nil {
			t.Fatal(err)
		}
	})
	if len(calls) != 1 || calls["POST /v3/{project}/volumes/{id}/action"] != 1 {
		t.Errorf("calls: %v", calls)
	}
	c.sized(v.ID, 2)
	id, err := c.Reserve(ctx, v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Extend(ctx, v.ID, 3); !errors.Is(err, volume.ErrConflict) || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("while reserved: %v, want ErrConflict", err)
	}
	if err := c.Release(ctx, id); err != nil {
		t.Fatal(err)
	}
	c.attached(v)
	if err := c.Extend(ctx, v.ID, 3); err != nil {
		t.Errorf("in use: %v", err)
	}
	c.sized(v.ID, 3)
	for size, kind := range map[int]error{3: volume.ErrInvalid, 1: volume.ErrInvalid, 0: volume.ErrInvalid, 99: volume.ErrUnavailable} {
		if err := c.Extend(ctx, v.ID, size); !errors.Is(err, kind) || volume.IsAmbiguous(err) {
			t.Errorf("to %d GiB: %v, want %v", size, err, kind)
		}
	}
	if err := c.Extend(ctx, "11111111-2222-4333-8444-555555555555", 4); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := c.Extend(ctx, "../volumes", 4); !errors.Is(err, volume.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	c.fault("POST", "/action$", "lose_reply", "")
	if err := c.Extend(ctx, v.ID, 4); !volume.IsAmbiguous(err) {
		t.Errorf("a lost answer: %v", err)
	}
	c.sized(v.ID, 4)
	c.fault("POST", "/action$", "status", `{"status": 406, "message": "Version 3.42 is not supported by the API. Minimum is 3.0 and maximum is 3.40."}`)
	var missing *openstack.MissingFeature
	if err := c.Extend(ctx, v.ID, 5); !errors.As(err, &missing) || missing.Microversion != "3.42" {
		t.Errorf("an old cloud: %v", err)
	}
}

// behind is a Provider on the same cloud through a proxy that answers GET
// /messages itself: the simulated cloud has none.
func (c *cloud) behind(messages func(volumeID string) string) *cinder.Provider {
	c.t.Helper()
	target, err := url.Parse(c.base)
	if err != nil {
		c.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the catalog is made from it
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/messages") {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(messages(r.URL.Query().Get("resource_uuid"))))
	}))
	c.t.Cleanup(front.Close)
	clouds, err := os.ReadFile(c.sim.CloudsFile())
	if err != nil {
		c.t.Fatal(err)
	}
	file := filepath.Join(c.t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(clouds), c.base, front.URL)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	session, err := openstack.New(openstack.Config{Name: "sim", Cloud: "sim", CloudsFile: file}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return cinder.New(session, cinder.Config{Cluster: "fuxi"})
}

// The form is that of a Cinder whose scheduler found no backend with room.
func TestComplaint(t *testing.T) {
	c := start(t, simulator.Options{})
	v := c.made("db", nil)
	v.UpdatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	message := func(of, text, at string) string {
		return fmt.Sprintf(`{"id":"m","event_id":"VOLUME_VOLUME_007_003","user_message":%q,"message_level":"ERROR","created_at":%q,"resource_type":"VOLUME","resource_uuid":%q}`, text, at, of)
	}
	const none = "extend volume:Could not find any available weighted backend."
	now, before, month := "2026-01-02T03:04:05.000000", "2026-01-02T03:04:04.000000", "2025-12-02T03:04:05.000000"
	for what, test := range map[string]struct{ body, want string }{
		"one":          {`{"messages":[` + message(v.ID, none, now) + `]}`, none},
		"the newest":   {`{"messages":[` + message(v.ID, "old", before) + "," + message(v.ID, none, now) + `]}`, none},
		"of last time": {`{"messages":[` + message(v.ID, none, month) + `]}`, ""},
		"another's":    {`{"messages":[` + message("11111111-2222-4333-8444-555555555555", none, now) + `]}`, ""},
		"none":         {`{"messages":[]}`, ""},
		"odd":          {`{"messages":{"a":1}}`, ""},
		"no JSON":      {`<html>`, ""},
	} {
		asked := ""
		p := c.behind(func(id string) string { asked = id; return test.body })
		if got := p.Complaint(t.Context(), v); got != test.want || asked != v.ID {
			t.Errorf("%s: %q, asked about %q; want %q", what, got, asked, test.want)
		}
	}
	if got := c.Complaint(t.Context(), v); got != "" {
		t.Errorf("a cloud without messages: %q", got)
	}
}
