package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// TestKilledWhileGivingBack_E6: the process dies while the cloud works on the
// deletion of the attachment. The next one finishes by itself.
func TestKilledWhileGivingBack_E6(t *testing.T) {
	t.Parallel()
	const kind = "DELETE /v3/{project}/attachments/{id}"
	together(t, 2, []string{"delay", "lose_reply"}, func(do string) string { return do }, func(t *testing.T, do string) {
		s := newTrial(t, simulator.Options{}, nil)
		if err := s.d.Create("vol", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.d.Mount("vol", "c1"); err != nil {
			t.Fatal(err)
		}
		var value any
		if do == "delay" {
			value = "1s"
		}
		s.cloud.Fault(rig.Fault{Service: "cinder", Method: "DELETE", Path: "^/attachments/", Times: 1, Do: do, Value: value})
		if err := s.d.Unmount("vol", "c1"); err != nil {
			t.Fatal(err)
		}
		rig.Eventually(t, 10*time.Second, func() string {
			if s.cloud.Counters()[kind] == 0 {
				return "it is not given back"
			}
			return ""
		})
		s.d.Kill9()
		s.start()
		s.detached("vol")
		if left := s.cloud.Attachments(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if _, err := s.d.Mount("vol", "c2"); err != nil {
			t.Error(err)
		}
		if err := s.d.Unmount("vol", "c2"); err != nil {
			t.Error(err)
		}
		if err := s.remove("vol"); err != nil {
			t.Error(err)
		}
		s.clean("vol")
		s.d.Stop()
	})
}

// TestKilledWhileCreating_E6: the process dies while the volume is `creating`,
// and while the very request is under way. The repeated create finds what the
// first one made.
func TestKilledWhileCreating_E6(t *testing.T) {
	t.Parallel()
	together(t, 2, []bool{false, true}, func(early bool) string {
		return map[bool]string{false: "creating", true: "request under way"}[early]
	}, func(t *testing.T, early bool) {
		s := newTrial(t, simulator.Options{Settle: 1500 * time.Millisecond}, nil)
		if early {
			s.cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes$", Times: 1, Do: "delay", Value: "300ms"})
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = s.d.Call(context.Background(), "Create", map[string]any{"Name": "vol"})
		}()
		rig.Eventually(t, 10*time.Second, func() string {
			if s.cloud.Counters()[postVolume] == 0 || !early && len(s.cloud.Volumes("vol")) == 0 {
				return "nothing is being created"
			}
			return ""
		})
		s.d.Kill9()
		<-ended
		s.start()
		if err := s.d.Create("vol", nil); err != nil {
			t.Errorf("repeating the create: %v", err)
		}
		time.Sleep(400 * time.Millisecond)
		if all := s.cloud.Volumes("vol"); len(all) != 1 || all[0].Status != "available" {
			t.Errorf("volumes: %+v", all)
		}
		if _, err := s.d.Mount("vol", "c1"); err != nil {
			t.Error(err)
		}
		if err := s.d.Unmount("vol", "c1"); err != nil {
			t.Error(err)
		}
		if err := s.remove("vol"); err != nil {
			t.Error(err)
		}
		s.clean("vol")
		s.d.Stop()
	})
}

// TestHolderDies_C3: of two hosts the one that has the volume dies. The other
// one refuses, naming it, and takes nothing away; when the dead one is back its
// container still has its data, and a proper hand-over works.
func TestHolderDies_C3(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	b := &trial{t: t, cloud: s.cloud, d: rig.NewDaemon(t, s.cloud, "host-b", quiet())}
	b.start()
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	path, err := s.d.Mount("vol", "c1")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSynced(filepath.Join(path, "f"), "of host-a"); err != nil {
		t.Fatal(err)
	}
	s.d.Kill9()
	began := time.Now()
	if _, err := b.d.Mount("vol", "c2"); err == nil || !strings.Contains(err.Error(), "host-a") {
		t.Errorf("mounting on the other host must fail and name the holder: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s, wait_for_release is 3 s", took)
	}
	if err := b.d.Remove("vol"); err == nil || !strings.Contains(err.Error(), "host-a") {
		t.Errorf("removing on the other host must fail and name the holder: %v", err)
	}
	if len(s.cloud.Attachments()) != 1 || !mountedAt(path) {
		t.Fatalf("attachments %v, mounted=%v", s.cloud.Attachments(), mountedAt(path))
	}
	s.start()
	if err := writeSynced(filepath.Join(path, "g"), "still of host-a"); err != nil {
		t.Error(err)
	}
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Error(err)
	}
	if path, err = b.d.Mount("vol", "c3"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"f": "of host-a", "g": "still of host-a"} {
		if got, err := os.ReadFile(filepath.Join(path, file)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	if err := b.d.Unmount("vol", "c3"); err != nil {
		t.Error(err)
	}
	if err := b.remove("vol"); err != nil {
		t.Error(err)
	}
	b.clean("vol")
	if err := s.remove("vol"); err != nil {
		t.Errorf("removing on host-a what host-b removed: %v", err)
	}
	s.clean("vol")
	s.d.Stop()
	b.d.Stop()
}
