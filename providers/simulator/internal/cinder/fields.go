package cinder

import "strings"

// text returns a string property that was checked before; nil when it is absent
// or null.
func text(object map[string]any, key string) *string {
	if s, ok := object[key].(string); ok {
		return &s
	}
	return nil
}

// trimmed is text without the white space around it.
func trimmed(object map[string]any, keys ...string) *string {
	for _, key := range keys {
		if s := text(object, key); s != nil {
			t := strings.TrimSpace(*s)
			return &t
		}
	}
	return nil
}

// metadata returns a metadata property that was checked before, never nil.
func metadata(value any) map[string]string {
	m := map[string]string{}
	object, _ := value.(map[string]any)
	for key, v := range object {
		m[key], _ = v.(string)
	}
	return m
}
