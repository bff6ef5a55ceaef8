package nova

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// version is a microversion: the number behind "2.".
type version int

const (
	oldest version = 1
	newest version = 100
)

// Microversions that change something here.
const (
	withMultiattach = 60
	withTags        = 70
	withTermination = 79
	withoutID       = 89
)

const (
	versionHeader    = "OpenStack-API-Version"
	oldVersionHeader = "X-OpenStack-Nova-API-Version"
)

func (v version) has(minor int) bool { return int(v) >= minor }

// String is the version as the API writes it, such as 2.60.
func (v version) String() string { return fmt.Sprintf("2.%d", int(v)) }

// versionOf reads the version a request asks for, by either header; without any
// it is the oldest.
func versionOf(h http.Header) (v version, shown string, err error) {
	text := h.Get(oldVersionHeader)
	for part := range strings.SplitSeq(h.Get(versionHeader), ",") {
		if fields := strings.Fields(part); len(fields) == 2 && fields[0] == "compute" {
			text = fields[1]
		}
	}
	switch text {
	case "":
		return oldest, oldest.String(), nil
	case "latest":
		return newest, newest.String(), nil
	}
	parts := regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`).FindStringSubmatch(text)
	if parts == nil {
		return oldest, "", block.Refuse(http.StatusBadRequest, "API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	minor, err := strconv.Atoi(parts[2])
	if err != nil || parts[1] != "2" || version(minor) < oldest || version(minor) > newest {
		return oldest, text, block.Refuse(http.StatusNotAcceptable,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", text, oldest, newest)
	}
	return version(minor), text, nil
}

// mark tells the client which version its answer is of, under both names, and
// gives the request's id under its old name too.
func (c *call) mark() {
	h := c.w.Header()
	h.Set("X-Compute-Request-Id", h.Get("X-Openstack-Request-Id"))
	if c.shown == "" {
		return
	}
	h.Set(versionHeader, "compute "+c.shown)
	h.Set(oldVersionHeader, c.shown)
	h.Set("Vary", versionHeader+", "+oldVersionHeader)
}

func (a *API) document(c *call) (int, any, error) {
	return http.StatusOK, one("version", map[string]any{
		"id": "v2.1", "status": "CURRENT", "version": newest.String(), "min_version": oldest.String(), "updated": "2013-07-23T11:33:21Z",
		"links": []map[string]any{
			{"rel": "self", "href": keystone.BaseURL(c.r) + Root},
			{"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
		},
		"media-types": []map[string]any{{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}},
	}), nil
}

func one(name string, view any) map[string]any { return map[string]any{name: view} }
