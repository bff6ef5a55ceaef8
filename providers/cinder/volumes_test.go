package cinder_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/cinder"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

func TestCreateGetDelete(t *testing.T) {
	c := start(t, simulator.Options{Settle: 20 * time.Millisecond})
	ctx := t.Context()
	v := c.made("db", map[string]string{"fuxi:v": "1", "fuxi:created": "now", "mine": "yes"})
	v = c.until(v.ID, "available")
	if v.Name != "db" || v.SizeGiB != 1 || v.Key != (volume.Key{Cloud: "sim", Provider: "cinder", ID: v.ID}) ||
		v.CreatedAt.Location() != time.UTC || v.CreatedAt.IsZero() || !v.Blank() || v.Metadata["mine"] != "yes" || v.Marks.From != "fuxi" {
		t.Errorf("%+v", v)
	}
	if err := c.Delete(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, v.ID); err != nil {
		t.Errorf("a second delete: %v", err)
	}
	for {
		_, err := c.Get(ctx, v.ID)
		if errors.Is(err, volume.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := c.Delete(ctx, v.ID); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
	for _, id := range []string{"", "..", "a/b", "a?b", "detail#"} {
		if _, err := c.Get(ctx, id); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("Get(%q): %v", id, err)
		}
		if err := c.Delete(ctx, id); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("Delete(%q): %v", id, err)
		}
	}
}

func TestLostCreateIsAmbiguousAndWasDone(t *testing.T) {
	c := start(t, simulator.Options{})
	c.fault("POST", "^/volumes$", "lose_reply", "")
	_, err := c.Create(t.Context(), volume.NewVolume{Name: "db", SizeGiB: 1, Metadata: map[string]string{"volume_from": "fuxi"}})
	if !volume.IsAmbiguous(err) {
		t.Fatalf("%v", err)
	}
	if got := c.list(c.Provider, volume.Query{Name: "db"}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestQuotaText(t *testing.T) {
	c := start(t, simulator.Options{QuotaVolumes: 1})
	c.made("one", nil)
	_, err := c.Create(t.Context(), volume.NewVolume{Name: "two", SizeGiB: 1})
	if !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) || !strings.Contains(err.Error(), "quota") || !strings.Contains(err.Error(), `"two"`) {
		t.Errorf("%v", err)
	}
}

func TestUnknownTypeAndZone(t *testing.T) {
	c := start(t, simulator.Options{})
	for _, req := range []volume.NewVolume{
		{Name: "x", SizeGiB: 1, Type: "no-such-type"},
		{Name: "x", SizeGiB: 1, Zone: "no-such-zone"},
		{Name: "x", SnapshotID: "8f6b3a50-1d2c-4e5f-9a0b-112233445566"},
		{Name: "x", SourceID: "8f6b3a50-1d2c-4e5f-9a0b-112233445566"},
	} {
		if _, err := c.Create(t.Context(), req); !errors.Is(err, volume.ErrInvalid) || errors.Is(err, volume.ErrNotFound) {
			t.Errorf("Create(%+v): %v", req, err)
		}
		if err := c.Check(t.Context(), req); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("Check(%+v): %v", req, err)
		}
	}
	if err := c.Check(t.Context(), volume.NewVolume{Zone: "nvoa"}); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("no suggestion: %v", err)
	}
	if err := c.Check(t.Context(), volume.NewVolume{Name: "plain", SizeGiB: 1}); err != nil {
		t.Error(err)
	}
}

func TestDeleteOfAnAttachedVolumeNamesTheHolder(t *testing.T) {
	c := start(t, simulator.Options{})
	v := c.made("db", nil)
	c.attach(v, "node-7")
	err := c.Delete(t.Context(), v.ID)
	if !errors.Is(err, volume.ErrInUse) || !strings.Contains(err.Error(), "host node-7") {
		t.Errorf("%v", err)
	}
}

func TestSetMarks(t *testing.T) {
	c := start(t, simulator.Options{})
	ctx := t.Context()
	v := c.made("db", map[string]string{"keep": "1", "fuxi:pristine": "1"})
	for _, step := range []struct {
		name   string
		change volume.MarkChange
		calls  []string
		want   map[string]string
	}{
		{"merge", volume.MarkChange{Set: map[string]string{"fuxi:formatting": "ext4"}}, []string{"POST"},
			map[string]string{"volume_from": "fuxi", "keep": "1", "fuxi:pristine": "1", "fuxi:formatting": "ext4"}},
		{"merge again", volume.MarkChange{Set: map[string]string{"fuxi:formatting": "ext4"}}, []string{"POST"},
			map[string]string{"volume_from": "fuxi", "keep": "1", "fuxi:pristine": "1", "fuxi:formatting": "ext4"}},
		{"read and replace", volume.MarkChange{Set: map[string]string{"fuxi:formatted": "ext4"}, Unset: []string{"fuxi:formatting"}}, []string{"GET", "PUT"},
			map[string]string{"volume_from": "fuxi", "keep": "1", "fuxi:pristine": "1", "fuxi:formatted": "ext4"}},
		{"replace what is known", volume.MarkChange{Unset: []string{"fuxi:pristine"}, Known: map[string]string{"volume_from": "fuxi", "keep": "1", "fuxi:pristine": "1"}}, []string{"PUT"},
			map[string]string{"volume_from": "fuxi", "keep": "1"}},
		{"unset what is not there", volume.MarkChange{Unset: []string{"fuxi:pristine"}}, []string{"GET"},
			map[string]string{"volume_from": "fuxi", "keep": "1"}},
		{"just read", volume.MarkChange{}, []string{"GET"}, map[string]string{"volume_from": "fuxi", "keep": "1"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			var got map[string]string
			var err error
			calls := c.calls(func() { got, err = c.SetMarks(ctx, v.ID, step.change) })
			if err != nil || !maps.Equal(got, step.want) {
				t.Errorf("%v: %v", err, got)
			}
			methods := []string{}
			for kind := range calls {
				methods = append(methods, strings.Fields(kind)[0])
			}
			slices.Sort(methods)
			if !slices.Equal(methods, step.calls) {
				t.Errorf("calls %v, want %v", calls, step.calls)
			}
			fresh, err := c.Get(ctx, v.ID)
			if err != nil || !maps.Equal(fresh.Metadata, step.want) {
				t.Errorf("%v: the cloud has %v", err, fresh.Metadata)
			}
		})
	}
	if _, err := c.SetMarks(ctx, "8f6b3a50-1d2c-4e5f-9a0b-112233445566", volume.MarkChange{Set: map[string]string{"a": "b"}}); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestApplicationCredentialAndForeignProject(t *testing.T) {
	c := startAs(t, "sim-appcred", simulator.Options{Seed: 3})
	if got := c.list(c.Provider, volume.Query{}); len(got) != 3 {
		t.Errorf("%v", names(got))
	}
	if got := c.list(c.cluster("it's \\another", 0), volume.Query{}); len(got) != 0 {
		t.Errorf("%v", names(got))
	}
	_ = cinder.Name
}
