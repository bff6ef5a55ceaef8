package nova

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// Root is where the API begins.
const Root = "/v2.1/"

const maxBody = 1 << 20

// API serves requests about servers. It may be used concurrently.
type API struct {
	keystone *keystone.Service
	servers  *Service
}

// NewAPI returns the face of a compute service, open to the bearers of the
// identity service's tokens.
func NewAPI(k *keystone.Service, n *Service) *API { return &API{keystone: k, servers: n} }

// call is one request that has passed the checks common to all.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	caller  block.Caller
	version version
	shown   string // the version an answer bears; "" for none
	body    map[string]any
}

// handler does the work of one operation and returns the status and body of the
// answer; a nil body sends none.
type handler func(*call) (int, any, error)

// Routes adds the API to the mux.
func (a *API) Routes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /v2.1/{$}":                                            a.document,
		"GET /v2.1/servers":                                        a.listServers,
		"GET /v2.1/servers/detail":                                 a.detailServers,
		"GET /v2.1/servers/{id}":                                   a.showServer,
		"DELETE /v2.1/servers/{id}":                                a.deleteServer,
		"POST /v2.1/servers/{id}/action":                           a.serverAction,
		"GET /v2.1/servers/{id}/os-volume_attachments":             a.listDisks,
		"POST /v2.1/servers/{id}/os-volume_attachments":            a.attach,
		"GET /v2.1/servers/{id}/os-volume_attachments/{volume}":    a.showDisk,
		"DELETE /v2.1/servers/{id}/os-volume_attachments/{volume}": a.detach,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h) })
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler) {
	c := &call{w: w, r: r, version: oldest}
	err := a.admit(c)
	if err == nil {
		var status int
		var body any
		if status, body, err = h(c); err == nil {
			answer(c, status, body)
			return
		}
	}
	fail(c, err)
}

// admit makes the checks common to all operations: token, version, body.
func (a *API) admit(c *call) error {
	token, err := a.keystone.Token(c.r.Header.Get("X-Auth-Token"))
	if err != nil {
		return err
	}
	user := a.keystone.Accounts().User(token.UserID)
	c.caller = block.Caller{Project: token.ProjectID, User: user.ID, Admin: user.IsAdmin()}
	if c.version, c.shown, err = versionOf(c.r.Header); err != nil {
		return err
	}
	if c.r.Method != http.MethodPost {
		return nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return block.Refuse(http.StatusRequestEntityTooLarge, "Request is too large.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&c.body) != nil || c.body == nil {
		return block.Refuse(http.StatusBadRequest, "Malformed request body")
	}
	return nil
}

func (c *call) id() string     { return c.r.PathValue("id") }
func (c *call) volume() string { return c.r.PathValue("volume") }

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
	Fail(c.w, http.StatusInternalServerError, "Unexpected API Error. "+err.Error(), -1)
}

// Fail answers with an error in the API's form. A Retry-After of less than zero
// is left out.
func Fail(w http.ResponseWriter, status int, message string, retryAfter int) {
	detail := map[string]any{"code": status, "message": message}
	if retryAfter >= 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		detail["retryAfter"] = strconv.Itoa(retryAfter)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{faultName(status): detail})
}

func faultName(status int) string {
	names := map[int]string{
		http.StatusBadRequest: "badRequest", http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden",
		http.StatusNotFound: "itemNotFound", http.StatusMethodNotAllowed: "badMethod", http.StatusConflict: "conflictingRequest",
		http.StatusRequestEntityTooLarge: "overLimit", http.StatusTooManyRequests: "overLimit",
		http.StatusUnsupportedMediaType: "badMediaType", http.StatusNotImplemented: "notImplemented",
		http.StatusServiceUnavailable: "serviceUnavailable",
	}
	if name := names[status]; name != "" {
		return name
	}
	return "computeFault"
}

// NotFound answers at an address where nothing is.
func (a *API) NotFound(w http.ResponseWriter, r *http.Request) {
	if _, err := a.keystone.Token(r.Header.Get("X-Auth-Token")); err != nil && strings.HasPrefix(r.URL.Path, Root) {
		keystone.Refuse(w, r)
		return
	}
	http.Error(w, "404 Not Found\n\nThe resource could not be found.", http.StatusNotFound)
}
