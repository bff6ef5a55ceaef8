package nova_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/volume"
)

func TestAttachAndDetach(t *testing.T) {
	c := start(t, 50*time.Millisecond)
	ctx := t.Context()
	v := c.made("db", "")
	var id string
	calls := c.calls(func() {
		var err error
		if id, err = c.Reserve(ctx, v.ID, false); err != nil || id != me+"/"+v.ID {
			t.Fatalf("Reserve: %q, %v", id, err)
		}
	})
	if calls["POST /v2.1/servers/{id}/os-volume_attachments"] != 1 {
		t.Errorf("calls %v", calls)
	}
	for range 2 {
		conn, err := c.Expose(ctx, v, id, volume.HostIdentity{Name: "vm"})
		if err != nil || conn.Driver != nova.Driver || conn.Data["serial"] != v.ID || conn.Data["server"] != me || conn.SizeGiB != 1 || conn.Encrypted {
			t.Fatalf("Expose: %+v, %v", conn, err)
		}
	}
	got := c.until(v.ID, "in-use")
	if len(got.Attachments) != 1 || got.Attachments[0].Server != me || !c.Here(got.Attachments[0]) {
		t.Errorf("volume: %+v", got.Attachments)
	}
	rows, err := c.Attachments(ctx, v.ID)
	if err != nil || len(rows) != 1 || rows[0].ID != id || rows[0].Status != "attached" {
		t.Errorf("rows: %+v, %v", rows, err)
	}
	for range 2 {
		if err := c.Release(ctx, id); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if now, err := c.volumes.Get(ctx, v.ID); err != nil || now.Status != "available" {
			t.Errorf("after Release: %s, %v", now.Status, err)
		}
	}
	if _, err := c.Expose(ctx, v, id, volume.HostIdentity{}); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "gave up") {
		t.Errorf("Expose of what is gone: %v", err)
	}
}

// Encrypted volumes come in clear: the hypervisor decrypts.
func TestEncryptedVolume(t *testing.T) {
	c := start(t, 0)
	v := c.made("secret", "encrypted")
	if !v.Encrypted {
		t.Fatal("the type does not encrypt")
	}
	id := c.attach(v)
	conn, err := c.Expose(t.Context(), v, id, volume.HostIdentity{})
	if err != nil || conn.Encrypted {
		t.Errorf("%+v, %v", conn, err)
	}
}

// What the server has and no record tells of is not taken over, and the lost
// reservation of a record is.
func TestAttachedBySomebodyElse(t *testing.T) {
	c := start(t, 0)
	v := c.made("db", "")
	id := c.attach(v)
	if _, err := c.Reserve(t.Context(), v.ID, false); !errors.Is(err, volume.ErrInUse) || !strings.Contains(err.Error(), "server remove volume") {
		t.Errorf("Reserve: %v, want ErrInUse", err)
	}
	if got, err := c.Reclaim(t.Context(), v.ID); err != nil || got != id {
		t.Errorf("Reclaim: %q, %v", got, err)
	}
	if _, err := c.on(other, nova.Config{}).Reserve(t.Context(), v.ID, false); !errors.Is(err, volume.ErrInUse) {
		t.Errorf("Reserve by another server: %v, want ErrInUse", err)
	}
	if _, err := c.on(other, nova.Config{}).Reclaim(t.Context(), v.ID); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("Reclaim by another server: %v, want ErrNotFound", err)
	}
}

func TestLostReplyOfAttach(t *testing.T) {
	c := start(t, 0)
	v := c.made("db", "")
	c.fault("POST", "os-volume_attachments$", "lose_reply", "")
	id, err := c.Reserve(t.Context(), v.ID, false)
	if err != nil || id != me+"/"+v.ID {
		t.Errorf("done, the answer lost: %q, %v", id, err)
	}
	w := c.made("log", "")
	c.fault("POST", "os-volume_attachments$", "status", "500")
	if _, err := c.Reserve(t.Context(), w.ID, false); !volume.IsAmbiguous(err) {
		t.Errorf("not there yet: %v; want doubt, for the request may be on its way", err)
	}
	if id, err := c.Reclaim(t.Context(), w.ID); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("Reclaim of what was not done: %q, %v", id, err)
	}
}

func TestRefusals(t *testing.T) {
	c := startWith(t, 0, nova.Config{TaskWait: 300 * time.Millisecond})
	v := c.made("db", "")
	ctx := t.Context()
	for name, test := range map[string]struct {
		prepare, undo string
		kind          error
		says          string
	}{
		"task":   {`{"task_state":"resize_migrating"}`, `{"task_state":""}`, volume.ErrUnavailable, "did not end"},
		"locked": {`{"locked":true}`, `{"locked":false}`, volume.ErrInvalid, "unlock"},
		"broken": {`{"status":"ERROR"}`, `{"status":"ACTIVE"}`, volume.ErrUnavailable, "vm_state error"},
		"full":   {`{"max_disks":1}`, `{"max_disks":0}`, volume.ErrInvalid, "node full"},
	} {
		c.server(me, test.prepare)
		if _, err := c.Reserve(ctx, v.ID, false); !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) || volume.IsAmbiguous(err) {
			t.Errorf("%s: %v; want %v saying %q", name, err, test.kind, test.says)
		}
		c.server(me, test.undo)
	}
	if _, err := c.Reserve(ctx, "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9eff", false); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("no such volume: %v, want ErrNotFound", err)
	}
	if _, err := c.Reserve(ctx, v.ID, true); !errors.Is(err, volume.ErrInvalid) {
		t.Errorf("read-only: %v, want ErrInvalid", err)
	}
}

// A task that ends in time is only waited for.
func TestTaskEnds(t *testing.T) {
	c := start(t, 0)
	v := c.made("db", "")
	c.server(me, `{"task_state":"rebooting"}`)
	time.AfterFunc(300*time.Millisecond, func() { c.server(me, `{"task_state":""}`) })
	if _, err := c.Reserve(t.Context(), v.ID, false); err != nil {
		t.Error(err)
	}
}

// The node is full before Nova is asked.
func TestNodeFull(t *testing.T) {
	c := start(t, 0)
	v := c.made("db", "")
	for name, a := range map[string]*nova.Attacher{
		"bus":      c.on(me, nova.Config{Room: func() (int, int, error) { return 26, 26, nil }}),
		"settings": c.on(me, nova.Config{MaxVolumes: 1}),
	} {
		if name == "settings" {
			c.attach(c.made("first", ""))
		}
		calls := c.calls(func() {
			if _, err := a.Reserve(t.Context(), v.ID, false); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "node full") {
				t.Errorf("%s: %v", name, err)
			}
		})
		if calls["POST /v2.1/servers/{id}/os-volume_attachments"] != 0 {
			t.Errorf("%s: Nova was asked: %v", name, calls)
		}
	}
}

// The hypervisor cannot plug, and Nova says nothing.
func TestAttachGivenUp(t *testing.T) {
	c := start(t, 50*time.Millisecond)
	v := c.made("db", "")
	c.server(me, `{"fail_attach":1}`)
	id, err := c.Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "gave up attaching") {
		t.Errorf("Expose: %v", err)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("Release: %v", err)
	}
}

func TestAttachTakesTooLong(t *testing.T) {
	c := startWith(t, 5*time.Second, nova.Config{AttachWait: 200 * time.Millisecond})
	v, err := c.volumes.Create(t.Context(), volume.NewVolume{Name: "db", SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	v = c.until(v.ID, "available")
	id, err := c.Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expose(t.Context(), v, id, volume.HostIdentity{}); err == nil || !strings.Contains(err.Error(), "does not finish") {
		t.Errorf("Expose: %v", err)
	}
}
