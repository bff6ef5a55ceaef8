package manila

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/volume"
)

// errWithdrawn is a rule that went away while it was waited for: another host
// behind the same address gave it back, or an operator did.
var errWithdrawn = errors.New("the access rule was taken away")

// errUnheard is a rule that no service has begun to apply. A share service that
// is being stopped may take the request for one and lose it; started again it
// does not look for what it missed, and the rule stays queued for ever.
var errUnheard = errors.New("no service has taken up the access rule")

// Expose lets this host in and waits until the storage has been told: a mount
// before that is refused by the server. A rule for this host that is there
// already is used as well: one made by fuxi on another host behind the same
// address gets this host's mark, an operator's likewise, and is never removed.
//
// The connection's Data are "exports", best first, and for CephFS "client" and
// "fs"; its Secret is the client's "access_key".
func (p *Provider) Expose(ctx context.Context, v volume.Volume, attachmentID string, _ volume.HostIdentity) (connector.Connection, error) {
	g, err := parseGrant(attachmentID)
	if err != nil {
		return connector.Connection{}, err
	}
	level, err := wantedLevel(v)
	if err != nil {
		return connector.Connection{}, err
	}
	var rule *accessRule
	var paths []string
	unheard := false
	for try := 0; ; try++ {
		if rule, err = p.enter(ctx, g, level); err != nil {
			return connector.Connection{}, err
		}
		// Read while the rule is being applied, which takes seconds.
		if paths, err = p.exports(ctx, g); err != nil {
			return connector.Connection{}, err
		}
		id := string(rule.ID)
		rule, err = p.untilActive(ctx, g, id, !unheard)
		switch {
		case err == nil:
			return p.connection(ctx, v, g, rule, level, paths)
		case errors.Is(err, errUnheard):
			unheard = true
			if again := p.remove(ctx, g, id); again != nil {
				return connector.Connection{}, fmt.Errorf("%w, and asking for it anew failed: %w", err, again)
			}
		case !errors.Is(err, errWithdrawn) || try == 2:
			return connector.Connection{}, err
		}
	}
}

// wantedLevel is the access that was chosen when the share was made.
func wantedLevel(v volume.Volume) (string, error) {
	opts, err := volume.ParseRecord(v.Marks.Opts)
	if err != nil {
		return "", err
	}
	return cmp.Or(opts.AccessLevel, connector.ReadWrite), nil
}

func (p *Provider) connection(ctx context.Context, v volume.Volume, g grant, rule *accessRule, level string, paths []string) (connector.Connection, error) {
	conn := connector.Connection{
		Driver: "nfs", VolumeID: v.ID, SizeGiB: v.SizeGiB, Access: level,
		Data: map[string]any{"exports": listOf(paths), "access_rule": string(rule.ID)},
	}
	if !rule.ours() {
		conn.Data["access_rule_of"] = "operator"
	}
	if g.kind == byClient {
		conn.Driver = "cephfs"
		conn.Data["client"] = g.to
		conn.Secret = map[string]any{"access_key": string(rule.Key)}
		fs, err := p.filesystem(ctx, v)
		if err != nil {
			return connector.Connection{}, err
		}
		if fs != "" {
			conn.Data["fs"] = fs
		}
	} else if strings.HasPrefix(paths[0], "/") {
		conn.Driver = "local-share"
	}
	return conn, nil
}

// listOf is a list as it is again after the journal: connectors see one form.
func listOf(texts []string) []any {
	list := make([]any, 0, len(texts))
	for _, t := range texts {
		list = append(list, t)
	}
	return list
}

// enter makes this host's rule or joins the one that is there. Of a request whose
// outcome is in doubt it shows in the list whether it was done; if not, it is
// made again: see insist.
func (p *Provider) enter(ctx context.Context, g grant, level string) (*accessRule, error) {
	wait := p.wait(ctx)
	defer wait.stop()
	for try := 1; ; try++ {
		rule, refused := p.allow(ctx, g, level)
		if refused == nil {
			return rule, nil
		}
		doubtful := volume.IsAmbiguous(refused) && !p.session.Health().Open && wait.next() == nil
		if !alreadyThere(refused) && !doubtful || try == tries {
			return nil, refused
		}
		rule, err := p.find(ctx, g)
		if err != nil {
			return nil, errors.Join(refused, err)
		}
		switch {
		case rule == nil: // not done, or gone between the two calls
		case rule.leaving():
			if err := p.untilGone(ctx, g, string(rule.ID)); err != nil {
				return nil, err
			}
		case rule.State == "error" && p.alone(rule):
			if err := p.remove(ctx, g, string(rule.ID)); err != nil {
				return nil, errors.Join(refused, err)
			}
		default:
			return p.join(ctx, g, rule, level)
		}
	}
}

// alone tells whether fuxi made the rule and no other host uses it.
func (p *Provider) alone(r *accessRule) bool {
	return r.ours() && !slices.ContainsFunc(r.hosts(), func(host string) bool { return host != p.cfg.HostName })
}

// join uses a rule that is there. Its level is not this host's to change: those
// who use it rely on it.
func (p *Provider) join(ctx context.Context, g grant, rule *accessRule, level string) (*accessRule, error) {
	if string(rule.Level) == connector.ReadOnly && level != connector.ReadOnly {
		whose := "which fuxi did not make"
		if rule.ours() {
			whose = "which is used by " + strings.Join(rule.hosts(), ", ")
		}
		return nil, volume.Errorf(volume.ErrConflict,
			"share %s lets %s in for reading only, by access rule %s, %s, and is to be written: take the rule away (openstack share access delete %s %s) once nobody needs it, then try again",
			g.share, g.who(), rule.ID, whose, g.share, rule.ID)
	}
	if rule.usedBy(p.cfg.HostName) {
		return rule, nil
	}
	return rule, p.markHost(ctx, string(rule.ID))
}

// untilActive waits until the rule holds, and a client's key is there, which
// comes a little later. A rule that failed is taken away again: it would let
// nobody in, and would be in the way of every later rule of the share. With
// askAnew a rule of this host alone that is still queued after a sixth of the
// time is errUnheard.
func (p *Provider) untilActive(ctx context.Context, g grant, id string, askAnew bool) (*accessRule, error) {
	wait := p.waitAsBefore(ctx, &p.applying)
	defer wait.stop()
	for {
		fresh, err := p.rule(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case fresh == nil || fresh.leaving():
			return nil, volume.Errorf(volume.ErrUnavailable, "letting %s in to share %s: %w just now by somebody else; try again", g.who(), g.share, errWithdrawn)
		case fresh.State == "error":
			return nil, p.failed(ctx, g, fresh)
		case fresh.State == "active" && (g.kind != byClient || fresh.Key != ""):
			p.applying.note(time.Since(wait.began))
			return fresh, nil
		case askAnew && fresh.State == "queued_to_apply" && p.alone(fresh) && time.Since(wait.began) > p.cfg.RuleWait/6:
			return nil, volume.Errorf(volume.ErrUnavailable, "letting %s in to share %s: %w %s after %s", g.who(), g.share, errUnheard, id, wait.took())
		}
		if wait.next() != nil {
			return nil, volume.Errorf(volume.ErrUnavailable, "letting %s in to share %s: access rule %s is still %s after %s: the service of the share's backend may be down or busy; try again later",
				g.who(), g.share, id, fresh.State, wait.took())
		}
	}
}

// failed takes back a rule that the storage refused and says why.
func (p *Provider) failed(ctx context.Context, g grant, rule *accessRule) error {
	why := p.whyFailed(ctx, g.share)
	next := fmt.Sprintf("see openstack share access list %s", g.share)
	if p.alone(rule) {
		next = "it was taken back; try again or ask the cloud's operator"
		if err := p.deny(ctx, g, string(rule.ID)); err != nil {
			next = fmt.Sprintf("taking it back failed too (%v)", err)
		}
	}
	return volume.Errorf(volume.ErrUnavailable, "letting %s in to share %s: the cloud could not apply access rule %s: %s; %s", g.who(), g.share, rule.ID, why, next)
}

// recently is how old a message of the cloud may be to be about what has just
// failed. Shares do not tell when they last changed, so clocks are compared.
const recently = 10 * time.Minute
