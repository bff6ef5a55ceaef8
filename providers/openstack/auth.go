package openstack

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/openstack/fuxi/volume"
)

const (
	authTimeout = 30 * time.Second
	// longestOperation is how long the cloud itself may work with our token
	// after a call was answered; a token that ends within it is renewed first.
	longestOperation = 10 * time.Minute
	// Keystone locks accounts that fail too often, so a refused password is
	// not tried at the pace of the callers.
	firstHold = 5 * time.Second
	longHold  = 2 * time.Minute
)

// refused remembers credentials that Keystone did not accept.
type refused struct {
	err   error
	stamp string
	until time.Time
	hold  time.Duration
}

// granted is what both ways of getting a token return.
type granted interface {
	gophercloud.AuthResult
	ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
	ExtractProject() (*tokens.Project, error)
	ExtractInto(any) error
}

// Authenticate makes sure that there is a token, fetching one if needed.
func (s *Session) Authenticate(ctx context.Context) error { return s.freshToken(ctx, "") }

// freshToken makes sure that there is a token, not the void one, and renews one
// that ends soon. Whoever comes first fetches it, for all; the fetching goes on
// when its caller leaves.
func (s *Session) freshToken(ctx context.Context, void string) error {
	if s.tokenServes(void) {
		return nil
	}
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.tokenServes(void) {
		<-s.gate
		return nil
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-s.gate }()
		result <- s.authenticate(ctx)
	}()
	select {
	case err := <-result:
		return s.makeDo(void, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Session) tokenServes(void string) bool {
	token := s.provider.Token()
	s.mu.Lock()
	defer s.mu.Unlock()
	return token != "" && token != void && time.Now().Before(s.renew)
}

// makeDo forgives a failed renewal as long as the token at hand is not void.
func (s *Session) makeDo(void string, err error) error {
	token := s.provider.Token()
	if err == nil || token == "" || token == void {
		return err
	}
	s.mu.Lock()
	s.renew = time.Now().Add(firstHold)
	s.mu.Unlock()
	s.log.Info("renewing the token ahead of its end failed; the present one is used on", "error", err)
	return nil
}

// authenticate fetches a token with the credentials as they are now on disk.
func (s *Session) authenticate(ctx context.Context) error {
	ctx, cancel := Detached(ctx, authTimeout)
	defer cancel()
	creds := s.reload()
	if err := s.heldBack(creds); err != nil {
		return err
	}
	result, err := s.requestToken(ctx, creds)
	if err != nil {
		return s.refuse(creds, err)
	}
	return s.adopt(result)
}

// reload reads the settings again if a file changed. Settings that became
// unreadable (an editor is half way through) leave the old ones in force.
func (s *Session) reload() *credentials {
	old := s.current()
	if stamp(old.files) == old.stamp {
		return old
	}
	fresh, err := load(s.cfg)
	if err != nil {
		s.log.Warn("the changed settings of this cloud are not usable; the old ones stay", "error", err)
		return old
	}
	s.mu.Lock()
	s.creds = fresh
	s.mu.Unlock()
	s.transport.reset(s.cfg, fresh)
	s.log.Info("settings of this cloud were read again", "from", fresh.origin)
	return fresh
}

// requestToken asks Keystone, a few times if it is not there. A client of its
// own keeps gophercloud from sending the void token along.
func (s *Session) requestToken(ctx context.Context, creds *credentials) (granted, error) {
	var tries attempts
	asking := Call{Method: http.MethodPut} // making a token twice does no harm
	for {
		client, err := openstack.NewClient(creds.auth.IdentityEndpoint)
		if err != nil {
			return nil, err
		}
		client.HTTPClient = s.transport.httpClient()
		client.UserAgent.Prepend("fuxi")
		auth := creds.auth
		err = openstack.AuthenticateV3(ctx, client, &auth, gophercloud.EndpointOpts{})
		if err == nil {
			result, ok := client.GetAuthResult().(granted)
			if !ok {
				return nil, fmt.Errorf("unexpected result %T", client.GetAuthResult())
			}
			return result, nil
		}
		pause, again := tries.next(asking, err)
		if !again || !sleep(ctx, pause) {
			return nil, err
		}
	}
}

// adopt takes a new token into use, with its catalog and project.
func (s *Session) adopt(result granted) error {
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return err
	}
	project, err := result.ExtractProject()
	if err != nil {
		return err
	}
	var times struct {
		Issued  time.Time `json:"issued_at"`
		Expires time.Time `json:"expires_at"`
	}
	if err := result.ExtractInto(&times); err != nil {
		return err
	}
	if project != nil {
		if err := s.sameProject(project.ID); err != nil {
			return err
		}
	}
	// Only the length counts: a clock that is wrong by an hour would otherwise
	// fetch a token for every call, or never.
	life := times.Expires.Sub(times.Issued)
	s.mu.Lock()
	s.catalog, s.refused = catalog, refused{}
	if project != nil {
		s.project = project.ID
	}
	s.renew = time.Now().Add(life - min(longestOperation, life/4))
	s.mu.Unlock()
	return s.provider.SetTokenAndAuthResult(result)
}

// heldBack repeats a recent refusal without asking Keystone, unless the
// credentials have changed since.
func (s *Session) heldBack(creds *credentials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused.err != nil && s.refused.stamp == creds.stamp && time.Now().Before(s.refused.until) {
		return s.refused.err
	}
	return nil
}

// deletedCredential tells Keystone's answer to an application credential that it
// does not have (any more) from that of an address where no Keystone is.
func deletedCredential(r *Refusal) bool { return strings.Contains(r.Message, "Application Credential") }

// refuse describes a failed authentication and remembers wrong credentials.
func (s *Session) refuse(creds *credentials, err error) error {
	what := fmt.Sprintf("authenticating with cloud %q as %s at %s", s.cfg.Name, creds.who(), creds.auth.IdentityEndpoint)
	r := refusal(err)
	if r == nil {
		return volume.Errorf(volume.ErrUnavailable, "%s: %s", what, creds.scrub(reason(err)))
	}
	r.Message = creds.scrub(r.Message)
	if r.Status >= 500 || r.Status == http.StatusTooManyRequests || r.Status == http.StatusNotFound && !deletedCredential(r) {
		return volume.Errorf(volume.ErrUnavailable, "%s: %w", what, r)
	}
	e := volume.Errorf(volume.ErrUnavailable, "%s: %w: correct %s; they are tried again by themselves", what, r, creds.origin)
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := min(max(2*s.refused.hold, firstHold), longHold)
	s.refused = refused{err: e, stamp: creds.stamp, until: time.Now().Add(jitter(hold)), hold: hold}
	return e
}
