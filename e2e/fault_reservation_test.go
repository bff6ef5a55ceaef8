package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// neighbour is another host of the cluster, played through the cloud's API.
type neighbour struct {
	*trial
	volume, attachment string
}

// reserve claims a volume as another host does; the return says whether it got
// it.
func (n *neighbour) reserve() bool {
	n.t.Helper()
	var out struct {
		Attachment struct {
			ID string `json:"id"`
		} `json:"attachment"`
	}
	code := n.cloud.API("POST", "/attachments", map[string]any{"attachment": map[string]any{"volume_uuid": n.volume}}, &out)
	n.attachment = out.Attachment.ID
	return code == 200
}

func (n *neighbour) expose(host string) {
	n.t.Helper()
	connector := map[string]any{"host": host, "mountpoint": "fuxi:" + host, "initiator": "iqn.2016-04.org.x:" + host}
	if code := n.cloud.API("PUT", "/attachments/"+n.attachment, map[string]any{"attachment": map[string]any{"connector": connector}}, nil); code != 200 {
		n.t.Fatalf("expose to %s: %d", host, code)
	}
}

func (n *neighbour) complete() {
	n.t.Helper()
	if code := n.cloud.API("POST", "/attachments/"+n.attachment+"/action", map[string]any{"os-complete": map[string]any{}}, nil); code != 204 {
		n.t.Fatalf("complete: %d", code)
	}
}

func (n *neighbour) release() {
	n.t.Helper()
	if code := n.cloud.API("DELETE", "/attachments/"+n.attachment, nil, nil); code != 200 {
		n.t.Fatalf("release: %d", code)
	}
}

func (n *neighbour) stillThere(when string) {
	n.t.Helper()
	if !slices.Contains(n.cloud.Attachments(), n.attachment) {
		n.t.Errorf("%s the other host's attachment is gone", when)
	}
}

// held creates a volume and a neighbour that wants it.
func (s *trial) held(name string) *neighbour {
	s.t.Helper()
	if err := s.d.Create(name, map[string]string{"size": "1"}); err != nil {
		s.t.Fatal(err)
	}
	return &neighbour{trial: s, volume: s.cloud.Volumes(name)[0].ID}
}

// TestHeldElsewhere_C2: what another host holds, in whatever state for however
// long, is waited for within wait_for_release, then refused with words, and is
// never taken away. Once it is let go, the mount works.
func TestHeldElsewhere_C2(t *testing.T) {
	t.Parallel()
	type held struct {
		state string
		take  func(*neighbour)
		words []string
	}
	cases := []held{
		{"reserved", func(*neighbour) {}, []string{"vol", "status reserved", "3s"}},
		{"attaching", func(n *neighbour) { n.expose("host-z") }, []string{"vol", "status attaching", "3s"}},
		{"in-use", func(n *neighbour) { n.expose("host-z"); n.complete() }, []string{"host host-z", "vol", "3s"}},
	}
	together(t, 3, cases, func(h held) string { return h.state }, func(t *testing.T, h held) {
		s := newTrial(t, simulator.Options{}, nil)
		n := s.held("vol")
		if !n.reserve() {
			t.Fatal("the neighbour could not reserve")
		}
		h.take(n)
		began := time.Now()
		_, err := s.d.Mount("vol", "c1")
		if err == nil {
			t.Fatal("mounted, though another host holds it")
		}
		if took := time.Since(began); took < 2*time.Second || took > 15*time.Second {
			t.Errorf("the mount took %s, wait_for_release is 3 s", took)
		}
		for _, word := range h.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in: %v", word, err)
			}
		}
		n.stillThere("after the mount was refused")
		refused(t, "remove", s.d.Remove("vol"), h.words[:1]...)
		n.stillThere("after the removal was refused")
		later := make(chan error, 1)
		go func() {
			_, err := s.d.Mount("vol", "c2")
			later <- err
		}()
		time.Sleep(500 * time.Millisecond)
		n.release()
		if err := <-later; err != nil {
			t.Errorf("mounting while the other host lets go: %v", err)
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

// TestOneIntentDeletesOneReservation_E6: this host's reservation whose answer
// was lost is deleted after reservation_age. The one that another host makes
// right afterwards looks the same, and stays.
func TestOneIntentDeletesOneReservation_E6(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, rig.Settings{
		"plugin": {`refresh = "1h"`}, "cinder": {`linger = "100ms"`, `reservation_age = "1s"`, `wait_for_release = "12s"`},
	})
	n := s.held("vol")
	s.cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments$", Times: 1, Do: "lose_reply"})
	mounted := make(chan error, 1)
	go func() {
		_, err := s.d.Mount("vol", "c1")
		mounted <- err
	}()
	lost := ""
	rig.Eventually(t, 10*time.Second, func() string {
		if all := s.cloud.Attachments(); len(all) == 1 {
			lost = all[0]
			return ""
		}
		return "our reservation has not come"
	})
	got := false
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline) && !got; time.Sleep(time.Millisecond) {
		got = n.reserve()
		if all := s.cloud.Attachments(); !got && len(all) == 1 && all[0] != lost {
			break
		}
	}
	if !got {
		t.Skip("the daemon was faster than the other host")
	}
	for until := time.Now().Add(7 * time.Second); time.Now().Before(until) && !t.Failed(); time.Sleep(100 * time.Millisecond) {
		n.stillThere("while the mount waits")
	}
	if !t.Failed() {
		n.release()
	}
	if err := <-mounted; err != nil {
		t.Errorf("mounting after the other host let go: %v", err)
	}
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Error(err)
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}
