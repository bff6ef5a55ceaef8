package cinder

import (
	"encoding/json"
	"net/http"
	"regexp"
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

// flaw is what is wrong with a value. It names a field of its own when the
// value has parts.
type flaw struct {
	field string
	value any
	text  string
}

// rule checks one value of a body; nil is in order.
type rule func(value any) *flaw

// rules are the properties an object may have.
type rules map[string]rule

// object takes the object under a key out of the body and checks it. Properties
// without a rule are refused unless open.
func (c *call) object(key string, required []string, allowed rules, open bool) (map[string]any, error) {
	if c.list != nil {
		return nil, block.Refuse(http.StatusBadRequest, "%s is not of type 'object'", repr(c.list))
	}
	if _, ok := c.body[key]; !ok {
		return nil, block.Refuse(http.StatusBadRequest, "'%s' is a required property", key)
	}
	for other := range c.body {
		if other != key {
			return nil, block.Refuse(http.StatusBadRequest,
				"Additional properties are not allowed ('%s' was unexpected)", other)
		}
	}
	object, ok := c.body[key].(map[string]any)
	if !ok {
		return nil, invalidField(key, c.body[key], repr(c.body[key])+" is not of type 'object'")
	}
	return object, check(key, object, required, allowed, open)
}

func check(key string, object map[string]any, required []string, allowed rules, open bool) error {
	for _, name := range required {
		if _, ok := object[name]; !ok {
			return invalidField(key, object, "'"+name+"' is a required property")
		}
	}
	for name, value := range object {
		rule, known := allowed[name]
		if !known && !open {
			return invalidField(key, object, "Additional properties are not allowed ('"+name+"' was unexpected)")
		}
		if !known {
			continue
		}
		if wrong := rule(value); wrong != nil && wrong.field != "" {
			return invalidField(wrong.field, wrong.value, wrong.text)
		} else if wrong != nil {
			return invalidField(name, value, wrong.text)
		}
	}
	return nil
}

func invalidField(name string, value any, wrong string) error {
	return block.Refuse(http.StatusBadRequest,
		"Invalid input for field/attribute %s. Value: %s. %s", name, str(value), wrong)
}

func flawed(value any, what string) *flaw { return &flaw{text: repr(value) + " " + what} }

// orNull also accepts null.
func orNull(check rule) rule {
	return func(value any) *flaw {
		if value == nil {
			return nil
		}
		wrong := check(value)
		if wrong != nil && wrong.field == "" && strings.Contains(wrong.text, " is not of type ") {
			wrong.text += ", 'null'"
		}
		return wrong
	}
}

func isText(value any) *flaw {
	if _, ok := value.(string); !ok {
		return flawed(value, "is not of type 'string'")
	}
	return nil
}

// isUUIDOrNull is one of two schemas, and Cinder does not
// say which of them failed.
func isUUIDOrNull(value any) *flaw {
	if value != nil && isUUID(value) != nil {
		return flawed(value, "is not valid under any of the given schemas")
	}
	return nil
}

func isUUID(value any) *flaw {
	text, ok := value.(string)
	if !ok {
		return flawed(value, "is not of type 'string'")
	}
	if _, err := uuid.Parse(text); err != nil {
		return flawed(value, "is not a 'uuid'")
	}
	return nil
}

func isObject(value any) *flaw {
	if _, ok := value.(map[string]any); !ok {
		return flawed(value, "is not of type 'object'")
	}
	return nil
}

func isFilledObject(value any) *flaw {
	if wrong := isObject(value); wrong != nil {
		return wrong
	}
	if len(value.(map[string]any)) == 0 {
		return flawed(value, "does not have enough properties")
	}
	return nil
}

func isBool(value any) *flaw {
	if _, ok := boolean(value); !ok {
		return flawed(value, "is not one of [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', "+
			"'YES', 'Yes', 'yes', 'y', 't', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', "+
			"'NO', 'No', 'no', 'n', 'f']")
	}
	return nil
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

func isMode(value any) *flaw {
	if value != "rw" && value != "ro" {
		return flawed(value, "is not one of ['rw', 'ro']")
	}
	return nil
}

// isSize: a number of GiB, or digits.
func isSize(value any) *flaw {
	digits := regexp.MustCompile(`^[0-9]+$`)
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch {
	case isText && !digits.MatchString(text):
		return flawed(value, "does not match '^[0-9]+$'")
	case isNumber && !digits.MatchString(strings.TrimPrefix(number.String(), "-")), !isText && !isNumber:
		return flawed(value, "is not of type 'integer', 'string'")
	}
	if _, ok := integer(value); ok {
		return nil
	}
	if strings.HasPrefix(str(value), "-") || strings.Trim(str(value), "0") == "" {
		return flawed(value, "is less than the minimum of 1")
	}
	return flawed(value, "is greater than the maximum of "+strconv.Itoa(maxInt))
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

func isMetadata(value any) *flaw {
	object, ok := value.(map[string]any)
	if !ok {
		return flawed(value, "is not of type 'object'")
	}
	keys := regexp.MustCompile(`^[a-zA-Z0-9-_:. /]{1,255}$`)
	for key, v := range object {
		text, ok := v.(string)
		switch {
		case !keys.MatchString(key):
			return flawed(key, "does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'")
		case !ok:
			return &flaw{key, v, repr(v) + " is not of type 'string'"}
		case utf8.RuneCountInString(text) > maxText:
			return &flaw{key, v, repr(v) + " is too long"}
		}
	}
	return nil
}

// tooLong looks at texts that only the code behind the schema bounds.
func tooLong(object map[string]any, names ...string) error {
	for _, name := range names {
		if s := trimmed(object, name, "display_"+name); s != nil && utf8.RuneCountInString(*s) > maxText {
			return block.InvalidInput("%s has %d characters, more than %d.", name, utf8.RuneCountInString(*s), maxText)
		}
	}
	return nil
}
