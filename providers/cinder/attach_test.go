package cinder_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

func (c *cloud) attach(v volume.Volume, host string) string {
	c.t.Helper()
	id, err := c.Reserve(c.t.Context(), v.ID, false)
	if err == nil {
		_, err = c.Expose(c.t.Context(), v, id, c.host(host))
	}
	if err == nil {
		err = c.Complete(c.t.Context(), id)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// Each step is one request, and can be repeated.
func TestAttachAndDetach(t *testing.T) {
	c := start(t, simulator.Options{})
	ctx := t.Context()
	v := c.made("db", nil)
	one := func(kind string, do func() error) {
		t.Helper()
		calls := c.calls(func() {
			if err := do(); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		})
		if calls[kind] != 1 || len(calls) != 1 {
			t.Errorf("calls %v, want one %s", calls, kind)
		}
	}
	var id string
	one("POST /v3/{project}/attachments", func() (err error) { id, err = c.Reserve(ctx, v.ID, false); return err })
	if got := c.until(v.ID, "reserved"); len(got.Attachments) != 0 {
		t.Errorf("%+v", got.Attachments)
	}
	if _, err := c.Reserve(ctx, v.ID, false); !errors.Is(err, volume.ErrInUse) {
		t.Errorf("a second reservation: %v", err)
	}
	for range 2 {
		one("PUT /v3/{project}/attachments/{id}", func() error {
			conn, err := c.Expose(ctx, v, id, c.host("node-1"))
			if err == nil && (conn.Driver == "" || conn.VolumeID != v.ID || conn.SizeGiB != 1 || conn.Access != connector.ReadWrite) {
				t.Errorf("%+v", conn)
			}
			return err
		})
	}
	for range 2 {
		one("POST /v3/{project}/attachments/{id}/action", func() error { return c.Complete(ctx, id) })
	}
	got := c.until(v.ID, "in-use")
	if len(got.Attachments) != 1 || got.Attachments[0].Holder != "node-1" || got.Attachments[0].ID != id {
		t.Errorf("%+v", got.Attachments)
	}
	one("GET /v3/{project}/attachments/detail", func() error {
		rows, err := c.Attachments(ctx, v.ID)
		if len(rows) != 1 || rows[0].ID != id || rows[0].Status != "attached" {
			t.Errorf("%+v", rows)
		}
		return err
	})
	for range 2 {
		one("DELETE /v3/{project}/attachments/{id}", func() error { return c.Release(ctx, id) })
	}
	c.until(v.ID, "available")
	if rows, err := c.Attachments(ctx, v.ID); err != nil || len(rows) != 0 {
		t.Errorf("%v: %+v", err, rows)
	}
	if _, err := c.Expose(ctx, v, id, c.host("node-1")); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("exposing what is gone: %v", err)
	}
	if err := c.Complete(ctx, id); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("completing what is gone: %v", err)
	}
}

func TestReserveOutcomes(t *testing.T) {
	c := start(t, simulator.Options{})
	ctx := t.Context()
	v := c.made("db", nil)
	if _, err := c.Reserve(ctx, "8f6b3a50-1d2c-4e5f-9a0b-112233445566", false); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("%v", err)
	}
	c.fault("POST", "^/attachments$", "lose_reply", "")
	if _, err := c.Reserve(ctx, v.ID, false); !volume.IsAmbiguous(err) {
		t.Errorf("%v", err)
	}
	rows, err := c.Attachments(ctx, v.ID)
	if err != nil || len(rows) != 1 || rows[0].Status != "reserved" {
		t.Fatalf("%v: %+v", err, rows)
	}
	if err := c.Release(ctx, rows[0].ID); err != nil {
		t.Fatal(err)
	}
	id, err := c.Reserve(ctx, v.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := c.Expose(ctx, v, id, c.host("node-1")); err != nil || conn.Access != connector.ReadOnly {
		t.Errorf("%v: %+v", err, conn)
	}
	if err := c.Release(ctx, id); err != nil {
		t.Fatal(err)
	}
	c.admin("POST", "volumes/"+v.ID, `{"status": "error"}`)
	if _, err := c.Reserve(ctx, v.ID, false); !errors.Is(err, volume.ErrConflict) {
		t.Errorf("%v", err)
	}
}

// TestExposeRefused: what Cinder refuses with 500 is no failure of its own.
func TestExposeRefused(t *testing.T) {
	c := start(t, simulator.Options{})
	v := c.made("db", nil)
	id, err := c.Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	expose := func(kind error) {
		t.Helper()
		_, err := c.Expose(t.Context(), v, id, c.host("node-1"))
		if !errors.Is(err, kind) || volume.IsAmbiguous(err) != (kind == volume.ErrUnavailable) {
			t.Errorf("%v, ambiguous %t; want %v", err, volume.IsAmbiguous(err), kind)
		}
	}
	c.fault("PUT", "^/attachments/", "status", `{"status":500,"message":"Unable to update the attachment."}`)
	expose(volume.ErrUnavailable)
	c.fault("PUT", "^/attachments/", "status",
		`{"status":500,"message":"Unable to update attachment.(Invalid volume: duplicate connectors detected on volume v)."}`)
	expose(volume.ErrInUse)
	c.admin("POST", "volumes/"+v.ID, `{"status": "error"}`)
	expose(volume.ErrConflict)
}

func TestTokenExpiresBetweenSteps(t *testing.T) {
	c := start(t, simulator.Options{})
	v := c.made("db", nil)
	calls := c.calls(func() {
		c.admin("POST", "expire-tokens", "")
		c.attach(v, "node-1")
	})
	if calls["POST /v3/auth/tokens"] != 1 {
		t.Errorf("%v", calls)
	}
}

func TestWhatTheCloudIsTold(t *testing.T) {
	var bodies []string
	var versions []string
	p := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies, versions = append(bodies, string(body)), append(versions, r.Header.Get("OpenStack-API-Version"))
		_, _ = w.Write([]byte(`{"attachment": {"id": "a1", "volume_id": "other", "connection_info": {"driver_volume_type": "iscsi"}}}`))
	})
	if _, err := p.Reserve(t.Context(), "v1", false); err != nil {
		t.Fatal(err)
	}
	if bodies[0] != `{"attachment":{"volume_uuid":"v1"}}` || versions[0] != "volume 3.44" {
		t.Errorf("%s %s", versions[0], bodies[0])
	}
	if _, err := p.Reserve(t.Context(), "v1", true); err != nil {
		t.Fatal(err)
	}
	if bodies[1] != `{"attachment":{"volume_uuid":"v1","mode":"ro"}}` || versions[1] != "volume 3.54" {
		t.Errorf("%s %s", versions[1], bodies[1])
	}
	_, err := p.Expose(t.Context(), volume.Volume{Key: volume.Key{ID: "v1"}}, "a1", volume.HostIdentity{
		Name: "node-1", IP: "192.0.2.1", Properties: map[string]any{"initiator": "iqn", "multipath": true, "host": "not this"},
	})
	if !errors.Is(err, volume.ErrUnsafe) {
		t.Errorf("an attachment of another volume: %v", err)
	}
	var sent struct {
		Attachment struct{ Connector map[string]any }
	}
	if err := json.Unmarshal([]byte(bodies[2]), &sent); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"host": "node-1", "ip": "192.0.2.1", "initiator": "iqn", "multipath": true, "mountpoint": "fuxi:node-1", "do_local_attach": true, "os_type": "linux",
	} {
		if sent.Attachment.Connector[key] != want {
			t.Errorf("%s is %v, want %v", key, sent.Attachment.Connector[key], want)
		}
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	p := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"attachment": {"id": "a1", "volume_id": "v1", "connection_info": {"auth_password": "chap-secret", "driver_volume_type": ""}}}`))
	})
	_, err := p.Expose(t.Context(), volume.Volume{Key: volume.Key{ID: "v1"}}, "a1", volume.HostIdentity{Name: "n"})
	if !errors.Is(err, volume.ErrUnavailable) || strings.Contains(err.Error(), "chap-secret") {
		t.Errorf("%v", err)
	}
}
