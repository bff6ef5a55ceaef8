package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/openstack/fuxi/volume"
)

// itemNotFound is the fault in which Cinder, Manila and Nova say that an object
// does not exist. API gateways answer 404 in shapes of their own.
const itemNotFound = "itemNotFound"

// Refusal is an answer of the cloud that is not a success. It is the cause of
// the volume.Error that Do returns.
type Refusal struct {
	Status    int    // HTTP status
	Name      string // the fault's name: itemNotFound, badRequest …; "" when the body is no OpenStack fault
	Message   string // the cloud's words, at most 500 bytes
	RequestID string
	Header    http.Header
}

// Error shows status, fault, the cloud's words and its request id.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status))
	if r.Name != "" {
		text = fmt.Sprintf("%d %s", r.Status, r.Name)
	}
	if r.Message != "" {
		text += ": " + r.Message
	}
	if r.RequestID != "" {
		text += " (request " + r.RequestID + ")"
	}
	return text
}

// MissingFeature is the cause of an error when the cloud is too old for a
// call: the rest of fuxi goes on without it.
type MissingFeature struct {
	Service, Microversion string // what was asked for
	Says                  string // the cloud's words, with the range it supports
}

// Error names the service and the version it lacks.
func (m *MissingFeature) Error() string {
	return fmt.Sprintf("%s of this cloud does not support API version %s", m.Service, m.Microversion)
}

// As gives err another kind and keeps all else: for the calls where a status
// means something of its own.
func As(kind, err error) error {
	var e *volume.Error
	if !errors.As(err, &e) {
		return volume.Errorf(kind, "%w", err)
	}
	changed := *e
	changed.Kind = kind
	return &changed
}

// RefusalOf returns the cloud's refusal within err, or nil.
func RefusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// refusal reads gophercloud's error for an unexpected status.
func refusal(err error) *Refusal {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return nil
	}
	r := &Refusal{Status: code.Actual, Header: code.ResponseHeader, RequestID: requestID(code.ResponseHeader)}
	r.Name, r.Message = parseFault(code.Body)
	return r
}

// parseFault reads {"itemNotFound": {"message": …}}, the shape in which every
// OpenStack service refuses. Anything else, a proxy's HTML page or the plain
// {"message": …} of a wrong URL, has no name: nobody may believe from it that
// an object does not exist.
func parseFault(body []byte) (name, message string) {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return "", ""
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var fault struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(all[key], &fault) == nil && fault.Message != "" && key != "" {
			return key, clip(fault.Message, 500)
		}
	}
	return "", ""
}

func clip(s string, limit int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// verdict is a kind and what the reader may do about it.
type verdict struct {
	kind error
	next string
}

// judge is the one place where statuses become kinds.
//
// 403 is ErrInvalid: no repetition makes a policy allow the call. A quota (413,
// or 403 as some services send it) is ErrUnavailable: it passes when space is
// freed. 401 comes here only with a fresh token, so it is the cloud's trouble.
func (r *Refusal) judge() verdict {
	over := r.Name == "overLimit" || r.Name == "overLimitFault" || strings.Contains(strings.ToLower(r.Message), "quota")
	switch {
	case r.Status == http.StatusNotFound && r.Name == itemNotFound:
		return verdict{volume.ErrNotFound, ""}
	case r.Status == http.StatusNotFound:
		return verdict{volume.ErrUnavailable, "this answer is not the service's own; check the endpoint and the proxy before it"}
	case r.Status == http.StatusUnauthorized:
		return verdict{volume.ErrUnavailable, "the cloud refuses a token it has just issued; see its logs"}
	case over && (r.Status == http.StatusForbidden || r.Status == http.StatusRequestEntityTooLarge):
		return verdict{volume.ErrUnavailable, "remove what is not needed or ask for a larger quota"}
	case r.Status == http.StatusForbidden:
		return verdict{volume.ErrInvalid, "the account lacks the role for this; ask the cloud's operator"}
	case r.Status == http.StatusConflict || r.Status == http.StatusPreconditionFailed:
		return verdict{volume.ErrConflict, ""}
	case r.Status == http.StatusTooManyRequests || r.Status == http.StatusRequestEntityTooLarge:
		return verdict{volume.ErrUnavailable, "the cloud limits the rate of calls; it can be repeated later"}
	case r.Status >= 500:
		return verdict{volume.ErrUnavailable, "it can be repeated; the service's log knows more"}
	case r.Status < 400:
		return verdict{volume.ErrUnavailable, "the endpoint in the catalog redirects; correct it there"}
	}
	return verdict{volume.ErrInvalid, ""}
}

// describe turns what a call met into the error its caller sees.
func (s *Session) describe(c Call, err error) error {
	var known *volume.Error
	if errors.As(err, &known) {
		return known
	}
	what := fmt.Sprintf("asking %s of cloud %q to %s", lookUp(c.Service).name, s.cfg.Name, c.Doing)
	r := refusal(err)
	switch {
	case r == nil:
		return s.unanswered(c, what, err)
	case r.Status == http.StatusNotAcceptable:
		missing := &MissingFeature{Service: lookUp(c.Service).name, Microversion: c.Microversion, Says: r.Message}
		return volume.Errorf(volume.ErrInvalid, "%s: %w: %s", what, missing, s.scrub(r.Message))
	}
	r.Message = s.scrub(r.Message)
	v := r.judge()
	e := volume.Errorf(v.kind, "%s: %w", what, r)
	if v.next != "" {
		e.Text += ": " + v.next
	}
	e.Ambiguous = c.changes() && r.Status >= 500 && r.Status != http.StatusNotImplemented
	return e
}

// unanswered describes a call without a usable answer.
func (s *Session) unanswered(c Call, what string, err error) error {
	e := &volume.Error{Kind: volume.ErrUnavailable, Err: err}
	var send *sendError
	var bad *garbled
	switch {
	case errors.As(err, &bad):
		e.Ambiguous = c.changes()
		e.Text = fmt.Sprintf("%s: the answer makes no sense: %s", what, bad.err)
	case errors.As(err, &send):
		e.Ambiguous = c.changes() && send.sent
		e.Text = fmt.Sprintf("%s: no answer: %s", what, s.scrub(reason(send.err)))
	default:
		e.Text = fmt.Sprintf("%s: %s", what, s.scrub(reason(err)))
	}
	if e.Ambiguous {
		e.Text += ": it is not known whether the cloud did it"
	}
	return e
}

func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the time for it was over"
	}
	if errors.Is(err, context.Canceled) {
		return "the caller gave up"
	}
	return err.Error()
}

// garbled is a success whose body is not what was asked for.
type garbled struct{ err error }

func (g *garbled) Error() string { return "unreadable answer: " + g.err.Error() }
func (g *garbled) Unwrap() error { return g.err }
