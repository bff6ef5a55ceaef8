package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// inTheCloud sees to it that the cloud's volume has the size, asking for that
// once, and returns its answer. Once asked, a cloud that does not answer is
// waited for: it works on.
func (g *growth) inTheCloud(ctx context.Context) (Volume, error) {
	var v Volume
	for try := 0; ; try++ {
		fresh, err := g.s.of(g.h.key).Provider.Get(ctx, g.h.key.ID)
		switch {
		case err == nil:
			g.s.registry.put(fresh, time.Now())
			v, g.was = fresh, cmp.Or(g.was, fresh.SizeGiB)
			if done, err := g.look(ctx, fresh); done || err != nil {
				return fresh, err
			}
		case g.ordered.IsZero() || errors.Is(err, ErrNotFound):
			return v, g.drop(ctx, wrap(err, "reading %s", g.name))
		}
		if pause(ctx, try) != nil {
			return v, Errorf(ErrUnavailable, "%s (%s) does not have %d GiB yet after %s, its last known status is %q: repeat the command to wait for it", g.name, g.h.key.ID, g.want, workLimit, v.Status)
		}
	}
}

// look decides on one answer of the cloud: done, wait, ask for the size, or an
// error.
func (g *growth) look(ctx context.Context, v Volume) (done bool, err error) {
	attachment, err := g.ours(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case v.Status == "extending":
		return false, nil
	case v.SizeGiB > g.want && g.ordered.IsZero():
		return false, Errorf(ErrInvalid, "%s has %d GiB, and %d is less: a volume cannot shrink, for neither the cloud nor xfs can; copy the data to a smaller one", g.name, v.SizeGiB, g.want)
	case g.heldElsewhere(v, attachment) != nil:
		return false, g.drop(ctx, g.elsewhere(v, *g.heldElsewhere(v, attachment)))
	case v.SizeGiB >= g.want:
		return true, nil
	case v.Status == "error_extending":
		return false, g.drop(ctx, g.failed(ctx, v))
	case !g.ordered.IsZero():
		return false, g.notTaken(ctx, v)
	case v.Status == "available", v.Status == "in-use":
		return false, g.order(ctx, v)
	case time.Now().After(g.until):
		return false, Errorf(ErrConflict, "%s (%s) is in status %s, which does not allow to extend it; waited %s: repeat the command later", g.name, v.ID, v.Status, g.s.cfg.WaitForRelease)
	}
	return false, nil
}

// order asks the cloud for the size. A lost answer is learnt from the volume.
func (g *growth) order(ctx context.Context, v Volume) error {
	if err := g.intend(ctx); err != nil {
		return err
	}
	err := g.extender.Extend(ctx, v.ID, g.want)
	switch {
	case err == nil:
		g.ordered = time.Now()
	case IsAmbiguous(err):
		g.ordered, g.doubt = time.Now(), err
	case errors.Is(err, ErrConflict) && time.Now().Before(g.until):
		return nil // its status has changed since: look again
	case errors.Is(err, ErrInvalid) && v.Status == "in-use":
		return g.drop(ctx, wrap(err, "extending %s, which is in use: if its backend extends only what is not, stop what uses it and repeat the command once fuxi ls shows it available", g.name))
	default:
		return g.drop(ctx, wrap(err, "extending %s", g.name))
	}
	return nil
}

// notTaken: the volume is back with its old size. Either the request never
// arrived, which a while of silence must show, or the cloud has given it up.
func (g *growth) notTaken(ctx context.Context, v Volume) error {
	if g.doubt == nil {
		return g.drop(ctx, g.failed(ctx, v))
	}
	if time.Since(g.ordered) < lostGrace {
		return nil
	}
	return g.drop(ctx, wrap(g.doubt, "extending %s, which still has %d GiB: repeat the command", g.name, v.SizeGiB))
}

func (g *growth) failed(ctx context.Context, v Volume) error {
	why := first(g.extender.Complaint(ctx, v), "it does not say why; openstack volume message list may")
	next := "its data are untouched; repeat the command when there is room"
	if v.Status == "error_extending" {
		next = fmt.Sprintf("ask the cloud's operator to look at it and to set its status right: openstack volume set --state %s %s", statusByUse(v), v.ID)
	}
	return Errorf(ErrUnavailable, "the cloud gave up extending %s (%s) to %d GiB: it has %d GiB and status %s (%s): %s", g.name, v.ID, g.want, v.SizeGiB, v.Status, why, next)
}

func statusByUse(v Volume) string {
	if len(v.Attachments) > 0 {
		return "in-use"
	}
	return "available"
}

// ours is the attachment of this host, "" when there is none.
func (g *growth) ours(ctx context.Context) (attachment string, err error) {
	err = g.withLock(ctx, func() error { attachment = g.h.rec.Attachment; return nil })
	return attachment, err
}

// heldElsewhere is who else has the volume, or nil.
func (g *growth) heldElsewhere(v Volume, ours string) *Attachment {
	st := g.s.of(g.h.key)
	for i, a := range v.Attachments {
		if a.ID != ours && !(ours != "" && st.here(a)) {
			return &v.Attachments[i]
		}
	}
	return nil
}

func (g *growth) elsewhere(v Volume, a Attachment) error {
	next := fmt.Sprintf("run fuxi grow %s %d there, where its filesystem can follow", g.name, g.want)
	switch {
	case g.s.of(v.Key).here(a):
		next = "this state directory knows nothing of that attachment; if nothing here uses it, detach it: openstack server remove volume " + a.Server + " " + v.ID
	case a.Holder == g.s.cfg.Host.Name:
		next = "this state directory knows nothing of that attachment; if nothing here uses it, delete it: openstack --os-volume-api-version 3.27 volume attachment delete " + a.ID
	case a.Holder == "":
		next = "grow it where it is used, or detach it there first"
	}
	return Errorf(ErrInUse, "%s (%s) is attached to %s: %s", g.name, v.ID, a.holder(), next)
}
