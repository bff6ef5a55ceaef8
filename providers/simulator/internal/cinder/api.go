// Package cinder is the HTTP face of the simulated Block Storage service, API
// version 3 with microversions. What is stored and what may happen to it is
// decided in package block; here requests are checked, versions told apart and
// answers put into the API's form. Written from the Block Storage API reference
// and, for what it leaves open, from reading what Cinder does.
package cinder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/faults"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

const maxBody = 1 << 20

// API serves Block Storage requests. It may be used concurrently.
type API struct {
	keystone *keystone.Service
	block    *block.Service
}

// New returns the face of a storage, open to the bearers of the identity
// service's tokens.
func New(k *keystone.Service, b *block.Service) *API { return &API{keystone: k, block: b} }

// call is one request that has passed the checks common to all.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	caller  block.Caller
	version version
	bare    bool   // the answer is made by hand in Cinder, without what others get
	shown   string // the version an answer bears; "" for none
	body    map[string]any
	list    []any // a body that is a list, which no operation takes
}

// handler does the work of one operation and returns the status and body of the
// answer; a nil body sends none.
type handler func(*call) (int, any, error)

// Routes adds the API to the mux. The version documents are not among them:
// they share their addresses with other services.
func (a *API) Routes(mux *http.ServeMux) {
	for pattern, h := range a.handlers() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h) })
	}
}

func (a *API) handlers() map[string]handler {
	const p = " /v3/{project}"
	return map[string]handler{
		"GET" + p + "/volumes":                        a.listVolumes,
		"GET" + p + "/volumes/detail":                 a.detailVolumes,
		"GET" + p + "/volumes/summary":                a.summary,
		"POST" + p + "/volumes":                       a.createVolume,
		"GET" + p + "/volumes/{id}":                   a.showVolume,
		"PUT" + p + "/volumes/{id}":                   a.updateVolume,
		"DELETE" + p + "/volumes/{id}":                a.deleteVolume,
		"POST" + p + "/volumes/{id}/action":           a.volumeAction,
		"GET" + p + "/volumes/{id}/metadata":          a.showMetadata,
		"POST" + p + "/volumes/{id}/metadata":         a.mergeMetadata,
		"PUT" + p + "/volumes/{id}/metadata":          a.replaceMetadata,
		"GET" + p + "/volumes/{id}/metadata/{key}":    a.showMetadatum,
		"PUT" + p + "/volumes/{id}/metadata/{key}":    a.putMetadatum,
		"DELETE" + p + "/volumes/{id}/metadata/{key}": a.deleteMetadatum,
		"GET" + p + "/attachments":                    a.listAttachments,
		"GET" + p + "/attachments/detail":             a.detailAttachments,
		"POST" + p + "/attachments":                   a.createAttachment,
		"GET" + p + "/attachments/{id}":               a.showAttachment,
		"PUT" + p + "/attachments/{id}":               a.updateAttachment,
		"DELETE" + p + "/attachments/{id}":            a.deleteAttachment,
		"POST" + p + "/attachments/{id}/action":       a.attachmentAction,
		"GET" + p + "/snapshots":                      a.listSnapshots,
		"GET" + p + "/snapshots/detail":               a.detailSnapshots,
		"POST" + p + "/snapshots":                     a.createSnapshot,
		"GET" + p + "/snapshots/{id}":                 a.showSnapshot,
		"DELETE" + p + "/snapshots/{id}":              a.deleteSnapshot,
		"GET" + p + "/types":                          a.listTypes,
		"GET" + p + "/types/{id}":                     a.showType,
		"GET" + p + "/os-availability-zone":           a.listZones,
		"GET" + p + "/limits":                         a.showLimits,
		"GET" + p + "/os-quota-sets/{id}":             a.showQuota,
		"GET" + p + "/os-quota-sets/{id}/defaults":    a.showQuota,
		"PUT" + p + "/os-quota-sets/{id}":             a.updateQuota,
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler) {
	c := &call{w: w, r: r, version: oldest}
	if err := a.admit(c); err != nil {
		fail(c, err)
		return
	}
	status, body, err := h(c)
	if err != nil {
		fail(c, err)
		return
	}
	answer(c, status, body)
}

// admit makes the checks common to all operations, in Cinder's order: token,
// version, body, project.
func (a *API) admit(c *call) error {
	token, err := a.keystone.Token(c.r.Header.Get("X-Auth-Token"))
	if err != nil {
		return err
	}
	user := a.keystone.Accounts().User(token.UserID)
	c.caller = block.Caller{
		Project: token.ProjectID, User: user.ID, Admin: user.IsAdmin(), Stick: faults.StickOf(c.r.Context()),
	}
	if c.version, c.shown, err = versionOf(c.r.Header); err != nil {
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if c.r.PathValue("project") != token.ProjectID {
		return block.Refuse(http.StatusBadRequest, "Malformed request url")
	}
	return nil
}

func (c *call) readBody() error {
	if c.r.Method != http.MethodPost && c.r.Method != http.MethodPut {
		return nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return block.Refuse(http.StatusRequestEntityTooLarge, "Request is too large.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var body any
	if dec.Decode(&body) == nil {
		c.body, _ = body.(map[string]any)
		c.list, _ = body.([]any)
	}
	if c.body == nil && c.list == nil {
		return block.Refuse(http.StatusBadRequest, "Malformed request body")
	}
	return nil
}

// id returns the id in the path.
func (c *call) id() string { return c.r.PathValue("id") }

// need refuses, as if there were no such operation, a version that is too old
// for it.
func (c *call) need(minor int) error {
	if c.version < version(minor) {
		return block.Refuse(http.StatusNotFound, "The resource could not be found.")
	}
	return nil
}

// adminOnly refuses everybody else.
func (c *call) adminOnly(rule string) error {
	if !c.caller.Admin {
		return block.Refuse(http.StatusForbidden, "Policy doesn't allow %s to be performed.", rule)
	}
	return nil
}

func answer(c *call, status int, body any) {
	c.mark()
	if body == nil {
		c.w.WriteHeader(status)
		return
	}
	kind := "application/json"
	if c.bare {
		kind = "text/html; charset=UTF-8"
	}
	c.w.Header().Set("Content-Type", kind)
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body) // a client that left is not our concern
}

func fail(c *call, err error) {
	c.bare = false
	if errors.Is(err, keystone.ErrUnauthorized) {
		keystone.Refuse(c.w, c.r)
		return
	}
	c.mark()
	var refusal *block.Error
	if errors.As(err, &refusal) {
		Fail(c.w, refusal.Status, refusal.Message, -1)
		return
	}
	Fail(c.w, http.StatusInternalServerError, err.Error(), -1)
}

// Fail answers with an error in the API's form. A 413 tells to retry at once,
// as Cinder's does, unless another Retry-After is given; less than zero is none.
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
	case http.StatusMethodNotAllowed:
		return "badMethod"
	case http.StatusConflict:
		return "conflictingRequest"
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return "overLimit"
	case http.StatusUnsupportedMediaType:
		return "badMediaType"
	case http.StatusNotImplemented:
		return "notImplemented"
	case http.StatusServiceUnavailable:
		return "serviceUnavailable"
	}
	return "computeFault"
}
