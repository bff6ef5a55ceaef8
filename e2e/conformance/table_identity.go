package conformance

import "net/http"

const (
	postToken = "POST keystone:/auth/tokens"
	scoped    = `,"scope":{"project":{"name":"<member.project>","domain":{"name":"<domain>"}}}`
)

func withPassword(password, rest string) string {
	return `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"<member.user>",` +
		`"password":"` + password + `","domain":{"name":"<domain>"}}}}` + rest + `}}`
}

// identity is how fuxi logs in, and how it is refused.
func identity() Story {
	token := map[string]any{"token.user.name": "<member.user>", "token.methods.0": "password"}
	return Story{"identity", []Case{
		{Name: "version document", As: nobody, Do: "GET keystone:", Status: 200,
			Want: map[string]any{"version.status": "stable"}, Partial: []string{"version"},
			Header: map[string]string{"X-Openstack-Request-Id": "*"}},
		{Name: "password and project name", As: nobody, Do: postToken, Body: withPassword("<member.password>", scoped),
			Status: 201, Want: map[string]any{"token.user.name": "<member.user>", "token.methods.0": "password",
				"token.project.name": "<member.project>", "token.is_domain": false},
			Header: map[string]string{"X-Subject-Token": "*"}, Partial: []string{"token.catalog"}},
		{Name: "password and project id", As: nobody, Do: postToken, Status: 201, Want: token,
			Body:    withPassword("<member.password>", `,"scope":{"project":{"id":"<member.projectid>"}}`),
			Partial: []string{"token.catalog"}},
		{Name: "without catalog", As: nobody, Do: postToken + "?nocatalog", Status: 201,
			Body: withPassword("<member.password>", scoped), Want: map[string]any{"token.catalog": "absent"}},
		{Name: "unscoped", As: nobody, Do: postToken, Status: 201, Body: withPassword("<member.password>", `,"scope":"unscoped"`),
			Want: map[string]any{"token.project": "absent", "token.catalog": "absent", "token.roles": "absent"}},
		{Name: "wrong password", As: nobody, Do: postToken, Body: withPassword("wrong", scoped), Status: 401,
			Says: "requires authentication", Want: map[string]any{"error.code": 401, "error.title": "Unauthorized"}},
		{Name: "unknown user", As: nobody, Do: postToken, Status: 401,
			Body: `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"nobody-of-this-name",` +
				`"password":"x","domain":{"name":"<domain>"}}}}` + scoped + `}}`},
		{Name: "unknown domain", As: nobody, Do: postToken, Status: 401,
			Body: `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"<member.user>",` +
				`"password":"<member.password>","domain":{"name":"no-such-domain"}}}}` + scoped + `}}`},
		{Name: "unknown project", As: nobody, Do: postToken, Status: 401,
			Body: withPassword("<member.password>", `,"scope":{"project":{"name":"no-such-project","domain":{"name":"<domain>"}}}`)},
		{Name: "project of somebody else", As: nobody, Do: postToken, Status: 401,
			Body: withPassword("<member.password>", `,"scope":{"project":{"id":"<other.projectid>"}}`)},
		{Name: "no identity", As: nobody, Do: postToken, Body: `{"auth":{}}`, Status: 400,
			Loose: "a wrong request's description follows the schema, which fuxi never breaks"},
		{Name: "no JSON", As: nobody, Do: postToken, Body: `{"auth":`, Status: 400,
			Loose: "a wrong request's description follows the schema, which fuxi never breaks"},
	}}
}

// credentials are application credentials.
func credentials() Story {
	with := func(fields, rest string) string {
		return `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{` + fields + `}}` + rest + `}}`
	}
	byID := `"id":"<credential>","secret":"<credential.secret>"`
	byName := `"name":"<credential.name>","secret":"<credential.secret>","user":{"name":"<member.user>","domain":{"name":"<domain>"}}`
	whose := map[string]any{"token.project.id": "<member.projectid>", "token.user.id": "<member.userid>",
		"token.application_credential.id": "<credential>", "token.application_credential.restricted": true,
		"token.methods.0": "application_credential"}
	return Story{"credentials", []Case{
		{Name: "by id", As: nobody, Do: postToken, Body: with(byID, ""), Status: 201, Want: whose,
			Partial: []string{"token.catalog"}, Keep: map[string]string{"token": "header:X-Subject-Token"}},
		{Name: "its roles", As: nobody, Do: "GET keystone:/auth/tokens", Status: 200,
			Send:    map[string]string{"X-Auth-Token": "<token>", "X-Subject-Token": "<token>"},
			Want:    map[string]any{"token.roles.0.name": "*"},
			Partial: []string{"token.catalog"}},
		{Name: "at Cinder", As: nobody, Do: "GET /volumes?limit=0", Status: 200, Send: map[string]string{"X-Auth-Token": "<token>"}},
		{Name: "by name", As: nobody, Do: postToken, Body: with(byName, ""), Status: 201, Want: whose,
			Partial: []string{"token.catalog"}},
		{Name: "wrong secret", As: nobody, Do: postToken, Status: 401, Body: with(`"id":"<credential>","secret":"wrong"`, "")},
		{Name: "unknown", As: nobody, Do: postToken, Status: 404, Says: "Application Credential",
			Body: with(`"id":"00000000000000000000000000000000","secret":"wrong"`, "")},
		{Name: "unknown name", As: nobody, Do: postToken, Status: 401,
			Body: with(`"name":"no-such-credential","secret":"wrong","user":{"name":"<member.user>","domain":{"name":"<domain>"}}`, "")},
		{Name: "with a scope", As: nobody, Do: postToken, Status: 401, Body: with(byID, scoped)},
	}}
}

// tokens: what Keystone tells of a token, and what Cinder does with one.
func tokens() Story {
	asking := func(subject string) map[string]string {
		return map[string]string{"X-Subject-Token": subject}
	}
	bad := map[string]string{"X-Auth-Token": "gAAAAABnotatoken"}
	return Story{"tokens", []Case{
		{Name: "another one", As: nobody, Do: postToken, Body: withPassword("<member.password>", scoped), Status: 201,
			Partial: []string{"token.catalog"}, Keep: map[string]string{"mine": "header:X-Subject-Token"}},
		{Name: "one from one", As: nobody, Do: postToken, Status: 201, Partial: []string{"token.catalog"},
			Body: `{"auth":{"identity":{"methods":["token"],"token":{"id":"<mine>"}}` + scoped + `}}`},
		{Name: "shown", Do: "GET keystone:/auth/tokens", Send: asking("<mine>"), Status: http.StatusOK,
			Want: map[string]any{"token.project.id": "<member.projectid>"}, Partial: []string{"token.catalog"}},
		{Name: "unknown", Do: "GET keystone:/auth/tokens", Send: asking("gAAAAABnotatoken"), Status: 404,
			Loose: "the words depend on the kind of token"},
		{Name: "asked with none", As: nobody, Do: "GET keystone:/auth/tokens", Send: asking("<mine>"), Status: 401},
		{Name: "catalog", Do: "GET keystone:/auth/catalog", Status: 200, Partial: []string{"catalog"}},
		{Name: "projects", Do: "GET keystone:/auth/projects", Status: 200, Want: map[string]any{"projects.#": 1}},
		{Name: "Cinder without token", As: nobody, Do: "GET /volumes", Status: 401,
			Says: "requires authentication", Header: map[string]string{"Www-Authenticate": "*"}},
		{Name: "Cinder with a wrong token", As: nobody, Do: "GET /volumes", Send: bad, Status: 401},
		{Name: "revoked", Do: "DELETE keystone:/auth/tokens", Send: asking("<mine>"), Status: 204},
		{Name: "Cinder with a revoked token", As: nobody, Do: "GET /volumes", Status: 401,
			Send: map[string]string{"X-Auth-Token": "<mine>"}},
		{Name: "revoked twice", Do: "DELETE keystone:/auth/tokens", Send: asking("<mine>"), Status: 404},
	}}
}

// versions: microversions, and addresses that lead nowhere.
func versions() Story {
	ask := func(name, version string, status int, shown string) Case {
		c := Case{Name: name, Do: "GET /volumes?limit=0", Version: version, Status: status}
		if shown != "" {
			c.Header = map[string]string{"Openstack-Api-Version": "volume " + shown}
		}
		return c
	}
	raw := func(name, header string, status int) Case {
		return Case{Name: name, Do: "GET /volumes?limit=0", Version: "none", Status: status,
			Send: map[string]string{"OpenStack-API-Version": header}}
	}
	return Story{"versions", []Case{
		{Name: "version document", Do: "GET cinder:/v3/", Status: 200,
			Want: map[string]any{"versions.0.id": "v3.0", "versions.0.status": "CURRENT",
				"versions.0.version": "3.71", "versions.0.min_version": "3.0"}, Partial: []string{"versions"}},
		ask("none", "none", 200, "3.0"),
		ask("3.44", "3.44", 200, "3.44"),
		ask("latest", "latest", 200, "3.71"),
		ask("too high", "3.999", 406, ""),
		ask("too low", "2.0", 406, ""),
		ask("another major one", "4.0", 406, ""),
		ask("malformed", "3.x", 400, ""),
		ask("without minor", "3", 400, ""),
		raw("of another service", "compute 2.1", 400),
		raw("of two services", "compute 2.1, volume 3.50", 200),
		{Name: "attachments before 3.27", Do: "GET /attachments", Version: "3.26", Status: 404},
		{Name: "attachment before 3.27", Do: "POST /attachments", Version: "3.26", Status: 404,
			Body: `{"attachment":{"volume_uuid":"<nowhere>"}}`},
		{Name: "no such address", Do: "GET /nothing", Status: 404},
		{Name: "project of somebody else", Do: "GET cinder:/v3/<other.projectid>/volumes", Status: 400},
		{Name: "no JSON", Do: "POST /volumes", Body: `{"volume":`, Status: 400},
		{Name: "list for a body", Do: "POST /volumes", Body: `[]`, Status: 400},
	}}
}
