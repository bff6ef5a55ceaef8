package nova_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

func deleteServer(id string) openstack.Call {
	return openstack.Call{Service: openstack.Compute, Method: http.MethodDelete, Path: "servers/" + id, Doing: "delete server " + id}
}

const nowhere = "00000000-0000-4000-8000-000000000000"

func drive(id string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return id, err }
}

func firmware(ids ...string) func() []string { return func() []string { return ids } }

// document is a metadata service that fails so many times first.
func document(t *testing.T, body string, failures int32) string {
	var seen atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if seen.Add(1) <= failures {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestInstance(t *testing.T) {
	c := start(t, 0)
	meta := document(t, `{"uuid": "`+me+`", "name": "x"}`, 0)
	for name, test := range map[string]struct {
		sources nova.Sources
		want    string
		kind    error
		says    []string
	}{
		"configured":             {sources: nova.Sources{Configured: strings.ToUpper(me), MetadataURL: "off"}, want: me},
		"configured, no server":  {sources: nova.Sources{Configured: nowhere}, kind: volume.ErrInvalid, says: []string{"[nova] instance_id", nowhere}},
		"config drive":           {sources: nova.Sources{ConfigDrive: drive(me, nil), MetadataURL: "off"}, want: me},
		"metadata":               {sources: nova.Sources{ConfigDrive: drive("", nil), MetadataURL: meta}, want: me},
		"metadata, late":         {sources: nova.Sources{MetadataURL: document(t, `{"uuid": "`+me+`"}`, 2)}, want: me},
		"firmware":               {sources: nova.Sources{MetadataURL: "off", Firmware: firmware(nowhere, me)}, want: me},
		"firmware of hardware":   {sources: nova.Sources{ConfigDrive: drive(me, nil), Firmware: firmware("03000200-0400-0500-0006-000700080009")}, want: me},
		"all agree":              {sources: nova.Sources{Configured: me, ConfigDrive: drive(me, nil), MetadataURL: meta, Firmware: firmware(me)}, want: me},
		"copied settings":        {sources: nova.Sources{Configured: other, ConfigDrive: drive(me, nil)}, kind: volume.ErrUnsafe, says: []string{me, other, "[nova] instance_id", "config drive"}},
		"copied settings, no CD": {sources: nova.Sources{Configured: other, Firmware: firmware(me)}, kind: volume.ErrUnsafe, says: []string{"firmware"}},
		"of another project":     {sources: nova.Sources{ConfigDrive: drive(nowhere, nil)}, kind: volume.ErrInvalid, says: []string{"no such server"}},
		"no server at all": {sources: nova.Sources{ConfigDrive: drive("", nil), MetadataURL: document(t, `{}`, 0), Firmware: firmware(nowhere)},
			kind: volume.ErrInvalid, says: []string{"no config drive", "metadata service", "firmware", "[nova] instance_id"}},
		"nonsense": {sources: nova.Sources{Configured: "../flavors", MetadataURL: "off"}, kind: volume.ErrInvalid, says: []string{"not the id"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := nova.NewInstance(c.session, test.sources)
			if i.Known() != "" {
				t.Error("known before it was asked")
			}
			id, err := i.ID(t.Context())
			if id != test.want || test.kind != nil && !errors.Is(err, test.kind) || test.kind == nil && err != nil {
				t.Errorf("%q, %v; want %q, %v", id, err, test.want, test.kind)
			}
			for _, words := range test.says {
				if err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if i.Known() != test.want {
				t.Errorf("known: %q", i.Known())
			}
		})
	}
}

// The answer is remembered, and a cloud that does not answer is asked again.
func TestInstanceAsksOnce(t *testing.T) {
	c := start(t, 0)
	i := nova.NewInstance(c.session, nova.Sources{Configured: me})
	c.fault("GET", "/servers/", "status", "500")
	if _, err := i.ID(t.Context()); !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("a cloud in trouble: %v", err)
	}
	calls := c.calls(func() {
		for range 3 {
			if id, err := i.ID(t.Context()); err != nil || id != me {
				t.Errorf("%q, %v", id, err)
			}
		}
	})
	if calls["GET /v2.1/servers/{id}"] != 1 {
		t.Errorf("%v", calls)
	}
}
