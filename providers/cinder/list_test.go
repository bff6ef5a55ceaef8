package cinder_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

// E12: page by page, one call each, never all in memory.
func TestListPages(t *testing.T) {
	c := start(t, simulator.Options{Seed: 2500})
	seen, pages, longest := map[string]bool{}, 0, 0
	var most uint64
	calls := c.calls(func() {
		err := c.List(t.Context(), volume.Query{}, func(page []volume.Volume) error {
			pages, longest = pages+1, max(longest, len(page))
			for _, v := range page {
				seen[v.ID] = true
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) != 2500 || pages != 3 || longest != 1000 {
		t.Errorf("%d volumes in %d pages of up to %d", len(seen), pages, longest)
	}
	if n := calls["GET /v3/{project}/volumes/detail"]; n != 3 || len(calls) > 2 {
		t.Errorf("calls %v", calls)
	}
	t.Logf("at most %d MiB alive, the simulator's included", most>>20)
}

func TestListByName(t *testing.T) {
	c := start(t, simulator.Options{Seed: 30})
	c.made("db", nil)
	c.made("db", nil) // names are not unique
	c.made("other-db", nil)
	c.made("cloud-name", map[string]string{"fuxi:name": "db"}) // adopted: found by the refresh
	var got []volume.Volume
	calls := c.calls(func() { got = c.list(c.Provider, volume.Query{Name: "db"}) })
	if len(got) != 2 || got[0].ID == got[1].ID || len(calls) != 1 {
		t.Errorf("%v with %v", names(got), calls)
	}
	if got = c.list(c.Provider, volume.Query{Name: "cloud-name"}); len(got) != 0 {
		t.Errorf("an adopted volume answers to its cloud name: %v", names(got))
	}
	if _, err := c.Create(t.Context(), volume.NewVolume{Name: "db", SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	if got = c.list(c.Provider, volume.Query{Name: "db"}); len(got) != 2 {
		t.Errorf("a volume that is not ours: %v", names(got))
	}
}

func TestListChangedSince(t *testing.T) {
	c := start(t, simulator.Options{Seed: 10})
	v := c.made("fresh", nil)
	at := c.until(v.ID, "available").UpdatedAt
	got := c.list(c.Provider, volume.Query{ChangedSince: at})
	if len(got) != 1 || got[0].ID != v.ID {
		t.Errorf("%v", names(got))
	}
	if got = c.list(c.Provider, volume.Query{ChangedSince: at.Add(time.Hour)}); len(got) != 0 {
		t.Errorf("%v", names(got))
	}
	c.fault("GET", "^/volumes/detail", "status", `{"status": 406, "message": "Version 3.60 is not supported by the API."}`)
	if got = c.list(c.Provider, volume.Query{ChangedSince: at}); len(got) != 11 {
		t.Errorf("an old cloud: %d", len(got))
	}
	calls := c.calls(func() { c.list(c.Provider, volume.Query{ChangedSince: at}) })
	if calls["GET /v3/{project}/volumes/detail"] != 1 {
		t.Errorf("it asks the old cloud again: %v", calls)
	}
}

func TestListStopsWithTheCaller(t *testing.T) {
	c := start(t, simulator.Options{Seed: 10})
	own := errors.New("own")
	if err := c.cluster("fuxi", 3).List(t.Context(), volume.Query{}, func([]volume.Volume) error { return own }); err != own {
		t.Error(err)
	}
}

// answering is a cloud whose Cinder gives one answer to everything.
func answering(t *testing.T, answer http.HandlerFunc) *cinder.Provider {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Subject-Token", "t")
		w.WriteHeader(201)
		fmt.Fprintf(w, `{"token": {"issued_at": "2024-01-01T00:00:00Z", "expires_at": "2024-01-02T00:00:00Z", "catalog":
			[{"type": "block-storage", "endpoints": [{"interface": "public", "url": "http://%s/v3/p"}]}]}}`, server.Listener.Addr())
	})
	mux.HandleFunc("/v3/p/", answer)
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	yaml := fmt.Sprintf("clouds: {c: {auth: {auth_url: %q, username: u, password: p, project_id: p, user_domain_id: d}}}", server.URL)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openstack.New(openstack.Config{Name: "c", CloudsFile: file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cinder.New(s, cinder.Config{Cluster: "fuxi"})
}

// E8: what is no list of volumes must not pass for an empty one, or the
// volume would be created a second time.
func TestAListThatIsNone(t *testing.T) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"volumes": null}`, `{"volumes": {}}`, `{"volumes": [5]}`, `{"volumes": [{"name": "no id"}]}`, `<html>welcome</html>`,
		`{"volumes": [], "volumes_links": [{"rel": "next"}]`,
	} {
		p := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		if err := p.List(t.Context(), volume.Query{}, func([]volume.Volume) error { return nil }); !errors.Is(err, volume.ErrUnavailable) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestListOfACloudThatTurnsInCircles(t *testing.T) {
	p := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"volumes": [{"id": "a"}], "volumes_links": [{"rel": "next", "href": "x"}]}`))
	})
	if err := p.List(t.Context(), volume.Query{}, func([]volume.Volume) error { return nil }); !errors.Is(err, volume.ErrUnavailable) {
		t.Error(err)
	}
	gone := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "marker") {
			w.WriteHeader(404)
			_, _ = w.Write([]byte(`{"itemNotFound": {"message": "Volume a could not be found."}}`))
			return
		}
		_, _ = w.Write([]byte(`{"volumes": [{"id": "a"}], "volumes_links": [{"rel": "next"}]}`))
	})
	if err := gone.List(t.Context(), volume.Query{}, func([]volume.Volume) error { return nil }); errors.Is(err, volume.ErrNotFound) || !errors.Is(err, volume.ErrUnavailable) {
		t.Error(err)
	}
}

func TestAnswerAboutAnotherVolume(t *testing.T) {
	p := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"volume": {"id": "b"}}`)) })
	if _, err := p.Get(t.Context(), "a"); !errors.Is(err, volume.ErrUnavailable) {
		t.Error(err)
	}
}

func TestOddVolumesDecode(t *testing.T) {
	p := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"volume": {"id": "a", "name": null, "size": "3", "bootable": "false", "encrypted": null, "multiattach": "True",
			"created_at": "2024-05-01T10:00:00.123456", "metadata": null, "volume_image_metadata": {}, "attachments": [null, 7,
			{"attachment_id": "x", "device": "fuxi:node-1", "host_name": "h"}, {"attachment_id": "y", "device": "/dev/vdb", "host_name": "h"}, {"server_id": "s"}]}}`))
	})
	v, err := p.Get(t.Context(), "a")
	if err != nil || v.SizeGiB != 3 || v.FromImage || !v.Multiattach || v.CreatedAt != time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC) {
		t.Errorf("%v: %+v", err, v)
	}
	if len(v.Attachments) != 3 || v.Attachments[0].Holder != "node-1" || v.Attachments[1].Holder != "h" || v.Attachments[2].Server != "s" {
		t.Errorf("%+v", v.Attachments)
	}
}
