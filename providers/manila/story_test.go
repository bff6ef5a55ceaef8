package manila_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/manila"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// until polls a share until it is in a status.
func until(t *testing.T, p *manila.Provider, id, status string) volume.Volume {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		v, err := p.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if v.Status == status {
			return v
		}
		if v.Status == "error" || time.Now().After(end) {
			t.Fatalf("share %s is %s, not %s: %s", id, v.Status, status, p.Complaint(t.Context(), v))
		}
	}
}

func untilGone(t *testing.T, p *manila.Provider, id string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		v, err := p.Get(t.Context(), id)
		if errors.Is(err, volume.ErrNotFound) {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("share %s is %s: %v", id, v.Status, err)
		}
	}
}

func listed(t *testing.T, p *manila.Provider, q volume.Query) []volume.Volume {
	t.Helper()
	var all []volume.Volume
	err := p.List(t.Context(), q, func(page []volume.Volume) error {
		all = append(all, page...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func holders(t *testing.T, p *manila.Provider, id string) []string {
	t.Helper()
	rows, err := p.Attachments(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Holder+" "+r.Status)
	}
	slices.Sort(all)
	return all
}

// story is one share's life with two hosts behind one address and one with its
// own. It is played against the simulator and against a real Manila, whose
// driver says by which connection shares are reached.
func story(t *testing.T, session *openstack.Session, driver string) {
	ctx := t.Context()
	on := func(host, ip string) *manila.Provider {
		return manila.New(session, manila.Config{Cluster: "it's \\ fuxi", HostName: host, HostIP: ip,
			Networks: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}})
	}
	a, b, c := on("a.example.org", "10.77.9.1"), on("b", "10.77.9.1"), on("c", "10.77.9.3")
	name := "story-" + time.Now().UTC().Format("150405.000000")
	v, err := a.Create(ctx, volume.NewVolume{Name: name, SizeGiB: 1, Description: "data of a test",
		Metadata: map[string]string{"volume_from": "it's \\ fuxi", "fuxi:v": "1", "fuxi:created": "now,a,b", "mine": "ü"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Delete(t.Context(), v.ID) })
	v = until(t, a, v.ID, "available")
	if v.Share != "NFS" || v.SizeGiB != 1 || v.Provider != "manila" || v.Name != name || v.Metadata["mine"] != "ü" || !v.Blank() || v.CreatedAt.IsZero() {
		t.Errorf("%+v", v)
	}
	if found := listed(t, b, volume.Query{Name: name}); len(found) != 1 || found[0].ID != v.ID {
		t.Errorf("by name: %+v", found)
	}
	if found := listed(t, b, volume.Query{Name: name + "x"}); len(found) != 0 {
		t.Errorf("by another name: %+v", found)
	}
	marks(t, a, v.ID)
	access(t, v, driver, a, b, c)
	if err := a.Extend(ctx, v.ID, 2); err != nil {
		t.Fatal(err)
	}
	if v = until(t, a, v.ID, "available"); v.SizeGiB != 2 {
		t.Errorf("extended to %d", v.SizeGiB)
	}
	if err := a.Delete(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(ctx, v.ID); err != nil {
		t.Errorf("a second delete: %v", err)
	}
	untilGone(t, a, v.ID)
	if err := errors.Join(a.Delete(ctx, v.ID), a.Release(ctx, v.ID+"/ip/10.77.9.1")); err != nil {
		t.Errorf("of what is gone: %v", err)
	}
	if _, err := a.Attachments(ctx, v.ID); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("attachments of what is gone: %v", err)
	}
}

func marks(t *testing.T, p *manila.Provider, id string) {
	after, err := p.SetMarks(t.Context(), id, volume.MarkChange{Set: map[string]string{"fuxi:formatted": "nfs", "x": "1"}})
	if err != nil || after["fuxi:formatted"] != "nfs" || after["mine"] != "ü" {
		t.Errorf("merged: %v, %v", after, err)
	}
	after, err = p.SetMarks(t.Context(), id, volume.MarkChange{Set: map[string]string{"fuxi:released": "now"},
		Unset: []string{"fuxi:formatted", "x", "never there"}, Known: after})
	if err != nil || after["fuxi:formatted"] != "" || after["fuxi:released"] != "now" || after["mine"] != "ü" {
		t.Errorf("replaced: %v, %v", after, err)
	}
	after, err = p.SetMarks(t.Context(), id, volume.MarkChange{Unset: []string{"fuxi:released"}})
	if err != nil || len(after) != 4 {
		t.Errorf("unset: %v, %v", after, err)
	}
	if v, err := p.Get(t.Context(), id); err != nil || len(v.Metadata) != 4 || v.Metadata["mine"] != "ü" {
		t.Errorf("in the end: %v, %v", v.Metadata, err)
	}
}

func access(t *testing.T, v volume.Volume, driver string, a, b, c *manila.Provider) {
	ctx := t.Context()
	enter := func(p *manila.Provider) string {
		t.Helper()
		id, err := p.Reserve(ctx, v.ID, false)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.Expose(ctx, v, id, volume.HostIdentity{})
		if err != nil {
			t.Fatal(err)
		}
		if list := conn.Data["exports"].([]any); conn.Driver != driver || conn.VolumeID != v.ID || conn.Access != "rw" || len(list) == 0 || list[0] == "" {
			t.Errorf("%+v", conn)
		}
		return id
	}
	first := enter(a)
	if first != v.ID+"/ip/10.77.9.1" || enter(a) != first || enter(b) != first {
		t.Errorf("the attachment is %s", first)
	}
	third := enter(c)
	if got := holders(t, a, v.ID); !slices.Equal(got, []string{"a.example.org attached", "b attached", "c attached"}) {
		t.Errorf("all in: %q", got)
	}
	if err := a.Release(ctx, first); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, a, v.ID); !slices.Equal(got, []string{"b attached", "c attached"}) {
		t.Errorf("a out: %q", got)
	}
	if err := errors.Join(a.Release(ctx, first), b.Release(ctx, first), c.Release(ctx, third)); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, a, v.ID); len(got) != 0 {
		t.Errorf("all out: %q", got)
	}
	enter(a)
	for range 2 {
		if err := a.Release(ctx, first); err != nil {
			t.Errorf("out again: %v", err)
		}
	}
}
