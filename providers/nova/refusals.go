package nova

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

func isNotFound(err error) bool { return errors.Is(err, volume.ErrNotFound) }

// isTask tells whether Nova refuses because the server does something else just
// now, or is still being built: "Cannot 'attach_volume' instance … while it is in
// task_state …". The state of a server that stays so (suspended by its owner,
// shelved) is no task.
func isTask(err error) bool {
	r := openstack.RefusalOf(err)
	if r == nil || r.Status != http.StatusConflict && r.Status != http.StatusBadRequest {
		return false
	}
	return strings.Contains(r.Message, "task_state") || strings.Contains(r.Message, "vm_state building")
}

// isPassing tells whether Nova refuses to detach because the volume is on its way
// from one state to another: "Invalid volume: Invalid input received: Invalid
// volume: Unable to detach volume. Volume status must be 'in-use' …".
func isPassing(err error) bool {
	r := openstack.RefusalOf(err)
	return r != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Message, "status must be")
}

// reserveError gives Nova's refusals to attach their kinds. What Cinder said to
// Nova comes through in Nova's own answer.
func reserveError(err error, server string) error {
	r := openstack.RefusalOf(err)
	switch {
	case r == nil:
		return err
	case r.Status == http.StatusForbidden && strings.Contains(r.Message, "disk devices"):
		return volume.Errorf(volume.ErrInvalid, "node full: Nova gives server %s no further disk: %w; stop containers that use volumes here, or run this one on another host", server, r)
	case strings.Contains(r.Message, "is locked"):
		return volume.Errorf(volume.ErrInvalid, "%w; unlock it with: openstack server unlock %s", err, server)
	case r.Status == http.StatusConflict:
		return volume.Errorf(volume.ErrUnavailable, "%w; see openstack server show %s", err, server)
	case r.Status != http.StatusBadRequest:
		return err
	case strings.Contains(r.Message, "error state"), strings.Contains(r.Message, "current status is error"):
		return openstack.As(volume.ErrConflict, err)
	case strings.Contains(r.Message, "status must be"), strings.Contains(r.Message, "already attached"), strings.Contains(r.Message, "already exists"):
		return openstack.As(volume.ErrInUse, err)
	}
	return err
}

// pause sleeps before try+1: 100 ms growing by half to 2 s, with jitter.
func pause(ctx context.Context, try int) error {
	d := 100 * time.Millisecond
	for range min(try, 8) {
		d += d / 2
	}
	d = min(d, 2*time.Second)
	timer := time.NewTimer(d*3/4 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
