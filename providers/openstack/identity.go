package openstack

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
)

// Scope names what the configured credentials are good for, without asking
// anybody: the project's id or name, "" for an application credential.
func (s *Session) Scope() string {
	auth := s.current().auth
	if scope := auth.Scope; scope != nil {
		if p := cmp.Or(scope.ProjectID, scope.ProjectName); p != "" {
			return p
		}
	}
	// An application credential names no project, and is replaced now and then:
	// KeepProject watches over those.
	return cmp.Or(auth.TenantID, auth.TenantName)
}

// KeepProject has every new token's project asked about: an error of ask makes
// the token unused, and every call fails with it. Credentials that were changed
// to another project's answer an honest "not found" about every volume, and
// that would be believed. Call it before the first use.
func (s *Session) KeepProject(ask func(projectID string) error) { s.askProject = ask }

func (s *Session) sameProject(id string) error {
	if s.askProject == nil {
		return nil
	}
	return s.askProject(id)
}

// Reachable dials Keystone's address and sends nothing. False means that
// nobody listens there; true does not mean that an answer will come.
func (s *Session) Reachable(ctx context.Context) bool {
	u, err := url.Parse(s.AuthURL())
	if err != nil {
		return false
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		u = proxy
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(port, "443")))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
