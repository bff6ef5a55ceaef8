package cinder

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Cinder's messages show values as Python does. repr is Python's, with the keys
// of a dictionary sorted: their order in the request is not kept here.
func repr(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		return pythonBool(v, nil)
	case json.Number:
		return v.String()
	case string:
		return quoted(v)
	case []any:
		parts := make([]string, 0, len(v))
		for _, inner := range v {
			parts = append(parts, repr(inner))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, quoted(key)+": "+repr(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(value)
}

func quoted(text string) string {
	text = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `\'`) + "'"
}

// str is repr, but of a text the text itself.
func str(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return repr(value)
}
