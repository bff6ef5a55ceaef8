// Package manila is the HTTP face of the simulated Shared File Systems service,
// API version 2 with microversions. What is stored and what may happen to it is
// decided in package share; here requests are checked, versions told apart and
// answers put into the API's form. Written from the API reference and, for what
// it leaves open, from the answers of a real Manila.
package manila

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/openstack/fuxi/providers/simulator/internal/faults"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

// Root is where the API begins.
const Root = "/v2/"

const maxBody = 1 << 20

// API serves requests about shares. It may be used concurrently.
type API struct {
	keystone *keystone.Service
	shares   *share.Service
}

// New returns the face of a storage, open to the bearers of the identity
// service's tokens.
func New(k *keystone.Service, b *share.Service) *API { return &API{keystone: k, shares: b} }

// call is one request that has passed the checks common to all.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	caller  share.Caller
	version version
	shown   string // the version an answer bears; "" for none
	body    map[string]any
}

// handler does the work of one operation and returns the status and body of the
// answer; a nil body sends none.
type handler func(*call) (int, any, error)

// Routes adds the API to the mux.
func (a *API) Routes(mux *http.ServeMux) {
	for pattern, h := range a.handlers() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h) })
	}
}

func (a *API) handlers() map[string]handler {
	return map[string]handler{
		"GET /v2/{$}":                                       a.document,
		"GET /v2/shares":                                    a.listShares,
		"GET /v2/shares/detail":                             a.detailShares,
		"POST /v2/shares":                                   a.createShare,
		"GET /v2/shares/{id}":                               a.showShare,
		"PUT /v2/shares/{id}":                               a.updateShare,
		"DELETE /v2/shares/{id}":                            a.deleteShare,
		"POST /v2/shares/{id}/action":                       a.shareAction,
		"GET /v2/shares/{id}/metadata":                      a.showMetadata,
		"POST /v2/shares/{id}/metadata":                     a.mergeMetadata,
		"PUT /v2/shares/{id}/metadata":                      a.replaceMetadata,
		"GET /v2/shares/{id}/metadata/{key}":                a.showMetadatum,
		"DELETE /v2/shares/{id}/metadata/{key}":             a.deleteMetadatum,
		"GET /v2/shares/{id}/export_locations":              a.listExports,
		"GET /v2/shares/{id}/export_locations/{export}":     a.showExport,
		"GET /v2/share-access-rules":                        a.listRules,
		"GET /v2/share-access-rules/{id}":                   a.showRule,
		"PUT /v2/share-access-rules/{id}/metadata":          a.markRule,
		"DELETE /v2/share-access-rules/{id}/metadata/{key}": a.unmarkRule,
		"GET /v2/snapshots":                                 a.listSnapshots,
		"POST /v2/snapshots":                                a.createSnapshot,
		"GET /v2/snapshots/{id}":                            a.showSnapshot,
		"DELETE /v2/snapshots/{id}":                         a.deleteSnapshot,
		"GET /v2/types":                                     a.listTypes,
		"GET /v2/types/default":                             a.defaultType,
		"GET /v2/share-networks":                            a.listNetworks,
		"POST /v2/share-networks":                           a.createNetwork,
		"DELETE /v2/share-networks/{id}":                    a.deleteNetwork,
		"GET /v2/availability-zones":                        a.listZones,
		"GET /v2/messages":                                  a.listMessages,
		"GET /v2/limits":                                    a.showLimits,
		"GET /v2/quota-sets/{id}":                           a.showQuota,
		"PUT /v2/quota-sets/{id}":                           a.updateQuota,
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler) {
	// Only Nova's and Cinder's answers bear the id under its newer name.
	id := w.Header().Get("X-Openstack-Request-Id")
	w.Header().Del("X-Openstack-Request-Id")
	c := &call{w: w, r: r, version: oldest}
	token, err := a.keystone.Token(r.Header.Get("X-Auth-Token"))
	if err != nil {
		keystone.Refuse(w, r)
		return
	}
	w.Header().Set("X-Compute-Request-Id", id)
	user := a.keystone.Accounts().User(token.UserID)
	c.caller = share.Caller{Project: token.ProjectID, User: user.ID, Admin: user.IsAdmin(), Stick: faults.StickOf(r.Context())}
	status, body, err := c.admit(h)
	if err != nil {
		fail(c, err)
		return
	}
	answer(c, status, body)
}

// admit makes the checks common to all operations, in Manila's order: version,
// body.
func (c *call) admit(h handler) (int, any, error) {
	var err error
	if c.version, c.shown, err = versionOf(c.r.Header); err != nil {
		return 0, nil, err
	}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPut {
		if err := c.readBody(); err != nil {
			return 0, nil, err
		}
	}
	return h(c)
}

func (c *call) readBody() error {
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return share.Refuse(http.StatusRequestEntityTooLarge, "Request is too large.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&c.body) != nil || c.body == nil {
		return malformed()
	}
	return nil
}

func malformed() error { return share.Bad("Malformed request body") }

// crashed is where Manila does not look before it uses a value.
func crashed() error {
	return share.Refuse(http.StatusInternalServerError, "The server has either erred or is incapable of performing the requested operation.")
}

// id returns the id in the path.
func (c *call) id() string { return c.r.PathValue("id") }

// need refuses, as if there were no such operation, a version that is too old
// for it.
func (c *call) need(minor int) error {
	if !c.version.has(minor) {
		return share.Refuse(http.StatusNotFound, "The resource could not be found.")
	}
	return nil
}

// adminOnly refuses everybody else.
func (c *call) adminOnly() error {
	if !c.caller.Admin {
		return share.Refuse(http.StatusForbidden, "Access was denied to this resource.")
	}
	return nil
}

func answer(c *call, status int, body any) {
	c.mark()
	if body == nil {
		c.w.WriteHeader(status)
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body) // a client that left is not our concern
}

func fail(c *call, err error) {
	c.mark()
	var refusal *share.Error
	if errors.As(err, &refusal) {
		Fail(c.w, refusal.Status, refusal.Message, -1)
		return
	}
	Fail(c.w, http.StatusInternalServerError, err.Error(), -1)
}

// Fail answers with an error in the API's form. A 413 tells to retry at once,
// as Manila's does, unless another Retry-After is given; less than zero is none.
func Fail(w http.ResponseWriter, status int, message string, retryAfter int) {
	detail := map[string]any{"code": status, "message": message}
	if status == http.StatusRequestEntityTooLarge && retryAfter < 0 {
		retryAfter = 0
	}
	if retryAfter >= 0 {
		after := strconv.Itoa(retryAfter)
		w.Header().Set("Retry-After", after)
		detail["retryAfter"] = after
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{faultName(status): detail})
}

func faultName(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "badRequest"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "itemNotFound"
	case http.StatusConflict:
		return "conflictingRequest"
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return "overLimit"
	case http.StatusServiceUnavailable:
		return "serviceUnavailable"
	}
	return "computeFault"
}

// NotFound answers at an address where nothing is, in the form of Manila's web
// server and not of its API.
func (a *API) NotFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Del("X-Openstack-Request-Id")
	if _, err := a.keystone.Token(r.Header.Get("X-Auth-Token")); err != nil {
		keystone.Refuse(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that left is not our concern
		"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found",
	})
}
