package manila_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/manila"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

const nowhere = "00000000-0000-4000-8000-000000000000"

func (c *cloud) snapshotOf(share string) string {
	c.t.Helper()
	answer := c.ask("POST", "snapshots", map[string]any{"snapshot": map[string]string{"share_id": share}})
	id := answer["snapshot"].(map[string]any)["id"].(string)
	for c.ask("GET", "snapshots/"+id, nil)["snapshot"].(map[string]any)["status"] != "available" {
		time.Sleep(5 * time.Millisecond)
	}
	return id
}

func TestFromSnapshot(t *testing.T) {
	c := start(t)
	of := c.made(volume.NewVolume{SizeGiB: 2, Type: "with-snapshots", ShareProto: "CEPHFS"})
	snap := c.snapshotOf(of.ID)
	if id, err := c.Origin(t.Context(), snap); err != nil || id != of.ID {
		t.Errorf("%s, %v", id, err)
	}
	p := c.with(manila.Config{ShareType: "default", ShareNetwork: nowhere}) // defaults are for new shares
	v, err := p.Create(t.Context(), volume.NewVolume{Name: "copy", SnapshotID: snap, Type: "default", ShareNetwork: nowhere})
	if err != nil || v.SizeGiB != 2 || v.Share != "CEPHFS" || v.Type != "with-snapshots" || v.SnapshotID != snap || v.Blank() {
		t.Errorf("%+v, %v", v, err)
	}
	if err := c.Delete(t.Context(), of.ID); !errors.Is(err, volume.ErrInUse) || !strings.Contains(err.Error(), "dependent snapshots") || strings.Contains(err.Error(), "role") {
		t.Errorf("%v", err)
	}
	for says, req := range map[string]volume.NewVolume{
		"has 2 GiB":            {SnapshotID: snap, SizeGiB: 1},
		"of protocol CEPHFS":   {SnapshotID: snap, ShareProto: "GLUSTERFS"},
		"has no snapshot":      {SnapshotID: nowhere},
		"is not the id":        {SnapshotID: "a/b"},
		"make a snapshot of i": {SourceID: of.ID},
	} {
		if err := c.Check(t.Context(), req); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := c.Create(t.Context(), volume.NewVolume{SnapshotID: nowhere}); !errors.Is(err, volume.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	c := start(t)
	net := c.ask("POST", "share-networks", map[string]any{"share_network": map[string]string{"name": "tenants"}})["share_network"].(map[string]any)["id"].(string)
	good := volume.NewVolume{Name: "x", SizeGiB: 1, Type: "servers", ShareNetwork: net, Zone: "nova", ShareProto: "NFS"}
	if err := c.Check(t.Context(), good); err != nil {
		t.Error(err)
	}
	if _, err := c.Create(t.Context(), good); err != nil {
		t.Error(err)
	}
	for says, req := range map[string]volume.NewVolume{
		`did you mean "default"?`:          {Type: "defualt"},
		`has no availability zone "nvoa"`:  {Zone: "nvoa"},
		`did you mean "NFS"?`:              {ShareProto: "NSF"},
		`share networks are given by id: `: {ShareNetwork: "tenants"},
		`has no share network`:             {ShareNetwork: nowhere},
		`needs a share network`:            {Type: "servers"},
		`metadata note is empty`:           {Metadata: map[string]string{"note": ""}},
		`has 1024 characters`:              {Metadata: map[string]string{"note": strings.Repeat("ä", 1024)}},
		`has 256 characters`:               {Metadata: map[string]string{strings.Repeat("k", 256): "v"}},
	} {
		if err := c.Check(t.Context(), req); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	for _, req := range []volume.NewVolume{
		{SizeGiB: 1, Type: "none"}, {SizeGiB: 1, Zone: "mars"}, {SizeGiB: 1, ShareNetwork: nowhere}, {SizeGiB: 1, ShareProto: "CIFS"},
		{SizeGiB: 0}, {SizeGiB: 1, IsPublic: true}, {SizeGiB: 1, Metadata: map[string]string{"": "v"}},
	} {
		if _, err := c.Create(t.Context(), req); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestQuota(t *testing.T) {
	c := startWith(t, simulator.Options{Settle: 10 * time.Millisecond, QuotaGigabytes: 3}, "sim")
	if _, err := c.Create(t.Context(), volume.NewVolume{SizeGiB: 4}); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "quota") {
		t.Errorf("%v", err)
	}
	v := c.made(volume.NewVolume{})
	if err := c.Extend(t.Context(), v.ID, 4); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "quota") {
		t.Errorf("%v", err)
	}
}

func TestExtendGivenUp(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	c.fault(1, "POST", "/action$", "stick", `"extending_error"`)
	if err := c.Extend(t.Context(), v.ID, 2); err != nil {
		t.Fatal(err)
	}
	v = until(t, c.Provider, v.ID, "error_extending")
	if why := c.Complaint(t.Context(), v); !strings.Contains(why, "failed to extend") {
		t.Errorf("%q", why)
	}
	if err := c.Extend(t.Context(), v.ID, 2); !errors.Is(err, volume.ErrConflict) {
		t.Errorf("%v", err)
	}
	if err := c.Extend(t.Context(), nowhere, 2); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if why := c.Complaint(t.Context(), volume.Volume{Key: volume.Key{ID: nowhere}}); why != "" {
		t.Errorf("%q", why)
	}
}

func TestStatuses(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	for own, want := range map[string]string{"available": "available", "reverting": "reverting", "creating_from_snapshot": "creating",
		"extending_error": "error_extending", "deferred_deleting": "deleting", "error_deleting": "error_deleting"} {
		c.admin("POST", "shares/"+v.ID, `{"status":"`+own+`"}`)
		if got, err := c.Get(t.Context(), v.ID); err != nil || got.Status != want {
			t.Errorf("%s: %s, %v", own, got.Status, err)
		}
	}
	c.admin("POST", "shares/"+v.ID, `{"status":"reverting"}`)
	if err := c.Delete(t.Context(), v.ID); !errors.Is(err, volume.ErrInUse) || !strings.Contains(err.Error(), "status must be one of") {
		t.Errorf("%v", err)
	}
	c.admin("POST", "shares/"+v.ID, `{"status":"available","is_soft_deleted":true}`)
	if got, err := c.Get(t.Context(), v.ID); err != nil || got.Status != "deleting" || got.Usable() {
		t.Errorf("in the bin: %s, %v", got.Status, err)
	}
	if len(listed(t, c.Provider, volume.Query{})) != 0 {
		t.Error("the bin is listed")
	}
}

// TestOldCloud: what a cloud is too old for is asked for once; what is needed
// is named.
func TestOldCloud(t *testing.T) {
	c := start(t)
	v := c.made(volume.NewVolume{})
	old := c.host("a", "192.0.2.1")
	tooOld := func(times int) {
		c.fault(times, "GET", "^/shares/", "status", `{"status":406,"message":"Version 2.69 is not supported by the API. Minimum is 2.0 and maximum is 2.50."}`)
	}
	tooOld(1)
	for i, want := range []int{2, 1, 1} {
		if n := c.calls(func() {
			if _, err := old.Get(t.Context(), v.ID); err != nil {
				t.Error(err)
			}
		}); n != want {
			t.Errorf("read %d took %d calls", i, n)
		}
	}
	tooOld(2)
	_, err := c.host("a", "").Get(t.Context(), v.ID)
	if !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "at least 2.45") || !strings.Contains(err.Error(), "maximum is 2.50") {
		t.Errorf("%v", err)
	}
}

func TestListPages(t *testing.T) {
	c := start(t)
	var want []string
	for i := range 7 {
		want = append(want, c.made(volume.NewVolume{Name: fmt.Sprint("data-", i)}).ID)
	}
	slices.Sort(want)
	c.made(volume.NewVolume{Name: "foreign", Metadata: map[string]string{"volume_from": "other"}})
	for _, size := range []int{1, 2, 3, 7, 8, 100} {
		p := c.with(manila.Config{PageSize: size})
		if got := ids(listed(t, p, volume.Query{})); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d shares", size, len(got))
		}
	}
	if len(listed(t, c.Provider, volume.Query{Name: "DATA-1"})) != 0 || len(listed(t, c.Provider, volume.Query{Name: "data-1"})) != 1 {
		t.Error("a name is exact")
	}
}

// TestListWhileSharesGo: what is there throughout is in the list, whatever goes
// before it meanwhile.
func TestListWhileSharesGo(t *testing.T) {
	c := start(t)
	var all []string
	for i := range 9 {
		all = append(all, c.made(volume.NewVolume{Name: fmt.Sprint("data-", i)}).ID)
	}
	slices.Sort(all)
	p := c.with(manila.Config{PageSize: 3})
	var got []volume.Volume
	err := p.List(t.Context(), volume.Query{}, func(page []volume.Volume) error {
		got = append(got, page...)
		if len(got) == 3 {
			for _, id := range all[:3] {
				if err := p.Delete(t.Context(), id); err != nil {
					return err
				}
				untilGone(t, p, id)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(ids(got), all) {
		t.Errorf("%d of %d, %v", len(ids(got)), len(all), err)
	}
}

func ids(all []volume.Volume) []string {
	var out []string
	for _, v := range all {
		out = append(out, v.ID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
