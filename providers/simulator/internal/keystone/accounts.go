package keystone

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"
)

const accountsKey = "all"

// Names of the users, the projects and the application credential.
const (
	Member        = "demo"
	Admin         = "admin"
	OtherMember   = "other"
	Project       = "demo"
	OtherProject  = "other"
	AppCredential = "fuxi"
)

// Accounts is who may log in. Secrets are kept in clear, as they are in
// clouds.yaml: nothing here guards anything real.
type Accounts struct {
	Projects    []Named
	Users       []User
	Credentials []Credential
}

// Named is anything with an id of 32 hexadecimal digits and a name.
type Named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// User has a password and one role on one project.
type User struct {
	Named
	Password  string
	ProjectID string
	Roles     []Named
}

// Credential is an application credential of a user for the user's project.
type Credential struct {
	Named
	Secret string
	UserID string
}

// Token is proof of a user's login, bound to a project unless ProjectID is
// empty.
type Token struct {
	ID         string
	UserID     string
	ProjectID  string
	Methods    []string
	Credential string
	AuditID    string
	Issued     time.Time
	Expires    time.Time
}

// User returns the user with this id, or nil.
func (a *Accounts) User(id string) *User {
	return find(a.Users, func(u User) bool { return u.ID == id })
}

// UserNamed returns the user with this name, or nil.
func (a *Accounts) UserNamed(name string) *User {
	return find(a.Users, func(u User) bool { return u.Name == name })
}

// Project returns the project that has this id or name, or nil.
func (a *Accounts) Project(key string) *Named {
	return find(a.Projects, func(p Named) bool { return p.ID == key || p.Name == key })
}

// Credential returns the application credential with this id, or nil.
func (a *Accounts) Credential(id string) *Credential {
	return find(a.Credentials, func(c Credential) bool { return c.ID == id })
}

// IsAdmin tells whether the user has the admin role.
func (u *User) IsAdmin() bool {
	return slices.ContainsFunc(u.Roles, func(r Named) bool { return r.Name == "admin" })
}

func find[T any](list []T, is func(T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return &list[i]
	}
	return nil
}

func newAccounts() *Accounts {
	project, other := named(Project), named(OtherProject)
	member, reader, admin := named("member"), named("reader"), named("admin")
	user := func(name string, on Named, roles ...Named) User {
		return User{Named: named(name), Password: secret(12), ProjectID: on.ID, Roles: roles}
	}
	demo := user(Member, project, member, reader)
	return &Accounts{
		Projects: []Named{project, other},
		Users: []User{
			demo,
			user(Admin, project, admin, member, reader),
			user(OtherMember, other, member, reader),
		},
		Credentials: []Credential{{Named: named(AppCredential), Secret: secret(24), UserID: demo.ID}},
	}
}

func named(name string) Named { return Named{ID: newID(), Name: name} }

// newID returns 32 hexadecimal digits, the form of Keystone's own ids.
func newID() string {
	return hex.EncodeToString(random(16))
}

func secret(bytes int) string {
	return base64.RawURLEncoding.EncodeToString(random(bytes))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the runtime aborts instead
	return b
}
