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

// Routes adds the Identity API to the mux. The version documents are not among
// them: they share their addresses with other services.
func (k *Service) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v3/auth/tokens", k.postToken)
	mux.HandleFunc("GET /v3/auth/tokens", k.getToken)
	mux.HandleFunc("DELETE /v3/auth/tokens", k.deleteToken)
	mux.HandleFunc("GET /v3/auth/catalog", k.getCatalog)
	mux.HandleFunc("GET /v3/auth/projects", k.getProjects)
}

func (k *Service) postToken(w http.ResponseWriter, r *http.Request) {
	var req authRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		fail(w, badRequest("The request body is not valid JSON: "+err.Error()))
		return
	}
	token, err := k.authenticate(&req)
	if err != nil {
		fail(w, err)
		return
	}
	if err := k.issue(token); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("X-Subject-Token", token.ID)
	answer(w, http.StatusCreated, k.tokenView(r, token))
}

// getToken shows the subject token. Cinder and its like use it, and so do users
// asking about their own token; a HEAD gets the headers alone.
func (k *Service) getToken(w http.ResponseWriter, r *http.Request) {
	if _, err := k.Token(r.Header.Get("X-Auth-Token")); err != nil {
		fail(w, err)
		return
	}
	token, err := k.Token(r.Header.Get("X-Subject-Token"))
	if err != nil {
		failWith(w, http.StatusNotFound, "Could not find token: Failed to validate token.")
		return
	}
	w.Header().Set("X-Subject-Token", token.ID)
	answer(w, http.StatusOK, k.tokenView(r, token))
}

func (k *Service) deleteToken(w http.ResponseWriter, r *http.Request) {
	if _, err := k.Token(r.Header.Get("X-Auth-Token")); err != nil {
		fail(w, err)
		return
	}
	subject := r.Header.Get("X-Subject-Token")
	if _, err := k.Token(subject); err != nil {
		failWith(w, http.StatusNotFound, "Could not find token: Failed to validate token.")
		return
	}
	if err := k.revoke(subject); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (k *Service) getCatalog(w http.ResponseWriter, r *http.Request) {
	token, err := k.Token(r.Header.Get("X-Auth-Token"))
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"catalog": catalog(r, token.ProjectID),
		"links":   map[string]any{"self": BaseURL(r) + "/v3/auth/catalog"},
	})
}

func (k *Service) getProjects(w http.ResponseWriter, r *http.Request) {
	token, err := k.Token(r.Header.Get("X-Auth-Token"))
	if err != nil {
		fail(w, err)
		return
	}
	accounts := k.Accounts()
	project := accounts.Project(accounts.User(token.UserID).ProjectID)
	answer(w, http.StatusOK, map[string]any{
		"projects": []any{map[string]any{
			"id": project.ID, "name": project.Name, "domain_id": DomainID, "enabled": true,
		}},
		"links": map[string]any{"self": BaseURL(r) + "/v3/auth/projects", "next": nil, "previous": nil},
	})
}

// Refuse answers 401 the way the services' token check does.
func Refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", BaseURL(r)))
	fail(w, ErrUnauthorized)
}

func fail(w http.ResponseWriter, err error) {
	var bad badRequest
	switch {
	case errors.Is(err, ErrUnauthorized):
		failWith(w, http.StatusUnauthorized, "The request you have made requires authentication.")
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
