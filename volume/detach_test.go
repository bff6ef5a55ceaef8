package volume

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
)

// TestUnknownDriverIsGivenBack_D1: a volume that the cloud hands out in a way
// this fuxi has no connector for is refused, and its reservation given back: it
// would stay attaching for ever otherwise.
func TestUnknownDriverIsGivenBack_D1(t *testing.T) {
	c := newMemoryCloud()
	s := member(t, t.TempDir(), "m1", "node1", "iqn.a", c)
	known := s.storages[0].Connectors
	s.storages[0].Connectors = map[string]connector.Connector{}
	ctx := context.Background()
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "cannot connect") || strings.Contains(err.Error(), "giving it back failed") {
		t.Errorf("Mount: %v", err)
	}
	if len(c.att) > 0 {
		t.Errorf("still attached: %v", c.att)
	}
	s.storages[0].Connectors = known
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Errorf("Mount with a connector: %v", err)
	}
}

// TestGrowingVolumeIsNotGivenBack: the cloud, when it has extended a volume, sets
// the status that it had before; in-use without an attachment would be for good.
func TestGrowingVolumeIsNotGivenBack(t *testing.T) {
	c := newMemoryCloud()
	s := member(t, t.TempDir(), "m1", "node1", "iqn.a", c)
	ctx := context.Background()
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	v, _ := s.registry.resolve("n")
	h := s.known(v.Key)
	attached := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.att)
	}
	cause := errors.New("the filesystem is damaged")
	giveBack := func() {
		t.Helper()
		if err := h.lock.acquire(ctx, "test"); err != nil {
			t.Fatal(err)
		}
		defer h.lock.release()
		if err := s.giveBack(ctx, h, cause); !errors.Is(err, cause) {
			t.Errorf("giveBack: %v", err)
		}
	}
	if err := h.growth.acquire(ctx, "grow"); err != nil {
		t.Fatal(err)
	}
	giveBack()
	if attached() != 1 {
		t.Error("given back while it grows")
	}
	h.growth.release()
	giveBack()
	if attached() != 0 {
		t.Error("not given back afterwards")
	}
}
