package cinder

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

const (
	maxText = 255
	maxInt  = 0x7FFFFFFF
)

// rule checks one value of a body and returns what is wrong with it, or "".
type rule func(value any) string

// rules are the properties an object may have.
type rules map[string]rule

// object takes the object under a key out of the body and checks it. Properties
// without a rule are refused unless open.
func (c *call) object(key string, required []string, allowed rules, open bool) (map[string]any, error) {
	for other := range c.body {
		if other != key {
			return nil, block.Refuse(http.StatusBadRequest,
				"Additional properties are not allowed ('%s' was unexpected)", other)
		}
	}
	object, ok := c.body[key].(map[string]any)
	if !ok {
		return nil, block.Refuse(http.StatusBadRequest, "'%s' is a required property", key)
	}
	for _, name := range required {
		if _, ok := object[name]; !ok {
			return nil, invalidField(key, object, "'"+name+"' is a required property")
		}
	}
	for name, value := range object {
		check, known := allowed[name]
		if !known && !open {
			return nil, invalidField(key, object,
				"Additional properties are not allowed ('"+name+"' was unexpected)")
		}
		if !known {
			continue
		}
		if wrong := check(value); wrong != "" {
			return nil, invalidField(name, value, wrong)
		}
	}
	return object, nil
}

func invalidField(name string, value any, wrong string) error {
	return block.Refuse(http.StatusBadRequest,
		"Invalid input for field/attribute %s. Value: %s. %s", name, show(value), wrong)
}

func show(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

func orNull(check rule) rule {
	return func(value any) string {
		if value == nil {
			return ""
		}
		return check(value)
	}
}

func isText(value any) string {
	text, ok := value.(string)
	if !ok {
		return show(value) + " is not of type 'string'"
	}
	if utf8.RuneCountInString(strings.TrimSpace(text)) > maxText {
		return "has more than 255 characters."
	}
	return ""
}

func isUUID(value any) string {
	text, ok := value.(string)
	if !ok {
		return show(value) + " is not of type 'string'"
	}
	if _, err := uuid.Parse(text); err != nil {
		return show(value) + " is not a 'uuid'"
	}
	return ""
}

func isObject(value any) string {
	if _, ok := value.(map[string]any); !ok {
		return show(value) + " is not of type 'object'"
	}
	return ""
}

func isFilledObject(value any) string {
	if wrong := isObject(value); wrong != "" {
		return wrong
	}
	if len(value.(map[string]any)) == 0 {
		return "{} does not have enough properties"
	}
	return ""
}

func isBool(value any) string {
	if _, ok := boolean(value); !ok {
		return show(value) + " is not one of [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', " +
			"'YES', 'Yes', 'yes', 'y', 't', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', " +
			"'NO', 'No', 'no', 'n', 'f']"
	}
	return ""
}

// boolean reads what the API accepts as a boolean.
func boolean(value any) (is, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "true", "1", "on", "yes", "y", "t":
			return true, true
		case "false", "0", "off", "no", "n", "f":
			return false, true
		}
	}
	return false, false
}

func isMode(value any) string {
	if value != "rw" && value != "ro" {
		return show(value) + " is not one of ['rw', 'ro']"
	}
	return ""
}

func isSize(value any) string {
	if _, ok := integer(value); !ok {
		return show(value) + " is not a positive integer, or does not match '^[0-9]+$'"
	}
	return ""
}

// integer reads a positive integer, given as a number or as a string of digits.
func integer(value any) (int, bool) {
	text, ok := value.(string)
	if number, is := value.(json.Number); is {
		text, ok = number.String(), true
	}
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n >= 1 && n <= maxInt
}

func isMetadata(value any) string {
	object, ok := value.(map[string]any)
	if !ok {
		return show(value) + " is not of type 'object'"
	}
	keys := regexp.MustCompile(`^[a-zA-Z0-9-_:. /]{1,255}$`)
	for key, v := range object {
		text, ok := v.(string)
		switch {
		case !keys.MatchString(key):
			return "'" + key + "' does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'"
		case !ok:
			return show(v) + " is not of type 'string'"
		case utf8.RuneCountInString(text) > maxText:
			return "'" + text + "' is too long"
		}
	}
	return ""
}

func oneOf(allowed ...string) rule {
	return func(value any) string {
		text, ok := value.(string)
		if !ok || !slices.Contains(allowed, strings.ToLower(text)) {
			return show(value) + " is invalid, valid values are: " + strings.Join(allowed, ", ") + "."
		}
		return ""
	}
}

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
