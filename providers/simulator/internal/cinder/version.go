package cinder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// version is a microversion: the number behind "3.".
type version int

const (
	oldest version = 0
	newest version = 71
)

// Microversions that change something here.
const (
	withBootableStrict  = 2
	withSummary         = 12
	withGroupID         = 13
	withEtags           = 15
	withForceDelete     = 23
	withAttachments     = 27
	withFilterRefusal   = 31
	withSummaryMetadata = 36
	withSnapshotUser    = 41
	withExtendInUse     = 42
	withComplete        = 44
	withCount           = 45
	withSharedTargets   = 48
	withStrictVolume    = 53
	withMode            = 54
	withTimeFilters     = 60
	withClusterName     = 61
	withTypeID          = 63
	withConsumesQuota   = 65
	withSnapshotInUse   = 66
)

const versionHeader = "OpenStack-API-Version"

// versionOf reads the version a request asks for; without any it is the oldest.
// The answer bears the version shown, even one that is too high, or none.
func versionOf(h http.Header) (v version, shown string, err error) {
	header := h.Get(versionHeader)
	if header == "" {
		return oldest, oldest.String(), nil
	}
	for _, part := range strings.Split(header, ",") {
		fields := strings.Fields(part)
		if len(fields) == 2 && fields[0] == "volume" {
			return parseVersion(fields[1])
		}
	}
	return oldest, "", malformed()
}

// malformed is a 400 that does not say why.
func malformed() error {
	return block.Refuse(http.StatusBadRequest,
		"The server could not comply with the request since it is either malformed or otherwise incorrect.")
}

func parseVersion(text string) (v version, shown string, err error) {
	if text == "latest" {
		return newest, newest.String(), nil
	}
	parts := regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`).FindStringSubmatch(text)
	if parts == nil {
		return oldest, "", block.Refuse(http.StatusBadRequest,
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	minor, err := strconv.Atoi(parts[2])
	if err == nil && parts[1] == "3" && version(minor) <= newest {
		return version(minor), text, nil
	}
	if major, err := strconv.Atoi(parts[1]); err != nil || major >= 3 {
		shown = text
	}
	return oldest, shown, block.Refuse(http.StatusNotAcceptable,
		"Version %s is not supported by the API. Minimum is %s and maximum is %s.", text, oldest, newest)
}

// String is the version as the API writes it, such as 3.44.
func (v version) String() string { return fmt.Sprintf("3.%d", int(v)) }

func (v version) has(minor int) bool { return int(v) >= minor }

// mark tells the client which version its answer is of, and gives the request's
// id under its old name too.
func (c *call) mark() {
	h := c.w.Header()
	if !c.bare {
		h.Set("X-Compute-Request-Id", h.Get("X-Openstack-Request-Id"))
	}
	if c.shown != "" {
		h.Set(versionHeader, "volume "+c.shown)
		h.Set("Vary", versionHeader)
	}
}

// Document serves the version document. Unlike the root of a real Cinder it needs
// no project, but like it a token.
func (a *API) Document(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r}
	_, err := a.keystone.Token(r.Header.Get("X-Auth-Token"))
	if err == nil {
		c.version, c.shown, err = versionOf(r.Header)
	}
	if err != nil {
		fail(c, err)
		return
	}
	answer(c, http.StatusOK, map[string]any{"versions": []any{document(r)}})
}

// NotFound answers at an address where nothing is, in the form of Cinder's web
// server and not of its API.
func (a *API) NotFound(w http.ResponseWriter, r *http.Request) {
	_, err := a.keystone.Token(r.Header.Get("X-Auth-Token"))
	if err != nil && strings.HasPrefix(r.URL.Path, "/v3/") {
		keystone.Refuse(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that left is not our concern
		"message": "The resource could not be found.<br /><br />\n\n\n",
		"code":    "404 Not Found", "title": "Not Found",
	})
}

func document(r *http.Request) map[string]any {
	return map[string]any{
		"id": "v3.0", "status": "CURRENT",
		"version": newest.String(), "min_version": oldest.String(),
		"updated": "2025-09-30T00:00:00Z",
		"links":   []map[string]any{{"rel": "self", "href": keystone.BaseURL(r) + "/v3/"}},
		"media-types": []map[string]any{{
			"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3",
		}},
	}
}
