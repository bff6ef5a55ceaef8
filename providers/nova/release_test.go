package nova_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/nova"
	"github.com/openstack/fuxi/volume"
)

// The guest does not answer, and Nova gives up without a word: it is asked again.
func TestDetachIgnored(t *testing.T) {
	c := start(t, 100*time.Millisecond)
	v := c.made("db", "")
	id := c.attach(v)
	c.server(me, `{"ignore_detach":2}`)
	calls := c.calls(func() {
		if err := c.Release(t.Context(), id); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
	if n := calls["DELETE /v2.1/servers/{id}/os-volume_attachments/{volume}"]; n != 3 {
		t.Errorf("asked %d times", n)
	}
	if got := c.until(v.ID, "available"); len(got.Attachments) != 0 {
		t.Errorf("%+v", got.Attachments)
	}
}

func TestDetachNeverHappens(t *testing.T) {
	c := start(t, 100*time.Millisecond)
	id := c.attach(c.made("db", ""))
	c.server(me, `{"ignore_detach":100}`)
	err := c.Release(t.Context(), id)
	if !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "3 times") || !strings.Contains(err.Error(), "does not let go") {
		t.Errorf("Release: %v", err)
	}
	c.server(me, `{"ignore_detach":0}`)
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("Release, once the guest answers: %v", err)
	}
}

// Success is what Nova and Cinder show, not what Nova answered: 202 says nothing.
func TestReleaseWaits(t *testing.T) {
	c := start(t, 500*time.Millisecond)
	v := c.made("db", "")
	id := c.attach(v)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.Release(ctx, id); !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("before the end: %v, want ErrUnavailable", err)
	}
	if got, err := c.volumes.Get(t.Context(), v.ID); err != nil || got.Status != "detaching" {
		t.Errorf("meanwhile: %s, %v", got.Status, err)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("again, while it is detaching: %v", err)
	}
}

func TestReleaseDuringATask(t *testing.T) {
	c := start(t, 0)
	id := c.attach(c.made("db", ""))
	c.server(me, `{"task_state":"rebooting"}`)
	time.AfterFunc(300*time.Millisecond, func() { c.server(me, `{"task_state":""}`) })
	if err := c.Release(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// While it is still attaching, Nova refuses to detach.
func TestReleaseWhileAttaching(t *testing.T) {
	c := start(t, 500*time.Millisecond)
	v := c.made("db", "")
	id, err := c.Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Error(err)
	}
	c.until(v.ID, "available")
}

func TestReleaseOfWhatIsGone(t *testing.T) {
	c := start(t, 0)
	v := c.made("db", "")
	for name, id := range map[string]string{
		"never attached": me + "/" + v.ID,
		"no such volume": me + "/6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9eff",
		"no such server": "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9eff/" + v.ID,
	} {
		if err := c.Release(t.Context(), id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	id := c.attach(v)
	if err := c.session.Do(t.Context(), deleteServer(me), nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), id); err != nil {
		t.Errorf("a deleted server: %v", err)
	}
	for _, odd := range []string{"", "x", "/", me, me + "/", "/" + v.ID, me + "/../x"} {
		if err := c.Release(t.Context(), odd); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("Release(%q): %v, want ErrInvalid", odd, err)
		}
	}
}

// Of two servers that have a multiattach volume, one lets go.
func TestMultiattach(t *testing.T) {
	c := start(t, 0)
	v := c.made("shared", "multi")
	mine := c.attach(v)
	theirs, err := c.on(other, nova.Config{}).Reserve(t.Context(), v.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	v, err = c.volumes.Get(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.on(other, nova.Config{}).Expose(t.Context(), v, theirs, volume.HostIdentity{}); err != nil {
		t.Fatal(err)
	}
	if rows, err := c.Attachments(t.Context(), v.ID); err != nil || len(rows) != 2 {
		t.Errorf("%+v, %v", rows, err)
	}
	if err := c.Release(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Attachments(t.Context(), v.ID)
	if err != nil || len(rows) != 1 || rows[0].ID == theirs || rows[0].Server != other || c.Here(rows[0]) {
		t.Errorf("%+v, %v", rows, err)
	}
	if err := c.Release(t.Context(), theirs); err != nil {
		t.Errorf("what another server has, from a copied state directory: %v", err)
	}
	if rows, err := c.Attachments(t.Context(), v.ID); err != nil || len(rows) != 1 {
		t.Errorf("the other server's disk was taken away: %+v, %v", rows, err)
	}
}
