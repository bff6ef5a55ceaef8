package cinder

import (
	"context"
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
func versionOf(h http.Header) (version, error) {
	header := h.Get(versionHeader)
	if header == "" {
		return oldest, nil
	}
	for _, part := range strings.Split(header, ",") {
		fields := strings.Fields(part)
		if len(fields) == 2 && fields[0] == "volume" {
			return parseVersion(fields[1])
		}
	}
	return oldest, block.Refuse(http.StatusNotFound, "The resource could not be found.")
}

func parseVersion(text string) (version, error) {
	if text == "latest" {
		return newest, nil
	}
	parts := regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`).FindStringSubmatch(text)
	if parts == nil {
		return oldest, block.Refuse(http.StatusBadRequest,
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	minor, err := strconv.Atoi(parts[2])
	if err != nil || parts[1] != "3" || version(minor) > newest {
		return oldest, block.Refuse(http.StatusNotAcceptable,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", text, oldest, newest)
	}
	return version(minor), nil
}

// String is the version as the API writes it, such as 3.44.
func (v version) String() string { return fmt.Sprintf("3.%d", int(v)) }

func (v version) has(minor int) bool { return int(v) >= minor }

// mark tells the client which version its answer is of.
func (v version) mark(h http.Header) {
	h.Set(versionHeader, "volume "+v.String())
	h.Set("Vary", versionHeader)
}

// Version is the version document of the API.
func Version(r *http.Request) map[string]any {
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

type stickKey struct{}

// WithStick orders that the object which this request changes stays in a state.
func WithStick(ctx context.Context, state string) context.Context {
	return context.WithValue(ctx, stickKey{}, state)
}

func stickOf(ctx context.Context) string {
	state, _ := ctx.Value(stickKey{}).(string)
	return state
}
