package keystone

import (
	"crypto/subtle"
	"time"
)

// authRequest is the body of POST /v3/auth/tokens.
type authRequest struct {
	Auth *struct {
		Identity *identity `json:"identity"`
		Scope    any       `json:"scope"`
	} `json:"auth"`
}

type identity struct {
	Methods  []string `json:"methods"`
	Password *struct {
		User userRef `json:"user"`
	} `json:"password"`
	Token *struct {
		ID string `json:"id"`
	} `json:"token"`
	Credential *credentialRef `json:"application_credential"`
}

type domainRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type userRef struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Password string     `json:"password"`
	Domain   *domainRef `json:"domain"`
}

type credentialRef struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Secret string   `json:"secret"`
	User   *userRef `json:"user"`
}

// known tells whether the reference names the only domain. Domain names are
// compared as Keystone's database does it in the default collation: exactly
// enough for a cloud with one domain.
func (d *domainRef) known() bool {
	return d != nil && (d.ID == DomainID || d.Name == DomainName)
}

// authenticate proves every method named and returns a token that is not yet
// issued.
func (k *Service) authenticate(req *authRequest) (*Token, error) {
	if req.Auth == nil || req.Auth.Identity == nil || len(req.Auth.Identity.Methods) == 0 {
		return nil, badRequest("'auth.identity.methods' is a required property")
	}
	accounts := k.Accounts()
	token := &Token{Methods: req.Auth.Identity.Methods}
	for _, method := range token.Methods {
		if err := k.prove(accounts, method, req.Auth.Identity, token); err != nil {
			return nil, err
		}
	}
	if err := scope(accounts, req.Auth.Scope, token); err != nil {
		return nil, err
	}
	token.ID = "gAAAA" + secret(60)
	token.AuditID = secret(16)
	token.Issued = time.Now().UTC()
	if token.Expires.IsZero() {
		token.Expires = token.Issued.Add(k.ttl)
	}
	return token, nil
}

func (k *Service) prove(accounts *Accounts, method string, id *identity, token *Token) error {
	switch method {
	case "password":
		if id.Password == nil {
			return badRequest("'password' is a required property")
		}
		return provePassword(accounts, id.Password.User, token)
	case "application_credential":
		if id.Credential == nil {
			return badRequest("'application_credential' is a required property")
		}
		return proveCredential(accounts, id.Credential, token)
	case "token":
		if id.Token == nil {
			return badRequest("'token' is a required property")
		}
		return k.proveToken(id.Token.ID, token)
	}
	return ErrUnauthorized
}

func provePassword(accounts *Accounts, ref userRef, token *Token) error {
	user := lookUp(accounts, &ref)
	if user == nil || !same(user.Password, ref.Password) {
		return ErrUnauthorized
	}
	token.UserID = user.ID
	return nil
}

func lookUp(accounts *Accounts, ref *userRef) *User {
	if ref.ID != "" {
		return accounts.User(ref.ID)
	}
	if !ref.Domain.known() {
		return nil
	}
	return accounts.UserNamed(ref.Name)
}

func proveCredential(accounts *Accounts, ref *credentialRef, token *Token) error {
	cred := accounts.Credential(ref.ID)
	if ref.ID == "" && ref.User != nil {
		if user := lookUp(accounts, ref.User); user != nil {
			cred = find(accounts.Credentials, func(c Credential) bool {
				return c.UserID == user.ID && c.Name == ref.Name
			})
		}
	}
	if cred == nil && ref.ID != "" {
		return &notFound{"Could not find Application Credential: " + ref.ID + "."}
	}
	if cred == nil || !same(cred.Secret, ref.Secret) {
		return ErrUnauthorized
	}
	token.UserID, token.Credential = cred.UserID, cred.ID
	return nil
}

// proveToken makes a new token from an old one; it never outlives the old one.
func (k *Service) proveToken(id string, token *Token) error {
	old, err := k.Token(id)
	if err != nil {
		return err
	}
	token.UserID, token.Expires, token.Credential = old.UserID, old.Expires, old.Credential
	token.ProjectID = old.ProjectID
	return nil
}

// scope binds the token to the project asked for. Without a scope it is the
// user's own project, as if every user had a default project.
func scope(accounts *Accounts, asked any, token *Token) error {
	user := accounts.User(token.UserID)
	if asked == nil {
		if token.ProjectID == "" {
			token.ProjectID = user.ProjectID
		}
		return nil
	}
	if token.Credential != "" {
		return errScoped
	}
	if asked == "unscoped" {
		token.ProjectID = ""
		return nil
	}
	project := scopedProject(accounts, asked)
	if project == nil || project.ID != user.ProjectID {
		return ErrUnauthorized
	}
	token.ProjectID = project.ID
	return nil
}

func scopedProject(accounts *Accounts, asked any) *Named {
	fields, _ := asked.(map[string]any)
	project, _ := fields["project"].(map[string]any)
	if id, ok := project["id"].(string); ok {
		if found := accounts.Project(id); found != nil && found.ID == id {
			return found
		}
		return nil
	}
	name, _ := project["name"].(string)
	domain, _ := project["domain"].(map[string]any)
	if domain["id"] != DomainID && domain["name"] != DomainName {
		return nil
	}
	return accounts.Project(name)
}

func same(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
