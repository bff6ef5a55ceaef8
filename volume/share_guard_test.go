package volume

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// TestShareIsNotFormatted: an order that is for disks changes nothing of a share.
func TestShareIsNotFormatted_B1(t *testing.T) {
	f, ctx := newFarm(), context.Background()
	s, _ := f.host(t, "a", t.TempDir())
	if err := s.Create(ctx, "web", nfsShare); err != nil {
		t.Fatal(err)
	}
	v, _ := s.registry.resolve("web")
	before := len(f.shares.meta[v.ID])
	err := s.Format(ctx, FormatRequest{Name: "web", ID: v.ID, FSType: "ext4", Erase: true})
	if !errors.Is(err, ErrInvalid) || len(f.shares.meta[v.ID]) != before {
		t.Errorf("Format: %v, marks %v", err, f.shares.meta[v.ID])
	}
}

// TestProviderThatNeverAnswered: one that was enabled while it was away does not
// keep other drivers' unknown names waiting.
func TestProviderThatNeverAnswered_E1(t *testing.T) {
	f, ctx, dir := newFarm(), context.Background(), t.TempDir()
	s, _ := f.host(t, "a", dir, "cinder")
	if err := s.refreshNow(ctx, s.storages[0]); err != nil {
		t.Fatal(err)
	}
	s.kill()
	f.shares.down = true
	s, _ = f.host(t, "a", dir)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.Get(ctx, "somebody-elses"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Create(ctx, "new", map[string]string{"volume_provider": "manila"}); err == nil || len(f.shares.vols) > 0 {
		t.Errorf("with a provider that does not answer: %v, made %v", err, f.shares.vols)
	}
	if err := s.Create(ctx, "new", nil); err == nil || len(f.volumes.vols) > 0 {
		t.Errorf("a volume, though a share may have its name: %v, made %v", err, f.volumes.vols)
	}
}

// TestDatabaseMovesWhileManilaIsAway: a volume with data is what its name means,
// whatever a provider that is silent may have.
func TestDatabaseMovesWhileManilaIsAway_E4(t *testing.T) {
	f, ctx := newFarm(), context.Background()
	f.volumes.add("v1", "db", "available", formatted(), time.Now())
	s, _ := f.host(t, "b", t.TempDir())
	if err := s.refreshNow(ctx, s.storages[0]); err != nil {
		t.Fatal(err)
	}
	f.shares.down = true
	v, _ := s.registry.resolve("db")
	h := s.handle(v)
	if err := h.lock.acquire(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	defer h.lock.release()
	if _, _, err := s.attach(ctx, h); err != nil {
		t.Errorf("attaching the volume: %v", err)
	}
}

// TestStorageIsAskedAfterALinger_C4: what is still connected may have got another
// writer meanwhile.
func TestStorageIsAskedAfterALinger_C4(t *testing.T) {
	c, ctx := newMemoryCloud(), context.Background()
	w := &witness{exclusive: "false", holders: []connector.Holder{{Client: "client.1", Self: true}}}
	w.memoryHost = newMemoryHost(c, map[string]connector.Content{})
	s := engine(t, "A", t.TempDir(), c, w.memoryHost, "p")
	s.cfg.Linger = time.Hour
	s.storages[0].Connectors["fake"] = w
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Unmount(ctx, "n", "u"); err != nil {
		t.Fatal(err)
	}
	w.holders = append(w.holders, connector.Holder{Client: "client.7", Address: "10.0.0.7:0/7"})
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); !errors.Is(err, ErrInUse) {
		t.Errorf("mounting beside another writer: %v", err)
	}
}

// TestOwnForgottenRule: an access rule of this host's that no record tells of any
// more does not keep the share from being removed.
func TestOwnForgottenRule_D1(t *testing.T) {
	f, ctx := newFarm(), context.Background()
	s, _ := f.host(t, "a", t.TempDir())
	if err := s.Create(ctx, "web", nfsShare); err != nil {
		t.Fatal(err)
	}
	v, _ := s.registry.resolve("web")
	f.open.Store(v.ID+"/a", "a")
	if err := s.Remove(ctx, "web"); err != nil || len(f.shares.vols) > 0 {
		t.Errorf("Remove: %v, left %v", err, f.shares.vols)
	}
}
