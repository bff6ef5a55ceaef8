package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// force sets a volume's status as an operator's reset does.
func (s *trial) force(name, status string) {
	s.t.Helper()
	s.cloud.Admin("POST", "/volumes/"+s.cloud.Volumes(name)[0].ID, map[string]string{"status": status})
}

func (s *trial) stick(method, path, state string) {
	s.t.Helper()
	s.cloud.Fault(rig.Fault{Service: "cinder", Method: method, Path: path, Times: 1, Do: "stick", Value: state})
}

// refused fails the test unless err says all the words.
func refused(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded", what)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q is not in: %v", what, w, err)
		}
	}
}

type stuck struct {
	name   string
	run    func(*testing.T, *trial)
	settle time.Duration // how long the cloud takes to create
}

// TestStuck_D1: volumes that stay in a state in which no cloud should leave
// them. Everything is bounded and says what is the matter, and goes on by
// itself once the state changes.
func TestStuck_D1(t *testing.T) {
	t.Parallel()
	cases := []stuck{
		{"error after create", errorAfterCreate, 0}, {"creating", stuckCreating, 12 * time.Second},
		{"detaching", stuckDetaching, 0}, {"attaching", stuckAttaching, 0},
		{"deleting", stuckDeleting, 0}, {"error_deleting", errorDeleting, 0},
	}
	together(t, len(cases), cases, func(s stuck) string { return s.name }, func(t *testing.T, c stuck) {
		s := newTrial(t, simulator.Options{Settle: c.settle}, nil)
		c.run(t, s)
		if err := s.remove("vol"); err != nil {
			t.Errorf("remove: %v", err)
		}
		s.clean("vol")
		s.d.Stop()
	})
}

func errorAfterCreate(t *testing.T, s *trial) {
	s.stick("POST", "^/volumes$", "error")
	refused(t, "create", s.d.Create("vol", nil), "vol", "error", "deleted", "repeated")
	s.clean("vol")
	if _, err := s.d.Get("vol"); err == nil {
		t.Error("the failed volume is still known")
	}
	s.use(t)
}

// use takes a volume through its life up to the detach.
func (s *trial) use(t *testing.T) {
	t.Helper()
	if err := s.d.Create("vol", nil); err != nil {
		t.Errorf("create: %v", err)
	}
	if _, err := s.d.Mount("vol", "used"); err != nil {
		t.Errorf("mount: %v", err)
	}
	if err := s.d.Unmount("vol", "used"); err != nil {
		t.Errorf("unmount: %v", err)
	}
	s.detached("vol")
}

func stuckCreating(t *testing.T, s *trial) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.d.Call(ctx, "Create", map[string]any{"Name": "vol"}); err == nil {
		t.Error("created, though it is stuck")
	}
	if state := s.status("vol", "state"); state != "creating" {
		t.Errorf("its state is shown as %v", state)
	}
	_, err := s.d.Mount("vol", "early")
	refused(t, "mount", err, "vol", "creating", "3s")
	s.use(t)
	if n := s.cloud.Counters()[postVolume]; n != 1 {
		t.Errorf("%d create requests, one is enough", n)
	}
}

func stuckDetaching(t *testing.T, s *trial) {
	if err := s.d.Create("vol", nil); err != nil {
		t.Error(err)
	}
	if _, err := s.d.Mount("vol", "c1"); err != nil {
		t.Error(err)
	}
	s.stick("DELETE", "^/attachments/", "detaching")
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Error(err)
	}
	s.detached("vol")
	_, err := s.d.Mount("vol", "c2")
	refused(t, "mount", err, "vol", "detaching", "3s")
	s.force("vol", "available")
	s.use(t)
}

// stuckAttaching: the driver never answers the exposing properly and the
// volume stays attaching behind our back; our own attachment counts.
func stuckAttaching(t *testing.T, s *trial) {
	if err := s.d.Create("vol", nil); err != nil {
		t.Error(err)
	}
	s.force("vol", "attaching")
	_, err := s.d.Mount("vol", "c1")
	refused(t, "mount", err, "vol", "attaching", "3s")
	refused(t, "remove", s.d.Remove("vol"), "vol")
	s.force("vol", "available")
	s.use(t)
}

// stuckDeleting: the removal is answered within Docker's minute, and the name
// is free for a new volume.
func stuckDeleting(t *testing.T, s *trial) {
	s.use(t)
	old := s.cloud.Volumes("vol")[0].ID
	s.stick("DELETE", "^/volumes/", "deleting")
	began := time.Now()
	if err := s.remove("vol"); err != nil {
		t.Errorf("a deletion that the cloud has accepted: %v", err)
	}
	if took := time.Since(began); took > 58*time.Second {
		t.Errorf("the removal took %s of Docker's minute", took)
	}
	if _, err := s.d.Get("vol"); err == nil {
		t.Error("the deleted volume is still shown")
	}
	if err := s.d.Create("vol", nil); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
	if all := s.cloud.Volumes("vol"); len(all) != 2 {
		t.Errorf("volumes: %+v", all)
	}
	if code := s.cloud.API("POST", "/volumes/"+old+"/action", map[string]any{"os-force_delete": map[string]any{}}, nil); code >= 300 {
		s.cloud.Admin("POST", "/volumes/"+old, map[string]string{"status": "error", "name": "given-up"})
	}
}

func errorDeleting(t *testing.T, s *trial) {
	s.use(t)
	s.stick("DELETE", "^/volumes/", "error_deleting")
	refused(t, "remove", s.d.Remove("vol"), "vol", "error_deleting", "repeat")
	if _, err := s.d.Get("vol"); err != nil {
		t.Errorf("success was not told, so it must be known: %v", err)
	}
	s.force("vol", "available")
}
