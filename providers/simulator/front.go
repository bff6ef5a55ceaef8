package simulator

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator/internal/cinder"
	"github.com/openstack/fuxi/providers/simulator/internal/faults"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/manila"
	"github.com/openstack/fuxi/providers/simulator/internal/nova"
)

const cinderRoot = "/v3/{project}/"

// front is what every request passes first: it is numbered, told what it is,
// counted, delayed and, if so ordered, mistreated.
type front struct {
	cloud    *Cloud
	cinder   *cinder.API
	manila   *manila.API
	nova     *nova.API // nil: the cloud has no servers
	services *http.ServeMux
	admin    *http.ServeMux
}

func (c *Cloud) routes(api *cinder.API, shares *manila.API) http.Handler {
	f := &front{cloud: c, cinder: api, manila: shares, services: http.NewServeMux(), admin: http.NewServeMux()}
	c.keystone.Routes(f.services)
	api.Routes(f.services)
	shares.Routes(f.services)
	if c.nova != nil {
		f.nova = nova.NewAPI(c.keystone, c.nova)
		f.nova.Routes(f.services)
	}
	f.services.HandleFunc("GET /{$}", versions)
	f.services.HandleFunc("GET /v3", f.version)
	f.services.HandleFunc("GET /v3/{$}", f.version)
	c.adminRoutes(f.admin)
	return f
}

// ServeHTTP serves one request. No fault and no delay touches /admin.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Openstack-Request-Id", "req-"+uuid.NewString())
	if strings.HasPrefix(r.URL.Path, "/admin/") {
		f.admin.ServeHTTP(w, r)
		return
	}
	kind, service, path := f.classify(r)
	f.cloud.counters.Add(kind)
	if !f.cloud.wait(r.Context(), f.cloud.opts.Latency) {
		drop(w)
		return
	}
	f.suffer(w, r, f.cloud.rules.Take(service, r.Method, path), service)
}

// classify returns the kind a request is counted as, its service, and its path
// after version and project.
func (f *front) classify(r *http.Request) (kind, service, path string) {
	_, kind = f.services.Handler(r)
	path = strings.TrimPrefix(r.URL.Path, "/v3")
	_, pattern, found := strings.Cut(kind, " ")
	if !found {
		kind, pattern = r.Method+" "+r.URL.Path, r.URL.Path
	}
	if strings.HasPrefix(pattern, cinderRoot) {
		_, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return kind, "cinder", "/" + rest
	}
	if rest, is := strings.CutPrefix(r.URL.Path, nova.Root); is {
		return strings.TrimSuffix(kind, "{$}"), "nova", "/" + rest
	}
	if rest, is := strings.CutPrefix(r.URL.Path, manila.Root); is {
		return strings.TrimSuffix(kind, "{$}"), "manila", "/" + rest
	}
	return strings.TrimSuffix(kind, "{$}"), "keystone", path
}

// suffer does the request's work, or what a fault makes of it.
func (f *front) suffer(w http.ResponseWriter, r *http.Request, act faults.Action, service string) {
	switch act.Do {
	case "delay":
		if !f.cloud.wait(r.Context(), act.Delay) {
			drop(w)
			return
		}
		f.work(w, r)
	case "status":
		failed(w, service, act)
	case "drop":
		drop(w)
	case "blackhole":
		f.cloud.hold(r, act.Released)
		drop(w)
	case "lose_reply":
		f.work(&deaf{header: http.Header{}}, r)
		drop(w)
	case "stick":
		f.work(w, r.WithContext(faults.WithStick(r.Context(), act.State)))
	default:
		f.work(w, r)
	}
}

// work gives the request to its service.
func (f *front) work(w http.ResponseWriter, r *http.Request) {
	if _, pattern := f.services.Handler(r); pattern == "" {
		if strings.HasPrefix(r.URL.Path, manila.Root) {
			f.manila.NotFound(w, r)
			return
		}
		if f.nova != nil && strings.HasPrefix(r.URL.Path, nova.Root) {
			f.nova.NotFound(w, r)
			return
		}
		f.cinder.NotFound(w, r)
		return
	}
	f.services.ServeHTTP(w, r)
}

// wait sleeps; it returns false when the client left or the cloud was closed.
func (c *Cloud) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.stopping:
	}
	return false
}

// hold keeps a request until the client leaves, the faults are cleared or the
// cloud is closed. The body is read first: the server notices a client that
// leaves only once it waits for nothing else from it.
func (c *Cloud) hold(r *http.Request, released <-chan struct{}) {
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-released:
	case <-c.stopping:
	}
}

// drop closes the connection without an answer.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func failed(w http.ResponseWriter, service string, act faults.Action) {
	message := act.Message
	if message == "" {
		message = http.StatusText(act.Status)
	}
	switch service {
	case "keystone":
		keystone.Fail(w, act.Status, message, act.RetryAfter)
	case "manila":
		manila.Fail(w, act.Status, message, act.RetryAfter)
	case "nova":
		nova.Fail(w, act.Status, message, act.RetryAfter)
	default:
		cinder.Fail(w, act.Status, message, act.RetryAfter)
	}
}

// deaf takes an answer that nobody will get.
type deaf struct {
	header http.Header
}

// Header returns headers that go nowhere.
func (d *deaf) Header() http.Header { return d.header }

// Write takes everything.
func (d *deaf) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (d *deaf) WriteHeader(int) {}

// versions answers at the root, in Identity's form: a client that was given an
// address without a version begins here.
func versions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", keystone.BaseURL(r)+"/v3/")
	reply(w, http.StatusMultipleChoices, map[string]any{
		"versions": map[string]any{"values": []any{keystone.Version(r)}},
	})
}

// version answers for both services, which share the address: who has a token
// gets Block Storage's document, which nobody gets without one from a real cloud,
// and who has none gets Identity's.
func (f *front) version(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Auth-Token") != "" {
		f.cinder.Document(w, r)
		return
	}
	w.Header().Set("Vary", "X-Auth-Token")
	reply(w, http.StatusOK, map[string]any{"version": keystone.Version(r)})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left is not our concern
}
