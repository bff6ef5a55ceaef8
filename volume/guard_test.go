package volume

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// silent is a cloud that answers nothing, and whose breaker says so.
type silent struct {
	Provider
	Health
	asked int
}

func (s *silent) List(ctx context.Context, _ Query, _ func([]Volume) error) error {
	s.asked++
	<-ctx.Done()
	return Errorf(ErrUnavailable, "no answer: %w", ctx.Err())
}

func (*silent) Open() bool        { return true }
func (*silent) LastError() string { return "no answer" }

// nothingMounted is a host without mounts.
type nothingMounted struct{ Filesystems }

func (nothingMounted) Mounts(context.Context, string) ([]connector.Mounted, error) { return nil, nil }

func newSilent(t *testing.T) (*Service, *silent) {
	t.Helper()
	cloud, dir := &silent{}, t.TempDir()
	s := New(t.Context(), Config{StateDir: dir, MountDir: dir}, Backend{Name: "cinder", Provider: cloud, Health: cloud}, nothingMounted{}, slog.New(slog.DiscardHandler))
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(); _ = s.journal.close() })
	return s, cloud
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
	if took := time.Since(began); took > time.Second || cloud.asked > 0 {
		t.Errorf("it took %s and asked the cloud %d times", took, cloud.asked)
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
