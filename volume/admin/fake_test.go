package admin_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
	"github.com/openstack/fuxi/volume/docker"
)

// script is a Service that answers what it is told to and remembers orders.
type script struct {
	err     error
	info    volume.Info
	infos   []volume.Info
	status  volume.Status
	waiting chan struct{} // closed when a Create has begun to wait for its context

	mu      sync.Mutex
	created map[string]map[string]string
	removed []string
	formats []volume.FormatRequest
	grows   []volume.GrowRequest
	left    error
}

func (s *script) Create(ctx context.Context, name string, raw map[string]string) error {
	if s.waiting != nil {
		close(s.waiting)
		<-ctx.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.left = ctx.Err()
		return s.left
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.created == nil {
		s.created = map[string]map[string]string{}
	}
	s.created[name] = raw
	return s.err
}

func (s *script) Remove(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = append(s.removed, name)
	return s.err
}

func (s *script) Format(_ context.Context, req volume.FormatRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.formats = append(s.formats, req)
	return s.err
}

func (s *script) Grow(_ context.Context, req volume.GrowRequest) (volume.Grown, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grows = append(s.grows, req)
	return volume.Grown{Name: req.Name, ID: "id", WasGiB: 1, SizeGiB: req.SizeGiB, Reached: volume.ReachFilesystem}, s.err
}

func (s *script) Get(_ context.Context, name string) (volume.Info, error) {
	info := s.info
	info.Name = name
	return info, s.err
}

func (s *script) Infos(context.Context) ([]volume.Info, error) { return s.infos, s.err }

func (s *script) Status(context.Context) (volume.Status, error) { return s.status, s.err }

// logged is a log that tests read.
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

// serve runs the real server over a real socket until stop, or the test, ends.
func serve(t *testing.T, svc admin.Service) (socket string, log *logged, stop func()) {
	t.Helper()
	socket, log = filepath.Join(t.TempDir(), "admin.sock"), &logged{}
	l, err := docker.Listen(socket, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l, svc, slog.New(slog.NewTextHandler(log, nil))) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not stop")
		}
	})
	t.Cleanup(stop)
	return socket, log, stop
}

func dial(t *testing.T, socket string) *admin.Client {
	t.Helper()
	c, err := admin.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
