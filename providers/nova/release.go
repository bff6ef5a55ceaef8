package nova

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// givenUp is how often Nova may let a detach fall silently before that is an
// error.
const givenUp = 3

// patience for a row of Cinder's to go after Nova has none any more: Nova deletes
// it a moment later.
const rowPatience = 20 * time.Second

// Release has Nova detach the volume and returns when it is detached: when Nova
// has no such attachment and Cinder no row of the server. Nova's answer to the
// request says only that it will try; a guest that does not let go of its disk
// makes it give up without a word, and the volume is in use again. That is tried
// again, and then an error. Not attached, or a server that is gone, is success, and
// so is an attachment of another server than this: it is left alone.
func (a *Attacher) Release(ctx context.Context, id string) error {
	server, volumeID, err := parseID(id)
	if err != nil {
		return err
	}
	own, err := a.cfg.Instance.ID(ctx)
	if err != nil {
		return err
	}
	if !strings.EqualFold(server, own) {
		return nil // a state directory that was copied with a machine's image: that server keeps its disk
	}
	r := &release{a: a, server: server, volumeID: volumeID, until: time.Now().Add(a.cfg.DetachWait)}
	for try := 0; ; try++ {
		done, err := r.step(ctx)
		if done || err != nil {
			return err
		}
		if time.Now().After(r.until) {
			return volume.Errorf(volume.ErrUnavailable, "detaching volume %s from server %s takes longer than %s: %s; it is tried again", volumeID, server, a.cfg.DetachWait, r.last)
		}
		if err := pause(ctx, try); err != nil {
			return volume.Errorf(volume.ErrUnavailable, "detaching volume %s from server %s: %s: %w", volumeID, server, r.last, err)
		}
	}
}

// release is one detach under way.
type release struct {
	a                *Attacher
	server, volumeID string
	until            time.Time
	asked            int       // requests that Nova accepted
	idle             int       // times the volume was seen in use since the last one
	gone             time.Time // since when Nova has no such attachment
	last             string    // what is waited for, in words
}

// step looks, and asks Nova when it does nothing about it.
func (r *release) step(ctx context.Context) (done bool, err error) {
	if r.asked == 0 {
		return false, r.ask(ctx)
	}
	is, err := r.a.attached(ctx, r.server, r.volumeID)
	if err != nil {
		return false, err
	}
	if !is {
		return r.rows(ctx)
	}
	r.gone = time.Time{}
	v, err := r.a.storage.Get(ctx, r.volumeID)
	switch {
	case errors.Is(err, volume.ErrNotFound):
		r.last = "Cinder has no such volume, Nova still has it attached"
		return false, nil
	case err != nil:
		return false, err
	case v.Status != "in-use":
		r.last = "the volume is in status " + v.Status
		return false, nil
	}
	// Nova marks the volume before it answers, so in use means given up; but one
	// answer of Cinder's may be older than the other.
	if r.idle++; r.idle > 1 {
		return false, r.again(ctx)
	}
	r.last = "the volume is still in use"
	return false, nil
}

// ask sends the request. That there is nothing to detach is for the next step to
// see.
func (r *release) ask(ctx context.Context) error {
	err := call(ctx, r.a.compute, openstack.Call{
		Method: http.MethodDelete, Path: "servers/" + r.server + "/os-volume_attachments/" + r.volumeID,
		Doing: "detach volume " + r.volumeID + " from server " + r.server,
	}, nil)
	switch {
	case err == nil, isNotFound(err):
		r.asked++
		r.idle, r.last = 0, "Nova has not begun"
	case isTask(err), isPassing(err):
		r.last = err.Error()
	case openstack.RefusalOf(err) != nil && openstack.RefusalOf(err).Status < http.StatusInternalServerError:
		return volume.Errorf(volume.ErrConflict, "%w: %s", err, seeEvents(r.server))
	default:
		return err
	}
	return nil
}

// again asks anew after Nova has given up.
func (r *release) again(ctx context.Context) error {
	if r.asked < givenUp {
		return r.ask(ctx)
	}
	return volume.Errorf(volume.ErrUnavailable, "Nova gave up detaching volume %s from server %s %d times: the volume is in use again, so the guest does not let go of its disk; nothing here has it open; %s; a reboot of the server frees it",
		r.volumeID, r.server, r.asked, seeEvents(r.server))
}

// rows waits for Cinder to have no row of the server left.
func (r *release) rows(ctx context.Context) (bool, error) {
	rows, err := r.a.storage.Attachments(ctx, r.volumeID)
	if errors.Is(err, volume.ErrNotFound) {
		return true, nil
	}
	if err != nil || !holds(rows, r.server) {
		return err == nil, err
	}
	if r.gone.IsZero() {
		r.gone = time.Now()
	}
	r.last = "Nova has no such attachment, Cinder still has"
	if time.Since(r.gone) < rowPatience {
		return false, nil
	}
	exists, err := r.a.serverExists(ctx, r.server)
	if err != nil {
		return false, err
	}
	if !exists {
		return true, nil
	}
	row := rows[0].ID
	return false, volume.Errorf(volume.ErrUnavailable, "Nova has detached volume %s from server %s, and Cinder still shows it attached there: an operator ends that with: openstack --os-volume-api-version 3.27 volume attachment delete %s", r.volumeID, r.server, row)
}

func (a *Attacher) serverExists(ctx context.Context, server string) (bool, error) {
	err := call(ctx, a.compute, openstack.Call{Path: "servers/" + server, Doing: "show server " + server}, nil)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("whether server %s still exists: %w", server, err)
	}
	return true, nil
}
