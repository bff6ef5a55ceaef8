package manila_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/manila"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

func TestStory(t *testing.T) {
	story(t, start(t).session, "local-share")
}

func TestReserveAsksOnlyAboutTheUnknown(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	if n := c.calls(func() { _, _ = c.Reserve(t.Context(), v.ID, false) }); n != 0 {
		t.Errorf("a known share took %d calls", n)
	}
	fresh := c.host("a", "::ffff:192.0.2.1")
	n := c.calls(func() {
		if id, err := fresh.Reserve(t.Context(), v.ID, true); err != nil || id != v.ID+"/ip/192.0.2.1" {
			t.Errorf("%s, %v", id, err)
		}
	})
	if n != 1 {
		t.Errorf("an unknown share took %d calls", n)
	}
	if _, err := fresh.Reserve(t.Context(), "00000000-0000-4000-8000-000000000000", false); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("a share that is not there: %v", err)
	}
	for _, p := range []*manila.Provider{c.host("a", ""), c.host("", "192.0.2.1"), c.host("a", "node1")} {
		if _, err := p.Reserve(t.Context(), v.ID, false); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "fuxi.toml") {
			t.Errorf("%v", err)
		}
	}
}

func TestAttachmentIDs(t *testing.T) {
	c := start(t)
	for _, id := range []string{"", "x", "x/ip", "x/ip/", "/ip/192.0.2.1", "a b/ip/192.0.2.1", "x/user/root"} {
		if err := c.Release(t.Context(), id); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
		if _, err := c.Expose(t.Context(), volume.Volume{}, id, volume.HostIdentity{}); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestCalls: a mount and its end must not cost more than they need.
func TestCalls(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	var id string
	n := c.calls(func() { id = expose(t, c.Provider, v) })
	if n > 6 {
		t.Errorf("a new rule took %d calls", n)
	}
	if n := c.calls(func() { expose(t, c.Provider, v) }); n != 4 { // refused, list, exports, state
		t.Errorf("a rule that was there took %d calls", n)
	}
	n = c.calls(func() {
		if err := c.Release(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	if n > 6 {
		t.Errorf("letting go took %d calls", n)
	}
	if n := c.calls(func() { _ = c.Release(t.Context(), id) }); n != 1 {
		t.Errorf("letting go again took %d calls", n)
	}
}

func expose(t *testing.T, p *manila.Provider, v volume.Volume) (id string) {
	t.Helper()
	id, err := p.Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Expose(t.Context(), v, id, volume.HostIdentity{}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOperatorsRule(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	c.operatorAllows(v.ID, "192.0.2.1/32", "rw")
	c.operatorAllows(v.ID, "198.51.100.0/24", "ro")
	id, _ := c.Reserve(t.Context(), v.ID, false)
	conn, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if err != nil || conn.Data["access_rule_of"] != "operator" {
		t.Fatalf("%+v, %v", conn, err)
	}
	rows, err := c.Attachments(t.Context(), v.ID)
	if err != nil || len(rows) != 2 || rows[0].ID != id || rows[0].Holder != "a" ||
		rows[1].ID != v.ID+"/ip/198.51.100.0/24" || rows[1].Holder != "198.51.100.0/24" {
		t.Errorf("%+v, %v", rows, err)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, c.Provider, v.ID); !slices.Equal(got, []string{"192.0.2.1/32 attached", "198.51.100.0/24 attached"}) {
		t.Errorf("the operator's rules: %q", got)
	}
	if err := c.Release(t.Context(), v.ID+"/ip/198.51.100.0/24"); err != nil || len(holders(t, c.Provider, v.ID)) != 2 {
		t.Errorf("a rule that is not ours: %v", err)
	}
}

func TestLevels(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	c.operatorAllows(v.ID, "192.0.2.1", "ro")
	id, _ := c.Reserve(t.Context(), v.ID, false)
	_, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if !errors.Is(err, volume.ErrConflict) || !strings.Contains(err.Error(), "for reading only") || !strings.Contains(err.Error(), "did not make") {
		t.Errorf("%v", err)
	}
	v.Marks.Opts = "access=ro"
	if conn, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); err != nil || conn.Access != "ro" {
		t.Errorf("%+v, %v", conn, err)
	}
	v.Marks.Opts = "access=all"
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); !errors.Is(err, volume.ErrInvalid) {
		t.Errorf("a damaged record: %v", err)
	}
	w := c.made(volume.NewVolume{Name: "other"})
	w.Marks.Opts = "access=ro"
	other, _ := c.Reserve(t.Context(), w.ID, false)
	if _, err := c.Expose(t.Context(), w, other, volume.HostIdentity{}); err != nil {
		t.Fatal(err)
	}
	list := c.ask("GET", "share-access-rules?share_id="+w.ID, nil)["access_list"].([]any)
	if level := list[0].(map[string]any)["access_level"]; level != "ro" {
		t.Errorf("the rule is %v", level)
	}
}

func TestShareIsBusy(t *testing.T) {
	c := startWith(t, simulator.Options{Settle: 10 * time.Millisecond}, "sim")
	v := c.made(volume.NewVolume{})
	id := expose(t, c.Provider, v)
	c.admin("POST", "shares/"+v.ID, `{"status":"migrating"}`)
	if _, err := c.host("b", "192.0.2.2").Expose(t.Context(), v, v.ID+"/ip/192.0.2.2", volume.HostIdentity{}); !errors.Is(err, volume.ErrConflict) {
		t.Errorf("%v", err)
	}
	if err := c.Release(t.Context(), id); !errors.Is(err, volume.ErrConflict) {
		t.Errorf("%v", err)
	}
	c.fault(1, "POST", "/action$", "status", `{"status":403,"message":"Cannot deny access since it has been locked."}`)
	if err := c.Release(t.Context(), id); !errors.Is(err, volume.ErrConflict) || strings.Contains(err.Error(), "role") {
		t.Errorf("a locked rule: %v", err)
	}
	c.admin("POST", "shares/"+v.ID, `{"status":"error"}`)
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("of a share in error: %v", err)
	}
}

// TestTwoLeaveAtOnce: hosts behind one address that see each other on their way
// out leave no rule behind.
func TestTwoLeaveAtOnce(t *testing.T) {
	c := start(t)
	b := c.host("b", "192.0.2.1")
	v := c.made(volume.NewVolume{})
	for range 5 {
		id := expose(t, c.Provider, v)
		expose(t, b, v)
		done := make(chan error)
		for _, p := range []*manila.Provider{c.Provider, b} {
			go func() { done <- p.Release(t.Context(), id) }()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		if got := holders(t, c.Provider, v.ID); len(got) != 0 {
			t.Fatalf("left behind: %q", got)
		}
	}
}
