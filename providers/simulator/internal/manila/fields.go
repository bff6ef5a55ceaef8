package manila

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

const timeFormat = "2006-01-02T15:04:05.000000"

func one(key string, value any) map[string]any { return map[string]any{key: value} }

// text returns a string property; nil when it is absent, null, empty or no text,
// for Manila tells these apart nowhere.
func text(object map[string]any, keys ...string) *string {
	for _, key := range keys {
		if s, ok := object[key].(string); ok && s != "" {
			return &s
		}
	}
	return nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// integer reads what Python's int() would.
func integer(value any) (int, bool) {
	switch v := value.(type) {
	case json.Number:
		n, err := strconv.Atoi(v.String())
		return n, err == nil
	case string:
		n, err := strconv.Atoi(strings.TrimSpace(v))
		return n, err == nil
	}
	return 0, false
}

func truth(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true") || v == "1"
	}
	return false
}

// metadata checks pairs as Manila does. What is no text it does not look at
// before it measures it, which each operation then reports in its own way.
func metadata(value any, noText error) (map[string]string, error) {
	object, ok := value.(map[string]any)
	if value != nil && !ok {
		return nil, noText
	}
	m := map[string]string{}
	for key, v := range object {
		s, isText := v.(string)
		switch {
		case key == "":
			return nil, share.Bad("Metadata property key is blank.")
		case utf8.RuneCountInString(key) > 255:
			return nil, share.Bad("Metadata property key is greater than 255 characters.")
		case !isText:
			return nil, noText
		case s == "":
			return nil, share.Bad("Metadata property value is blank.")
		case utf8.RuneCountInString(s) > 1023:
			return nil, share.Bad("Metadata property value is greater than 1023 characters.")
		}
		m[key] = s
	}
	return m, nil
}

func tooLong(object map[string]any, keys ...string) error {
	for _, key := range keys {
		if s := text(object, key); s != nil && utf8.RuneCountInString(*s) > 255 {
			return share.Bad("Invalid input received: %s can only be 255 characters long.", key)
		}
	}
	return nil
}

// moment is a time in the API's form, or null.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.Format(timeFormat)
	return &text
}

func links(c *call, collection, id string) []map[string]string {
	base := keystone.BaseURL(c.r)
	return []map[string]string{
		{"rel": "self", "href": base + Root + collection + "/" + id},
		{"rel": "bookmark", "href": base + "/" + collection + "/" + id},
	}
}

func filled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
