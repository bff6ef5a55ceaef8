package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/volume/admin"
)

// post sends a body as it is and returns the status and the error's text.
func post(t testing.TB, svc admin.Service, path, body string) (code int, kind, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	admin.Handler(svc, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
	var f struct{ Kind, Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("the answer is not JSON: %q", w.Body)
	}
	return w.Code, f.Kind, f.Error
}

func TestBadBodies(t *testing.T) {
	for body, want := range map[string]string{
		"":                                 "EOF",
		"{":                                "unexpected EOF",
		"[]":                               "cannot unmarshal array",
		`{"name":1}`:                       "cannot unmarshal number",
		`{"name":"a"}{}`:                   "something follows it",
		`{"name":"a"} x`:                   "something follows it",
		`{"name":"a","dry_run":true}`:      `unknown field "dry_run"`,
		strings.Repeat(" ", 300<<10):       "longer than 262144 bytes",
		`{"name":"` + long(300<<10) + `"}`: "longer than 262144 bytes",
	} {
		for _, path := range []string{"/v1/create", "/v1/remove", "/v1/format"} {
			svc := &script{}
			code, kind, text := post(t, svc, path, body)
			if code != 400 || kind != "invalid" || !strings.Contains(text, want) {
				t.Errorf("%s %.40q: %d %s %q, want %q", path, body, code, kind, text, want)
			}
			if len(svc.created)+len(svc.removed)+len(svc.formats) > 0 {
				t.Errorf("%s %.40q was acted on", path, body)
			}
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestUnknownCalls(t *testing.T) {
	for _, path := range []string{"/v2/create", "/v1/status", "/", "/v1/volumes"} {
		code, kind, text := post(t, &script{}, path, "{}")
		if code != 400 || kind != "invalid" || !strings.Contains(text, "POST "+path) {
			t.Errorf("%s: %d %s %q", path, code, kind, text)
		}
	}
}

// TestOthersOnTheSocket dials what is not a daemon.
func TestOthersOnTheSocket(t *testing.T) {
	for name, answer := range map[string]string{
		"404 page":  "HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n",
		"not json":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"json":      "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
		"cut short": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi",
		"silent":    "",
	} {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}()
		_, err = admin.Dial(context.Background(), socket)
		if !errors.Is(err, admin.ErrNoDaemon) {
			t.Errorf("%s: %v", name, err)
		}
		_ = l.Close()
	}
}

// FuzzOrders sends any body to any order: the answer is always JSON, and only
// a body that is one JSON object of the right shape is acted on.
func FuzzOrders(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"name":"v","options":{"size":"1"}}`, `{"name":"v","id":"i","erase":true}`, `{"Name":null}`, `{"name":"v"}]`, "\xff", `{"name":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/create", "/v1/remove", "/v1/format"} {
			svc := &script{}
			code, _, text := post(t, svc, path, body)
			acted := len(svc.created)+len(svc.removed)+len(svc.formats) == 1
			if (code == http.StatusOK) != acted || (code == http.StatusOK) != (text == "") {
				t.Errorf("%s %q: %d %q, acted: %v", path, body, code, text, acted)
			}
			if acted && !json.Valid(bytes.TrimSpace([]byte(body))) {
				t.Errorf("%s %q was acted on", path, body)
			}
		}
	})
}
