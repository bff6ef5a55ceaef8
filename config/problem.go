package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one thing wrong with a configuration. Load and Check join all
// they find into one error: errors.As finds the first.
type Problem struct {
	File  string // "" when the configuration did not come from a file
	Line  int    // 1 is the first; 0 when unknown or when a default is the cause
	Key   string // section and key: "plugin.refresh"; "" for the file as a whole
	Value string // as written; "" when there is none or it is not for display
	Text  string // what is wrong and what is allowed
}

func (p Problem) Error() string {
	var where string
	if p.File != "" {
		where = p.File + ": "
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d: ", p.File, p.Line)
		}
	}
	if p.Key != "" {
		where += p.Key
		if p.Value != "" {
			where += " = " + p.Value
		}
		where += ": "
	}
	return where + p.Text
}

// join makes one error of all problems, in the order of their lines.
func join(problems []Problem) error {
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	var errs []error
	for _, p := range problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// display shows a value as it was written, as far as a message needs it.
func display(value any) string {
	text := fmt.Sprint(value)
	switch v := value.(type) {
	case string:
		text = fmt.Sprintf("%q", v)
	case Duration:
		text = fmt.Sprintf("%q", v.String())
	case []string:
		text = "[" + quotedList(v) + "]"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, display(item))
		}
		text = "[" + strings.Join(items, ", ") + "]"
	case map[string]any, []map[string]any:
		text = "{…}"
	}
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return text
}

func quotedList(words []string) string {
	var items []string
	for _, w := range words {
		items = append(items, fmt.Sprintf("%q", w))
	}
	return strings.Join(items, ", ")
}

// lineOf finds the line of a dotted key in TOML text. The decoder does not tell
// where a key was, so the text is scanned: section headers, dotted and quoted
// keys, and inline tables by the line they start on. 0 is not found.
func lineOf(text, key string) int {
	header := regexp.MustCompile(`^\[\[?([^\[\]]+)\]\]?\s*(#.*)?$`)
	section, open, found := "", "", 0
	for i, line := range strings.Split(text, "\n") {
		inside := open != ""
		open = openString(line, open)
		line = strings.TrimSpace(line)
		if inside || line == "" || line[0] == '#' {
			continue
		}
		path := ""
		if match := header.FindStringSubmatch(line); match != nil {
			section = plainKey(match[1])
			path = section
		} else if name, _, ok := strings.Cut(line, "="); ok {
			path = strings.TrimPrefix(section+"."+plainKey(name), ".")
		}
		if path == key {
			return i + 1
		}
		if path != "" && strings.HasPrefix(key, path+".") {
			found = i + 1 // the section, or the inline table
		}
	}
	return found
}

// openString returns the delimiter of the multi-line string that is open after
// the line, given the one before it.
func openString(line, open string) string {
	for line != "" {
		switch {
		case open != "" && strings.HasPrefix(line, open):
			line, open = line[3:], ""
		case open == "" && (strings.HasPrefix(line, `"""`) || strings.HasPrefix(line, "'''")):
			line, open = line[3:], line[:3]
		case open == "" && line[0] == '#':
			return ""
		default:
			line = line[1:]
		}
	}
	return open
}

// plainKey takes spaces and quotes off the parts of a dotted key.
func plainKey(key string) string {
	parts := strings.Split(key, ".")
	for i := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(parts[i]), `"'`)
	}
	return strings.Join(parts, ".")
}

// nearest returns the word with the fewest edits, "" when none is near.
func nearest(word string, words []string) string {
	found, least := "", 1+max(1, (min(len(word), 40)+2)/3)
	for _, w := range words {
		if d := edits(strings.ToLower(word), strings.ToLower(w)); d < least {
			found, least = w, d
		}
	}
	return found
}

// edits counts the bytes to insert, delete or replace.
func edits(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
