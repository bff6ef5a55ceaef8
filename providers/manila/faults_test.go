package manila_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/volume"
)

func TestRuleFails(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	id, _ := c.Reserve(t.Context(), v.ID, false)
	c.fault(1, "POST", "/action$", "stick", `"error"`)
	c.admin("POST", "shares/"+v.ID, `{"message":"update access: the backend is full"}`)
	_, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "the backend is full") || !strings.Contains(err.Error(), "taken back") {
		t.Errorf("%v", err)
	}
	if expose(t, c.Provider, v) != id {
		t.Error("the next time it works")
	}
	// A failed rule that was left behind is replaced.
	if err := c.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c.fault(1, "POST", "/action$", "stick", `"error"`)
	c.fault(4, "POST", "/action$", "status", "500")
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); !strings.Contains(err.Error(), "taking it back failed too") {
		t.Errorf("%v", err)
	}
	if got := holders(t, c.Provider, v.ID); !slices.Equal(got, []string{"a error_attaching"}) {
		t.Errorf("left behind: %q", got)
	}
	expose(t, c.Provider, v)
	if got := holders(t, c.Provider, v.ID); !slices.Equal(got, []string{"a attached"}) {
		t.Errorf("replaced: %q", got)
	}
}

func TestRuleIsSlow(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	id, _ := c.Reserve(t.Context(), v.ID, false)
	c.fault(1, "POST", "/action$", "stick", `"applying"`)
	_, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "is still applying") {
		t.Errorf("%v", err)
	}
	c.fault(1, "POST", "/action$", "stick", `"denying"`)
	if err := c.Release(t.Context(), id); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "is still denying") {
		t.Errorf("%v", err)
	}
	// Nothing is let in by a rule that is on its way out.
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	c.fault(1, "POST", "/action$", "stick", `"error"`)
	w := c.made(volume.NewVolume{Name: "w"})
	c.admin("DELETE", "faults", "")
	other := expose(t, c.Provider, w)
	c.fault(1, "POST", "/action$", "stick", `"error"`)
	if err := c.Release(t.Context(), other); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "could not remove") {
		t.Errorf("%v", err)
	}
	if err := c.Release(t.Context(), other); err != nil {
		t.Errorf("repeated: %v", err)
	}
}

// TestRuleIsLost: a share service that is being stopped can lose the request for
// a rule, which is then queued for ever. It is asked for anew, once.
func TestRuleIsLost(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	id, _ := c.Reserve(t.Context(), v.ID, false)
	c.fault(1, "POST", "/action$", "stick", `"queued_to_apply"`)
	expose(t, c.Provider, v)
	if got := holders(t, c.Provider, v.ID); !slices.Equal(got, []string{"a attached"}) {
		t.Errorf("asked for anew: %q", got)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	// A service that hears nothing at all is not asked for ever, and what it left
	// is mended when it hears again.
	c.fault(9, "POST", "/action$", "stick", `"queued_to_apply"`)
	_, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "no service has taken up the access rule") || !strings.Contains(err.Error(), "asking for it anew failed") {
		t.Errorf("%v", err)
	}
	c.admin("DELETE", "faults", "")
	expose(t, c.Provider, v)
}

func TestLostReplies(t *testing.T) {
	c := start(t)
	c.fault(1, "POST", "^/shares$", "lose_reply", "")
	_, err := c.Create(t.Context(), volume.NewVolume{Name: "data", SizeGiB: 1, Metadata: map[string]string{"volume_from": "fuxi"}})
	if !volume.IsAmbiguous(err) {
		t.Fatalf("%v", err)
	}
	all := listed(t, c.Provider, volume.Query{Name: "data"})
	if len(all) != 1 {
		t.Fatalf("it was done: %v", all)
	}
	v := until(t, c.Provider, all[0].ID, "available")
	id, _ := c.Reserve(t.Context(), v.ID, false)
	c.fault(1, "POST", "/action$", "lose_reply", "")
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); err != nil {
		t.Errorf("%v", err)
	}
	if got := holders(t, c.Provider, v.ID); !slices.Equal(got, []string{"a attached"}) {
		t.Errorf("%q", got)
	}
	c.fault(1, "POST", "/action$", "lose_reply", "")
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("%v", err)
	}
	c.fault(2, "GET", "/share-access-rules", "status", "503")
	if rows, err := c.Attachments(t.Context(), v.ID); err != nil || len(rows) != 0 {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestCollisions: Manila answers 500 to one of two hosts that have rules of one
// share changed at once. Whoever starts a container must not see it.
func TestCollisions(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	b := c.host("b", "192.0.2.1")
	c.fault(2, "POST", "/action$", "status", "500")
	id := expose(t, c.Provider, v)
	c.fault(2, "PUT", "/metadata$", "status", "500")
	expose(t, b, v)
	c.fault(2, "DELETE", "/metadata/", "status", "500")
	if err := c.Release(t.Context(), id); err != nil {
		t.Error(err)
	}
	c.fault(2, "POST", "/action$", "status", "500")
	if err := b.Release(t.Context(), id); err != nil {
		t.Error(err)
	}
	if got := holders(t, b, v.ID); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	c.fault(2, "POST", "/metadata$", "status", "500")
	c.fault(2, "DELETE", "/metadata/", "status", "500")
	after, err := c.SetMarks(t.Context(), v.ID, volume.MarkChange{Set: map[string]string{"new": "1"}, Unset: []string{"volume_from"}})
	if err != nil || after["new"] != "1" || after["volume_from"] != "" {
		t.Errorf("%v, %v", after, err)
	}
	c.fault(9, "POST", "/action$", "status", "500")
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); !volume.IsAmbiguous(err) {
		t.Errorf("a cloud that only fails: %v", err)
	}
}
