package conformance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// at finds a value in an answer: keys and places in lists, joined by dots. A
// last # is the length of a list.
func at(body any, path string) (value any, found bool) {
	for _, step := range strings.Split(path, ".") {
		switch v := body.(type) {
		case map[string]any:
			if body, found = v[step]; !found {
				return nil, false
			}
		case []any:
			if step == "#" {
				return len(v), true
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			body = v[i]
		default:
			return nil, false
		}
	}
	return body, true
}

func text(body any, path string) string {
	value, _ := at(body, path)
	s, _ := value.(string)
	return s
}

func size(body any, path string) int {
	n, _ := at(body, path+".#")
	i, _ := n.(int)
	return i
}

// fill replaces the variables in a text. One that is not known is an error: an
// earlier case failed to keep it.
func fill(template string, vars map[string]string) (string, error) {
	var missing []string
	filled := regexp.MustCompile(`<[a-z0-9.]+>`).ReplaceAllStringFunc(template, func(name string) string {
		value, ok := vars[strings.Trim(name, "<>")]
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if missing != nil {
		return "", fmt.Errorf("nothing is known as %s", strings.Join(missing, ", "))
	}
	return filled, nil
}

// differs tells how a value is not as wanted, or "".
func differs(body any, path string, want any, vars map[string]string) string {
	value, found := at(body, path)
	template, is := want.(string)
	if !is {
		if want == nil && found && value == nil || found && want != nil && fmt.Sprint(value) == fmt.Sprint(want) {
			return ""
		}
		return wrong(path, value, found, fmt.Sprint(want))
	}
	wanted, err := fill(template, vars)
	if err != nil {
		return err.Error()
	}
	has := fmt.Sprint(value)
	switch not, negated := strings.CutPrefix(wanted, "!"); {
	case negated && found && value != nil && has != not:
	case wanted == "*" && found && value != nil:
	case wanted == "absent" && !found:
	case !negated && found && value != nil && has == wanted:
	default:
		return wrong(path, value, found, wanted)
	}
	return ""
}

func wrong(path string, value any, found bool, want string) string {
	if !found {
		return fmt.Sprintf("%s is not there; want %s", path, want)
	}
	return fmt.Sprintf("%s is %v; want %s", path, value, want)
}
