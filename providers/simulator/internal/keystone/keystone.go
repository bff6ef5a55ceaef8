// Package keystone is the simulated Identity service, API version 3: two
// projects, three users and an application credential, tokens that expire and
// can be revoked, and a catalogue. Written from the Identity API reference.
package keystone

import (
	"errors"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/store"
)

// Region is the only region, and DomainID and DomainName the only domain.
const (
	Region     = "RegionOne"
	DomainID   = "default"
	DomainName = "Default"
)

// ErrUnauthorized says that a credential or token is unknown, wrong or expired;
// it never says which.
var ErrUnauthorized = errors.New("the request you have made requires authentication")

// Service issues and checks tokens. It may be used concurrently.
type Service struct {
	store *store.Store
	ttl   time.Duration

	offers []offer

	mu       sync.RWMutex
	accounts *store.Table[Accounts]
	tokens   *store.Table[Token]
}

// Open loads the accounts and tokens, making the accounts on first use; so the
// credentials of one store never change. Tokens live for ttl.
func Open(s *store.Store, ttl time.Duration) (*Service, error) {
	k := &Service{store: s, ttl: ttl}
	var err error
	if k.accounts, err = store.Load[Accounts](s, "accounts", nil); err != nil {
		return nil, err
	}
	if k.tokens, err = store.Load[Token](s, "tokens", nil); err != nil {
		return nil, err
	}
	if k.accounts.Get(accountsKey) == nil {
		k.accounts.Put(accountsKey, newAccounts())
	}
	k.dropExpired()
	return k, s.Commit(k.accounts, k.tokens)
}

// Accounts returns all users, projects and credentials. The caller must not
// change them.
func (k *Service) Accounts() *Accounts {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.accounts.Get(accountsKey)
}

// Token returns a token that is valid now, or ErrUnauthorized.
func (k *Service) Token(id string) (*Token, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	token := k.tokens.Get(id)
	if id == "" || token == nil || !time.Now().Before(token.Expires) {
		return nil, ErrUnauthorized
	}
	return token, nil
}

// ExpireAll makes every token issued so far invalid at once.
func (k *Service) ExpireAll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.tokens.Rows() {
		k.tokens.Delete(id)
	}
	return k.store.Commit(k.tokens)
}

func (k *Service) issue(t *Token) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens.Put(t.ID, t)
	return k.store.Commit(k.tokens)
}

func (k *Service) revoke(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens.Delete(id)
	return k.store.Commit(k.tokens)
}

func (k *Service) dropExpired() {
	now := time.Now()
	for id, token := range k.tokens.Rows() {
		if !now.Before(token.Expires) {
			k.tokens.Delete(id)
		}
	}
}
