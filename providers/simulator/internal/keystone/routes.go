package keystone

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

const maxBody = 64 << 10

// badRequest is a 400 with a text.
type badRequest string

// Error returns the text.
func (b badRequest) Error() string { return string(b) }

// notFound is a 404 with a text.
type notFound struct{ text string }

// Error returns the text.
func (n *notFound) Error() string { return n.text }

// errScoped refuses a credential that asks for another project than its own.
var errScoped = errors.New("application credentials cannot request a scope")

// Routes adds the Identity API to the mux. The version documents are not among
// them: they share their addresses with other services.
func (k *Service) Routes(mux *http.ServeMux) {
	for pattern, h := range map[string]http.HandlerFunc{
		"POST /v3/auth/tokens":   k.postToken,
		"GET /v3/auth/tokens":    k.getToken,
		"DELETE /v3/auth/tokens": k.deleteToken,
		"GET /v3/auth/catalog":   k.getCatalog,
		"GET /v3/auth/projects":  k.getProjects,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "X-Auth-Token")
			h(w, r)
		})
	}
}

func (k *Service) postToken(w http.ResponseWriter, r *http.Request) {
	var req authRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		fail(w, r, badRequest("The request body is not valid JSON: "+err.Error()))
		return
	}
	token, err := k.authenticate(&req)
	if err != nil {
		fail(w, r, err)
		return
	}
	if err := k.issue(token); err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("X-Subject-Token", token.ID)
	answer(w, http.StatusCreated, k.tokenView(r, token))
}

// getToken shows the subject token. Cinder and its like use it, and so do users
// asking about their own token; a HEAD gets the headers alone.
func (k *Service) getToken(w http.ResponseWriter, r *http.Request) {
	if _, err := k.Token(r.Header.Get("X-Auth-Token")); err != nil {
		fail(w, r, err)
		return
	}
	token, err := k.Token(r.Header.Get("X-Subject-Token"))
	if err != nil {
		fail(w, r, &notFound{"Failed to validate token"})
		return
	}
	w.Header().Set("X-Subject-Token", token.ID)
	answer(w, http.StatusOK, k.tokenView(r, token))
}

func (k *Service) deleteToken(w http.ResponseWriter, r *http.Request) {
	if _, err := k.Token(r.Header.Get("X-Auth-Token")); err != nil {
		fail(w, r, err)
		return
	}
	subject := r.Header.Get("X-Subject-Token")
	if _, err := k.Token(subject); err != nil {
		fail(w, r, &notFound{"Failed to validate token"})
		return
	}
	if err := k.revoke(subject); err != nil {
		fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (k *Service) getCatalog(w http.ResponseWriter, r *http.Request) {
	token, err := k.Token(r.Header.Get("X-Auth-Token"))
	if err != nil {
		fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"catalog": k.catalog(r, token.ProjectID),
		"links":   map[string]any{"self": BaseURL(r) + "/v3/auth/catalog"},
	})
}

func (k *Service) getProjects(w http.ResponseWriter, r *http.Request) {
	token, err := k.Token(r.Header.Get("X-Auth-Token"))
	if err != nil {
		fail(w, r, err)
		return
	}
	accounts := k.Accounts()
	project := accounts.Project(accounts.User(token.UserID).ProjectID)
	answer(w, http.StatusOK, map[string]any{
		"projects": []any{map[string]any{
			"id": project.ID, "name": project.Name, "domain_id": DomainID, "enabled": true,
			"description": "", "is_domain": false, "parent_id": DomainID, "tags": []any{}, "options": map[string]any{},
			"links": map[string]any{"self": BaseURL(r) + "/v3/projects/" + project.ID},
		}},
		"links": map[string]any{"self": BaseURL(r) + "/v3/auth/projects", "next": nil, "previous": nil},
	})
}

// Refuse answers 401 the way the services' token check does.
func Refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", BaseURL(r)))
	failWith(w, http.StatusUnauthorized, unauthorized)
}

const unauthorized = "The request you have made requires authentication."

func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrUnauthorized) || errors.Is(err, errScoped) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", BaseURL(r)+"/v3"))
	}
	var bad badRequest
	var missing *notFound
	switch {
	case errors.Is(err, errScoped):
		answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{
			"code": http.StatusUnauthorized, "title": "Unauthorized", "identity": map[string]any{},
			"message": "Error authenticating with application credential: Application credentials cannot request a scope.",
		}})
	case errors.As(err, &missing):
		failWith(w, http.StatusNotFound, missing.Error())
	case errors.Is(err, ErrUnauthorized):
		failWith(w, http.StatusUnauthorized, unauthorized)
	case errors.As(err, &bad):
		failWith(w, http.StatusBadRequest, bad.Error())
	default:
		failWith(w, http.StatusInternalServerError, err.Error())
	}
}

func failWith(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"error": map[string]any{
		"code": status, "title": http.StatusText(status), "message": message,
	}})
}

// Fail answers with an error in the API's form. A Retry-After of less than zero
// is left out.
func Fail(w http.ResponseWriter, status int, message string, retryAfter int) {
	if retryAfter >= 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	failWith(w, status, message)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left is not our concern
}
