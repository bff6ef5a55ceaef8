package manila

import (
	"context"
	"errors"
	"time"

	"github.com/openstack/fuxi/volume"
)

// Release takes this host out of its access rule, and the rule away when fuxi
// made it and no other host uses it, and waits until the storage no longer lets
// this host in. A rule that is gone, and a share that is, are success.
//
// The rule of several hosts behind one address is given back by the last of
// them. One that comes just then finds its rule leaving, at the latest in
// Complete, and begins anew.
func (p *Provider) Release(ctx context.Context, attachmentID string) error {
	g, err := parseGrant(attachmentID)
	if err != nil {
		return err
	}
	rule, err := p.find(ctx, g)
	switch {
	case errors.Is(err, volume.ErrNotFound), err == nil && rule == nil:
		return nil
	case err != nil:
		return err
	case rule.leaving():
		return p.untilGone(ctx, g, string(rule.ID))
	case rule.usedBy(p.cfg.HostName):
		return p.leave(ctx, g, rule)
	case rule.ours() && len(rule.hosts()) == 0:
		return p.remove(ctx, g, string(rule.ID)) // left before, and then something failed
	}
	return nil
}

// leave takes this host out of a rule and then looks at it again: another host
// behind the same address may have come, or be leaving, at the same moment.
func (p *Provider) leave(ctx context.Context, g grant, rule *accessRule) error {
	if err := p.unmarkHost(ctx, string(rule.ID)); err != nil {
		return err
	}
	if !rule.ours() {
		return nil
	}
	fresh, err := p.rule(ctx, string(rule.ID))
	if err != nil || fresh == nil || len(fresh.hosts()) > 0 {
		return err
	}
	return p.remove(ctx, g, string(rule.ID))
}

// remove takes a rule away and waits until it is gone.
func (p *Provider) remove(ctx context.Context, g grant, id string) error {
	if err := p.deny(ctx, g, id); err != nil {
		return err
	}
	return p.untilGone(ctx, g, id)
}

// untilGone waits for a rule's end. One that the storage could not remove is in
// status error: it may still let in.
func (p *Provider) untilGone(ctx context.Context, g grant, id string) error {
	wait := p.waitAsBefore(ctx, &p.denying)
	defer wait.stop()
	for {
		rule, err := p.rule(ctx, id)
		switch {
		case err != nil:
			return err
		case rule == nil:
			p.denying.note(time.Since(wait.began))
			return nil
		case rule.State == "error":
			return volume.Errorf(volume.ErrUnavailable, "no longer letting %s in to share %s: the cloud could not remove access rule %s: %s; try again or ask the cloud's operator",
				g.who(), g.share, id, p.whyFailed(ctx, g.share))
		}
		if wait.next() != nil {
			return volume.Errorf(volume.ErrUnavailable, "no longer letting %s in to share %s: access rule %s is still %s after %s: the service of the share's backend may be down or busy; try again later",
				g.who(), g.share, id, rule.State, wait.took())
		}
	}
}
