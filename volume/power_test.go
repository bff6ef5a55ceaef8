package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// losePower ends a host at once: with its mounts and devices go all journal
// records that were not waited for on the disk.
func losePower(t *testing.T, s *Service) {
	t.Helper()
	s.kill()
	for file, slots := range s.journal.files {
		path := filepath.Join(s.journal.dir, file)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if slots.count != slots.firm {
			lost := int(1-slots.firm%2) * slots.size
			clear(data[lost : lost+slots.size])
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// hostThatBoots returns what starts fuxi on a host that has just booted.
func hostThatBoots(t *testing.T, provider string) func() *Service {
	dir, boots := t.TempDir(), 0
	f, c, content := newFarm(), newMemoryCloud(), map[string]connector.Content{}
	return func() *Service {
		boots++
		if provider == "manila" {
			delete(f.mounted, "a")
			f.boot = fmt.Sprint(boots)
			s, _ := f.host(t, "a", dir)
			return s
		}
		s := engineOfBoot(t, fmt.Sprint(boots), "a", dir, c, newMemoryHost(c, content), "p")
		t.Cleanup(s.kill)
		return s
	}
}

func untilGivenBack(t *testing.T, s *Service, name string) {
	t.Helper()
	v, _ := s.registry.resolve(name)
	h := s.handle(v)
	for deadline := time.Now().Add(5 * time.Second); h.view.Load().attached; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not given back: %+v", h.view.Load())
		}
	}
}

// TestLossOfPower: whatever was going on when the power went, afterwards the
// volume has no users, stays attached for as long as Docker needs to start its
// containers on it, is mounted again with what was written, and is given back.
func TestLossOfPower(t *testing.T) {
	for provider, opts := range map[string]map[string]string{"cinder": {"volume_provider": "cinder"}, "manila": nfsShare} {
		for users := range 4 {
			t.Run(fmt.Sprintf("%s/%d", provider, users), func(t *testing.T) {
				ctx, boot := context.Background(), hostThatBoots(t, provider)
				s := boot()
				if err := s.Create(ctx, "n", opts); err != nil {
					t.Fatal(err)
				}
				mount := func(s *Service, user string) {
					t.Helper()
					if _, err := s.Mount(ctx, MountRequest{Name: "n", User: user}); err != nil {
						t.Fatal(err)
					}
				}
				mount(s, "first")
				if err := s.Unmount(ctx, "n", "first"); err != nil {
					t.Fatal(err)
				}
				untilGivenBack(t, s, "n")
				for u := range users {
					mount(s, fmt.Sprint(u))
				}
				if users == 3 {
					if err := s.Unmount(ctx, "n", "0"); err != nil {
						t.Fatal(err)
					}
				}
				v, _ := s.registry.resolve("n")
				losePower(t, s)
				s = boot()
				h := s.handle(v)
				if len(h.rec.Users) > 0 || h.rec.Target != "" && h.rec.Step == StepMounted {
					t.Errorf("after the loss: %+v", h.rec)
				}
				if users > 0 && (h.rec.Step != StepConnected || h.rec.Connection == nil) {
					t.Errorf("after the loss it is at %q with %v: it would be detached before Docker starts", h.rec.Step, h.rec.Connection)
				}
				mount(s, "again")
				if users > 0 && h.rec.Fresh {
					t.Error("a filesystem that was written to is thought new")
				}
				if err := s.Unmount(ctx, "n", "again"); err != nil {
					t.Fatal(err)
				}
				untilGivenBack(t, s, "n")
			})
		}
	}
}
