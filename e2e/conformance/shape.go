package conformance

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// shape is the form of an answer: for each path the kinds of value seen there,
// sorted and joined by a bar. The members of a list are one path.
type shape map[string]string

// envelope are the keys of a connection that come from Cinder itself; the others
// are the storage driver's and differ from one to the next.
func envelope() []string {
	return []string{"driver_volume_type", "attachment_id", "access_mode", "encrypted", "qos_specs", "cacheable",
		"enforce_multipath", "volume_id", "discard"}
}

// shapeOf returns the form of an answer, and apart from it that of the drivers'
// own parts of connections, by kind of connection.
func shapeOf(body any) (whole shape, drivers map[string]shape) {
	whole, drivers = shape{}, map[string]shape{}
	if body != nil {
		measure("", body, whole, drivers)
	}
	return whole, drivers
}

func measure(path string, value any, whole shape, drivers map[string]shape) {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			whole.add(path, "{}")
		}
		for key, inner := range v {
			into := whole
			if strings.HasSuffix(path, "connection_info") && !slices.Contains(envelope(), key) {
				into = driverPart(v, drivers)
			}
			measure(join(path, key), inner, into, drivers)
		}
	case []any:
		if len(v) == 0 {
			whole.add(path, "[]")
		}
		for _, inner := range v {
			measure(path+"[]", inner, whole, drivers)
		}
	default:
		whole.add(path, kind(v))
	}
}

func driverPart(connection map[string]any, drivers map[string]shape) shape {
	kind := text(connection, "driver_volume_type")
	if drivers[kind] == nil {
		drivers[kind] = shape{}
	}
	return drivers[kind]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (s shape) add(path, kind string) {
	kinds := strings.Split(s[path], "|")
	if s[path] == "" {
		kinds = nil
	}
	if !slices.Contains(kinds, kind) {
		kinds = append(kinds, kind)
		slices.Sort(kinds)
	}
	s[path] = strings.Join(kinds, "|")
}

// kind is a value's JSON type, and of a string what it holds.
func kind(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case json.Number:
		return "number"
	case string:
		for _, form := range forms() {
			if form.is.MatchString(v) {
				return form.name
			}
		}
	}
	return "string"
}

type form struct {
	name string
	is   *regexp.Regexp
}

func forms() []form {
	return []form{
		{"uuid", regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)},
		{"id", regexp.MustCompile(`^[0-9a-f]{32}$`)},
		{"time", regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$`)},
		{"time Z", regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$`)},
		{"url", regexp.MustCompile(`^https?://`)},
		{"empty", regexp.MustCompile(`^$`)},
	}
}

// without drops what bears the name of a type made for one run: quotas have keys
// for each type.
func (s shape) without(typeName string) {
	maps.DeleteFunc(s, func(path, _ string) bool { return strings.Contains(path+".", "_"+typeName+".") })
}

// fits tells how a form is not the recorded one. Of several kinds that members
// of a list have, a cloud may show fewer; at the partial places it may show less,
// and at the open ones more.
func (s shape) fits(recorded shape, partial, open []string) []string {
	var all []string
	for path, kinds := range s {
		was, known := recorded[path]
		switch {
		case !known && within(path, open):
		case !known:
			all = append(all, path+" ("+kinds+") is too much")
		case !subset(kinds, was):
			all = append(all, path+" is "+kinds+"; recorded "+was)
		}
	}
	for path, was := range recorded {
		if _, known := s[path]; !known && !within(path, partial) {
			all = append(all, path+" ("+was+") is missing")
		}
	}
	slices.Sort(all)
	return all
}

func subset(kinds, of string) bool {
	for _, kind := range strings.Split(kinds, "|") {
		if !slices.Contains(strings.Split(of, "|"), kind) {
			return false
		}
	}
	return true
}

func within(path string, places []string) bool {
	return slices.ContainsFunc(places, func(place string) bool {
		return place == "" || path == place || strings.HasPrefix(path, place+".") || strings.HasPrefix(path, place+"[]")
	})
}
