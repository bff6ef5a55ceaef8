package openstack

import (
	"cmp"
	"context"
	"net"
	"net/url"
)

// Scope names what the configured credentials are good for, without asking
// anybody: the project's id or name, else the application credential's. It
// stays the same as long as the settings do.
func (s *Session) Scope() string {
	auth := s.current().auth
	if scope := auth.Scope; scope != nil {
		if p := cmp.Or(scope.ProjectID, scope.ProjectName); p != "" {
			return p
		}
	}
	return cmp.Or(auth.TenantID, auth.TenantName, auth.ApplicationCredentialID, auth.ApplicationCredentialName)
}

// Reachable dials Keystone's address and sends nothing. False means that
// nobody listens there; true does not mean that an answer will come.
func (s *Session) Reachable(ctx context.Context) bool {
	u, err := url.Parse(s.AuthURL())
	if err != nil {
		return false
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
