package cinder

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/python"
)

// keep tells whether a volume passes a filter.
type keep func(*block.Volume) bool

// volumeFilters takes the filters out of a query. The exact name is returned
// apart, because an index answers it. A filter that cannot match anything keeps
// nothing, which is not an error.
func (c *call) volumeFilters(query url.Values) (name *string, all []keep, err error) {
	if !c.version.has(withTimeFilters) {
		query.Del("created_at")
		query.Del("updated_at")
	}
	err = c.dropFilters(query, "name", "status", "metadata", "bootable", "migration_status",
		"availability_zone", "group_id", "size", "created_at", "updated_at", "consumes_quota")
	if err != nil {
		return nil, nil, err
	}
	for key := range query {
		value := query.Get(key)
		if key == "name" {
			name = &value
			continue
		}
		if key == "all_tenants" {
			continue
		}
		one, err := c.volumeFilter(key, value)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	return name, all, nil
}

func (c *call) volumeFilter(key, value string) (keep, error) {
	switch key {
	case "created_at":
		return timeFilter(value, func(v *block.Volume) time.Time { return v.Created })
	case "updated_at":
		return timeFilter(value, func(v *block.Volume) time.Time { return v.Updated })
	case "metadata":
		return metadataFilter(value), nil
	case "bootable", "consumes_quota":
		is, ok := boolean(value)
		if !ok && c.version.has(withBootableStrict) {
			return nil, block.InvalidInput("'%s = %s'", key, value)
		}
		return func(v *block.Volume) bool { return (key == "bootable" && v.Bootable || key != "bootable") == is }, nil
	}
	return equalFilter(key, value), nil
}

// equalFilter compares a column with a value, or with any of a list.
func equalFilter(key, value string) keep {
	wanted := []any{value}
	if parsed, ok := python.Literal(value); ok {
		wanted = []any{parsed}
		if list, is := parsed.([]any); is {
			wanted = list
		}
	}
	texts := make([]string, 0, len(wanted))
	for _, w := range wanted {
		texts = append(texts, fmt.Sprint(w))
	}
	return func(v *block.Volume) bool {
		actual, known := column(v, key)
		return known && slices.Contains(texts, actual)
	}
}

// column returns a column's value as a text; an empty one stands for null.
func column(v *block.Volume, key string) (value string, known bool) {
	switch key {
	case "id":
		return v.ID, true
	case "name", "display_name":
		return orEmpty(v.Name), true
	case "status":
		return v.Status, true
	case "size":
		return fmt.Sprint(v.Size), true
	case "availability_zone":
		return v.Zone, true
	case "project_id":
		return v.Project, true
	case "user_id":
		return v.User, true
	case "attach_status":
		return v.AttachStatus, true
	case "host":
		return block.Host, true
	case "migration_status", "group_id":
		return "", true
	}
	return "", false
}

// metadataFilter keeps volumes that have all the pairs of a dictionary; what is
// no dictionary matches nothing.
func metadataFilter(value string) keep {
	parsed, _ := python.Literal(value)
	pairs, ok := parsed.(map[string]any)
	if !ok {
		return func(*block.Volume) bool { return false }
	}
	return func(v *block.Volume) bool {
		for key, want := range pairs {
			if has, ok := v.Metadata[key]; !ok || has != fmt.Sprint(want) {
				return false
			}
		}
		return true
	}
}

// timeFilter reads comparisons joined by commas. Several are alternatives, not
// conditions: Cinder joins them by OR. A time that was never set matches none.
func timeFilter(value string, of func(*block.Volume) time.Time) (keep, error) {
	var any []func(time.Time) bool
	for _, part := range strings.Split(value, ",") {
		operator, text, _ := strings.Cut(part, ":")
		if !slices.Contains([]string{"gt", "gte", "eq", "neq", "lt", "lte"}, operator) {
			return nil, block.Refuse(http.StatusBadRequest, "Invalid %s operator", operator)
		}
		at, err := parseTime(text)
		if err != nil {
			return nil, block.Refuse(http.StatusBadRequest, "Invalid %s value", text)
		}
		any = append(any, func(t time.Time) bool { return compares(operator, t.Compare(at)) })
	}
	return func(v *block.Volume) bool {
		t := of(v)
		return !t.IsZero() && slices.ContainsFunc(any, func(match func(time.Time) bool) bool { return match(t) })
	}, nil
}

func compares(operator string, order int) bool {
	switch operator {
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "eq":
		return order == 0
	case "neq":
		return order != 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

// parseTime reads an ISO 8601 time; without a zone it is UTC. A space stands
// for the plus sign of a zone that was not escaped.
func parseTime(text string) (time.Time, error) {
	text = strings.Replace(text, " ", "+", 1)
	layouts := []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05",
		"2006-01-02T15:04", "2006-01-02+15:04:05", "2006-01-02"}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is not in ISO 8601 form", text)
}
