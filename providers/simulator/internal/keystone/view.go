package keystone

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// timeFormat is Keystone's: microseconds and a Z.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// BaseURL returns the address the client used, without a path.
func BaseURL(r *http.Request) string { return "http://" + r.Host }

func (k *Service) tokenView(r *http.Request, t *Token) map[string]any {
	accounts := k.Accounts()
	user := accounts.User(t.UserID)
	domain := Named{ID: DomainID, Name: DomainName}
	view := map[string]any{
		"methods":    t.Methods,
		"audit_ids":  []string{t.AuditID},
		"issued_at":  t.Issued.UTC().Format(timeFormat),
		"expires_at": t.Expires.UTC().Format(timeFormat),
		"user": map[string]any{
			"id": user.ID, "name": user.Name, "domain": domain, "password_expires_at": nil,
		},
	}
	if project := accounts.Project(t.ProjectID); project != nil {
		view["project"] = map[string]any{"id": project.ID, "name": project.Name, "domain": domain}
		view["is_domain"] = false
		view["roles"] = user.Roles
		if _, without := r.URL.Query()["nocatalog"]; !without {
			view["catalog"] = k.catalog(r, project.ID)
		}
	}
	if cred := accounts.Credential(t.Credential); cred != nil {
		view["application_credential"] = map[string]any{"id": cred.ID, "name": cred.Name, "restricted": true}
	}
	return map[string]any{"token": view}
}

// catalog lists the services at the address the client used. Block storage is
// there under its official type and the old one, as in clouds of any age.
func (k *Service) catalog(r *http.Request, projectID string) []map[string]any {
	base := BaseURL(r)
	volumes := base + "/v3/" + projectID
	all := []map[string]any{
		service("keystone", "identity", base+"/v3"),
		service("cinder", "block-storage", volumes),
		service("cinderv3", "volumev3", volumes),
		service("manilav2", "sharev2", base+"/v2"),
	}
	for _, o := range k.offers {
		all = append(all, service(o.name, o.kind, base+o.path))
	}
	return all
}

// offer is a service that only some clouds have.
type offer struct{ name, kind, path string }

// Offer lists one more service in the catalogue, at a path of the client's
// address. Call it before the first request.
func (k *Service) Offer(name, kind, path string) {
	k.offers = append(k.offers, offer{name, kind, path})
}

func service(name, kind, url string) map[string]any {
	endpoints := make([]map[string]any, 0, 3)
	for _, face := range []string{"public", "internal", "admin"} {
		endpoints = append(endpoints, map[string]any{
			"id": stableID(kind, face), "interface": face, "url": url,
			"region": Region, "region_id": Region,
		})
	}
	return map[string]any{"id": stableID(kind, ""), "name": name, "type": kind, "endpoints": endpoints}
}

func stableID(kind, face string) string {
	sum := sha256.Sum256([]byte(kind + "/" + face))
	return hex.EncodeToString(sum[:16])
}

// Version is the version document of API version 3.
func Version(r *http.Request) map[string]any {
	return map[string]any{
		"id":      "v3.14",
		"status":  "stable",
		"updated": time.Date(2020, 4, 7, 0, 0, 0, 0, time.UTC).Format(time.RFC3339),
		"links":   []map[string]any{{"rel": "self", "href": BaseURL(r) + "/v3/"}},
		"media-types": []map[string]any{{
			"base": "application/json", "type": "application/vnd.openstack.identity-v3+json",
		}},
	}
}
