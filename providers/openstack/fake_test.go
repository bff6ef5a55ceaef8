package openstack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	fakePassword = "p4ssw0rd-of-demo"
	fakeProject  = "0123456789abcdef0123456789abcdef"
)

// fake is a cloud of one Keystone and one handler for everything else.
type fake struct {
	*httptest.Server
	t       *testing.T
	dir     string
	service http.HandlerFunc // reached only with the newest token

	mu       sync.Mutex
	password string
	life     time.Duration
	skew     time.Duration // of the cloud's clock
	tokens   int           // issued so far; the newest is token-<tokens>
	asked    int           // requests to Keystone
	down     int           // status of Keystone, 0 is well
	says     string        // its words when it is not
	logs     bytes.Buffer
}

func newFake(t *testing.T, service http.HandlerFunc) *fake {
	f := &fake{t: t, dir: t.TempDir(), service: service, password: fakePassword, life: time.Hour}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.writeClouds(f.URL + "/v3")
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Openstack-Request-Id", "req-test")
	if r.URL.Path == "/v3/auth/tokens" {
		f.issue(w, r)
		return
	}
	f.mu.Lock()
	good := r.Header.Get("X-Auth-Token") == fmt.Sprintf("token-%d", f.tokens)
	f.mu.Unlock()
	if !good {
		fault(w, 401, "error", "The request you have made requires authentication.")
		return
	}
	f.service(w, r)
}

func (f *fake) issue(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	body := new(bytes.Buffer)
	_, _ = body.ReadFrom(r.Body)
	switch {
	case f.down != 0:
		fault(w, f.down, "error", cmp.Or(f.says, "keystone is ill"))
		return
	case !strings.Contains(body.String(), `"`+f.password+`"`):
		fault(w, 401, "error", "The request you have made requires authentication: "+body.String())
		return
	}
	f.tokens++
	now := time.Now().Add(f.skew).UTC()
	w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", f.tokens))
	w.WriteHeader(201)
	endpoints := []map[string]string{{"interface": "public", "region": "here", "url": f.URL + "/volume/v3/" + fakeProject}}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
		"issued_at": now, "expires_at": now.Add(f.life),
		"project": map[string]string{"id": fakeProject},
		"catalog": []any{map[string]any{"type": "volumev3", "endpoints": endpoints}},
	}})
}

// count returns how often Keystone was asked.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// revoke makes the newest token void.
func (f *fake) revoke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens += 1000
}

func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) cloudsFile() string { return filepath.Join(f.dir, "clouds.yaml") }

func (f *fake) writeClouds(authURL string, more ...string) {
	f.writePassword(authURL, fakePassword, more...)
}

func (f *fake) writePassword(authURL, password string, more ...string) {
	text := fmt.Sprintf(`clouds:
  sim:
    auth: {auth_url: %q, username: demo, password: %s, project_name: demo, user_domain_name: Default, project_domain_name: Default}
    region_name: here
%s`, authURL, password, strings.Join(more, "\n"))
	if err := os.WriteFile(f.cloudsFile(), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) session() *Session { return f.configured(Config{}) }

func (f *fake) configured(cfg Config) *Session {
	f.t.Helper()
	cfg.Name, cfg.Cloud, cfg.CloudsFile = "sim", "sim", f.cloudsFile()
	s, err := New(cfg, slog.New(slog.NewTextHandler(&lockedWriter{f}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.transport.inner.Load().CloseIdleConnections() })
	return s
}

type lockedWriter struct{ *fake }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs.Write(p)
}

func (f *fake) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.String()
}

func fault(w http.ResponseWriter, status int, name, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{name: map[string]any{"code": status, "message": message}})
}

func get(ctx context.Context, s *Session) error {
	return s.Do(ctx, Call{Service: BlockStorage, Microversion: "3.44", Method: "GET", Path: "volumes/1", Doing: "show volume 1"}, nil)
}

func post(ctx context.Context, s *Session) error {
	return s.Do(ctx, Call{Service: BlockStorage, Method: "POST", Path: "volumes", Body: map[string]int{"a": 1}, Doing: "create volume x"}, nil)
}
