package manila

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

// version is a microversion: the number behind "2.".
type version int

const (
	oldest version = 0
	newest version = 89
)

// Microversions that change something here.
const (
	withCount          = 42
	withExports        = 9
	withPreferred      = 14
	withRulesOnError   = 28
	withMessages       = 37
	withRuleMetadata   = 45
	withProgress       = 54
	withRecycleBin     = 69
	withSnapshotMarks  = 73
	withRulesOfFailed  = 74
	withBackups        = 80
	withExportMetadata = 87
)

const versionHeader = "X-Openstack-Manila-Api-Version"

// versionOf reads the version a request asks for; without any it is the oldest.
// The answer bears the version shown, even one that is not supported, or none.
func versionOf(h http.Header) (v version, shown string, err error) {
	text := h.Get(versionHeader)
	switch text {
	case "":
		return oldest, oldest.String(), nil
	case "latest":
		return newest, newest.String(), nil
	}
	parts := regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`).FindStringSubmatch(text)
	if parts == nil {
		return oldest, "", share.Bad("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	minor, err := strconv.Atoi(parts[2])
	if err == nil && parts[1] == "2" && version(minor) <= newest {
		return version(minor), text, nil
	}
	return oldest, text, share.Refuse(http.StatusNotAcceptable,
		"Version %s is not supported by the API. Minimum is %s and maximum is %s.", text, oldest, newest)
}

// String is the version as the API writes it, such as 2.45.
func (v version) String() string { return fmt.Sprintf("2.%d", int(v)) }

func (v version) has(minor int) bool { return int(v) >= minor }

// mark tells the client which version its answer is of.
func (c *call) mark() {
	if c.shown != "" {
		c.w.Header().Set(versionHeader, c.shown)
		c.w.Header().Set("Vary", "X-OpenStack-Manila-API-Version")
	}
}

// document is the version document.
func (a *API) document(c *call) (int, any, error) {
	return http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT", "version": newest.String(), "min_version": oldest.String(), "updated": "2015-08-27T11:33:21Z",
		"links": []any{
			map[string]any{"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
			map[string]any{"rel": "self", "href": keystone.BaseURL(c.r) + Root},
		},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.share+json;version=1"}},
	}}}, nil
}
