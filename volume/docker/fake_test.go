package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
)

// fake is a Service that follows a script: a missing step succeeds.
type fake struct {
	mu      sync.Mutex
	calls   []string
	create  func(ctx context.Context, name string, raw map[string]string) error
	mount   func(ctx context.Context, req volume.MountRequest) (string, error)
	unmount func(ctx context.Context, name, user string) error
	get     func(ctx context.Context, name string) (volume.Info, error)
	listed  []volume.Listed
	err     error // of Remove, List and Path
}

func (f *fake) saw(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fake) Create(ctx context.Context, name string, raw map[string]string) error {
	f.saw("Create %s %v", name, raw)
	if f.create != nil {
		return f.create(ctx, name, raw)
	}
	return nil
}

func (f *fake) Remove(_ context.Context, name string) error {
	f.saw("Remove %s", name)
	return f.err
}

func (f *fake) Mount(ctx context.Context, req volume.MountRequest) (string, error) {
	f.saw("Mount %s %s", req.Name, req.User)
	if f.mount != nil {
		return f.mount(ctx, req)
	}
	return "/mnt/" + req.Name, nil
}

func (f *fake) Unmount(ctx context.Context, name, user string) error {
	f.saw("Unmount %s %s", name, user)
	if f.unmount != nil {
		return f.unmount(ctx, name, user)
	}
	return nil
}

func (f *fake) Get(ctx context.Context, name string) (volume.Info, error) {
	f.saw("Get %s", name)
	if f.get != nil {
		return f.get(ctx, name)
	}
	return volume.Info{Listed: volume.Listed{Name: name}}, nil
}

func (f *fake) List(context.Context) (iter.Seq[volume.Listed], error) {
	f.saw("List")
	return slices.Values(f.listed), f.err
}

func (f *fake) Path(_ context.Context, name string) (string, error) {
	f.saw("Path %s", name)
	return "/mnt/" + name, f.err
}

// logged collects a log's lines.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open serves a door for f on a socket until the test ends.
func open(t testing.TB, f Service, opts Options) (path string) {
	t.Helper()
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	path = filepath.Join(t.TempDir(), "fuxi.sock")
	l, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- New(f, opts).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return path
}

func client(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 32,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// post does one call as dockerd does: no Content-Type, an Accept header.
func post(c *http.Client, method, body string) (code int, reply string, err error) {
	req, err := http.NewRequest("POST", "http://plugin.moby.localhost/"+method, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept", "application/vnd.docker.plugins.v1.2+json")
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func errOf(t *testing.T, reply string) string {
	t.Helper()
	var e struct{ Err string }
	if err := json.Unmarshal([]byte(reply), &e); err != nil {
		t.Fatalf("%q: %v", reply, err)
	}
	return e.Err
}

// eventually waits for ok at most five seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never saw: " + what)
		}
	}
}
