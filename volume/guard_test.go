package volume

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// silent is a cloud that answers nothing, and whose breaker says so.
type silent struct {
	Provider
	Health
	asked atomic.Int32
}

func (s *silent) List(ctx context.Context, _ Query, _ func([]Volume) error) error {
	s.asked.Add(1)
	<-ctx.Done()
	return Errorf(ErrUnavailable, "no answer: %w", ctx.Err())
}

func (s *silent) Get(ctx context.Context, _ string) (Volume, error) {
	return Volume{}, s.List(ctx, Query{}, nil)
}

func (*silent) Open() bool            { return true }
func (*silent) LastError() string     { return "no answer" }
func (*silent) LastAnswer() time.Time { return time.Time{} }

// nothingMounted is a host without mounts.
type nothingMounted struct{ Filesystems }

func (nothingMounted) Mounts(context.Context, string) ([]connector.Mounted, error) { return nil, nil }

func newSilent(t *testing.T) (*Service, *silent) {
	t.Helper()
	cloud, dir := &silent{}, t.TempDir()
	s := New(t.Context(), Config{StateDir: dir, MountDir: dir}, []Backend{{Name: "cinder", Provider: cloud, Health: cloud}}, nothingMounted{}, slog.New(slog.DiscardHandler))
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(); _ = s.journal.close() })
	return s, cloud
}

// What Docker asks all the time is told from memory, however the cloud is.
func TestKnownIsToldFromMemory_E1_E12(t *testing.T) {
	s, cloud := newSilent(t)
	s.registry.put(Volume{Key: Key{"c", "cinder", "v1"}, Name: "n", Status: "available"}, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for name, ask := range map[string]func() error{
		"Get":    func() error { _, err := s.Get(ctx, "n"); return err },
		"Path":   func() error { _, err := s.Path(ctx, "n"); return err },
		"List":   func() error { _, err := s.List(ctx); return err },
		"Infos":  func() error { _, err := s.Infos(ctx); return err },
		"Status": func() error { _, err := s.Status(ctx); return err },
	} {
		if err := ask(); err != nil || cloud.asked.Load() > 0 {
			t.Errorf("%s: %v, and the cloud was asked %d times", name, err, cloud.asked.Load())
		}
	}
}

// Docker asks every driver about every unknown name: once the breaker is open
// that costs nothing, and before the first refresh it is no "no".
func TestOpenBreakerSparesLookups_E14(t *testing.T) {
	s, cloud := newSilent(t)
	began := time.Now()
	for _, name := range []string{"a", "b", "c"} {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, ErrUnavailable) {
			t.Errorf("get %s: %v", name, err)
		}
	}
	if took := time.Since(began); took > time.Second || cloud.asked.Load() > 0 {
		t.Errorf("it took %s and asked the cloud %d times", took, cloud.asked.Load())
	}
}

// Work goes on to its end when its caller leaves, and its context with it.
func TestWorkOutlivesItsCaller_E3(t *testing.T) {
	s, _ := newSilent(t)
	ctx, leave := context.WithCancel(t.Context())
	left, ended := make(chan struct{}), make(chan error)
	answer := make(chan error, 1)
	go func() {
		answer <- s.background(ctx, "working", func(ctx context.Context) error {
			leave()
			<-left
			ended <- ctx.Err()
			return nil
		})
	}()
	if err := <-answer; !errors.Is(err, ErrUnavailable) {
		t.Errorf("who left is told %v", err)
	}
	close(left)
	if err := <-ended; err != nil {
		t.Errorf("the work was cut off: %v", err)
	}
}

// A container's stop needs no journal: the kernel's mount table tells the next
// start what is mounted.
func TestUnmountWithoutJournal_E6(t *testing.T) {
	c, content, dir, ctx := newMemoryCloud(), map[string]connector.Content{}, t.TempDir(), context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	k := newMemoryHost(c, content)
	s := engine(t, "A", dir, c, k, "p")
	defer s.kill()
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	if err := s.Unmount(ctx, "n", "u"); err != nil {
		t.Errorf("unmount: %v", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.mounts) > 0 {
		t.Errorf("still mounted: %v", k.mounts)
	}
}

// The request of a daemon that was killed may still be at work in the cloud,
// where no list shows it yet: the repeated Create waits for what becomes of it.
func TestInterruptedCreateIsSettledFirst_E6(t *testing.T) {
	c, dir, ctx := newMemoryCloud(), t.TempDir(), context.Background()
	s := engine(t, "A", dir, c, newMemoryHost(c, nil), "p")
	meta := ourMeta(nil)
	in := createIntent{Origin: s.origin(), Name: "n", Nonce: meta[markCreated], At: time.Now().UTC()}
	if err := s.journal.putIntent(ctx, in); err != nil {
		t.Fatal(err)
	}
	s.kill()
	s = engine(t, "A", dir, c, newMemoryHost(c, nil), "p")
	defer s.kill()
	late := time.AfterFunc(500*time.Millisecond, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.add("v1", "n", "available", meta, time.Now())
	})
	defer late.Stop()
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.vols) != 1 || c.vols["v1"] == nil {
		t.Errorf("there are %v", c.vols)
	}
}
