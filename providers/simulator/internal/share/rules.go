package share

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// NewRule is what a caller asks for.
type NewRule struct {
	Kind, To string
	Level    *string
	Metadata map[string]string
	// OnError allows a share in an error status, OnErrorRules one with rules in
	// error.
	OnError, OnErrorRules bool
}

// Allow records a new rule, which becomes active, or fails, by itself.
func (b *Service) Allow(c Caller, shareID string, n NewRule) (*Rule, error) {
	var made *Rule
	err := b.update(func() error {
		s, err := b.shareOfRules(c, shareID)
		if err != nil {
			return err
		}
		if err := b.mayAllow(s, n); err != nil {
			return err
		}
		made = &Rule{ID: uuid.NewString(), ShareID: s.ID, Kind: n.Kind, To: n.To, Level: n.Level, Metadata: n.Metadata, Created: now()}
		made.become(Queued, c)
		made.Updated = time.Time{}
		b.rules.Put(made.ID, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.settleRule(made)
	return made, nil
}

// shareOfRules: what is not there is not found in other words here.
func (b *Service) shareOfRules(c Caller, id string) (*Share, error) {
	s := b.shares.Get(id)
	if s == nil || !c.Admin && s.Project != c.Project {
		return nil, Refuse(http.StatusNotFound, "NotFound: Resource could not be found.")
	}
	return s, nil
}

func (b *Service) mayAllow(s *Share, n NewRule) error {
	if s.InBin {
		return Refuse(http.StatusForbidden, "Cannot allow access for share '%s' since it has been soft deleted.", s.ID)
	}
	for _, r := range b.rulesOf(s.ID) {
		if r.State == Failed && !n.OnErrorRules {
			return Bad("Access rules cannot be added while the share or any of its replicas or migration copies has its access_rules_status set to error. " +
				"Deny any rules in error state and try again.")
		}
		if r.Kind == n.Kind && same(n.Kind, r.To, n.To) {
			return Bad("Share access %s:%s exists.", n.Kind, n.To)
		}
	}
	if s.busy() || s.Status == Failed && !n.OnError {
		return Bad("New access rules cannot be applied while the share or any of its replicas or migration copies lacks a valid host or is in an invalid state.")
	}
	return nil
}

// same compares addresses as networks: one is that of a single address.
func same(kind, a, b string) bool {
	if a == b || kind != "ip" {
		return a == b
	}
	first, second := prefix(a), prefix(b)
	return first.IsValid() && first == second
}

func prefix(text string) netip.Prefix {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, addr.BitLen())
}

// Deny begins to take a rule away.
func (b *Service) Deny(c Caller, shareID, ruleID string, onError bool) error {
	var denied *Rule
	err := b.update(func() error {
		s, err := b.shareOfRules(c, shareID)
		if err != nil {
			return err
		}
		r := b.rules.Get(ruleID)
		if r == nil || r.ShareID != s.ID {
			return Refuse(http.StatusNotFound, "Resource could not be found.")
		}
		if s.busy() || s.Status == Failed && !onError {
			return Bad("Access rules cannot be denied while the share, any of its replicas or migration copies lacks a valid host or is in an invalid state.")
		}
		denied = r.clone()
		if denied.State != Denying {
			denied.become(DenyQueued, c)
		}
		b.rules.Put(r.ID, denied)
		return nil
	})
	if err == nil {
		b.settleRule(denied)
	}
	return err
}

// Rule returns a rule of a share the caller may see.
func (b *Service) Rule(c Caller, id string) (*Rule, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.rule(c, id)
}

func (b *Service) rule(c Caller, id string) (*Rule, error) {
	r := b.rules.Get(id)
	if r != nil {
		if _, err := b.share(c, r.ShareID); err == nil {
			return r, nil
		}
	}
	return nil, Refuse(http.StatusNotFound, "Share access rule %s not found.", id)
}

// EditRule changes a rule: change is given a copy.
func (b *Service) EditRule(c Caller, id string, change func(*Rule) error) (*Rule, error) {
	var edited *Rule
	err := b.update(func() error {
		r, err := b.rule(c, id)
		if err != nil {
			return Refuse(http.StatusNotFound, "Resource could not be found.")
		}
		edited = r.clone()
		if edited.Metadata == nil {
			edited.Metadata = map[string]string{}
		}
		if err := change(edited); err != nil {
			return err
		}
		b.rules.Put(id, edited)
		return nil
	})
	return edited, err
}
