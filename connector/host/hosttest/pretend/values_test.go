package pretend_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// values are the names of one run, and how its answers are made comparable with
// those of another.
type values struct {
	known, numbers map[string]string
	counts         map[string]map[string]string // kind → number as seen → number as counted
	rules          []rule
	other          []replacement
}

// rule finds numbers of one kind: the first group of the pattern.
type rule struct {
	kind    string
	pattern *regexp.Regexp
}

// replacement is what differs and is not counted.
type replacement struct {
	pattern *regexp.Regexp
	by      string
}

func newValues(known map[string]string) *values {
	v := &values{known: map[string]string{}, numbers: map[string]string{}, counts: map[string]map[string]string{},
		other: []replacement{
			{regexp.MustCompile(`^[0-9]+\.[0-9]+ \|`), "@time |"}, // before the complaints of multipath-tools
			{regexp.MustCompile(`hex 00800025[0-9a-f]{72}00`), "hex 00800025@serial"},
			{regexp.MustCompile(`hex 0083[0-9a-f]{4}(01030010[$]WWID).*`), "hex 0083@length$1@more"},
		}}
	for name, value := range known {
		v.known[name] = value
	}
	add := func(kind string, patterns ...string) {
		for _, p := range patterns {
			v.rules = append(v.rules, rule{kind, regexp.MustCompile(p)})
		}
	}
	add("session", `\bsession([0-9]+)\b`, `\bsid: ([0-9]+)`, `\bSID: ([0-9]+)`, `\btcp: \[([0-9]+)\]`, `\bconnection([0-9]+):0`)
	add("host", `\bhost([0-9]+)\b`, `\btarget([0-9]+):0:0\b`, `\b([0-9]+):0:0:[0-9]`, `Host Number: ([0-9]+)`, `\bscsi([0-9]+) `)
	add("disk", `\b(sd[a-z]+)\b`)
	add("sg", `\b(sg[0-9]+)\b`)
	add("map", `\b(dm-[0-9]+)\b`)
	add("number", `\b((?:7|8|25[234]):[0-9]+)\b`)
	add("pid", `(?:pid|PID)[ =]([0-9]+)`)
	return v
}

// number names a number for later statements; in answers it is counted as others.
func (v *values) number(name, value string) { v.numbers[name] = value }

func (v *values) set(name, value string) { v.known[name] = value }

// expand puts the values for $NAME.
func (v *values) expand(text string) string {
	return os.Expand(text, func(name string) string {
		for _, m := range []map[string]string{v.known, v.numbers} {
			if value, ok := m[name]; ok {
				return value
			}
		}
		return "$" + name
	})
}

// normal puts $NAME for the values, longest first, and counts the rest anew.
func (v *values) normal(text string) string {
	names := make([]string, 0, len(v.known))
	for name, value := range v.known {
		if len(value) > 2 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(v.known[b]) - len(v.known[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		text = replaceWhole(text, v.known[name], "$"+name)
	}
	for _, o := range v.other {
		text = o.pattern.ReplaceAllString(text, o.by)
	}
	for _, r := range v.rules {
		text = v.count(r, text)
	}
	return text
}

func (v *values) count(r rule, text string) string {
	seen := v.counts[r.kind]
	if seen == nil {
		seen = map[string]string{}
		v.counts[r.kind] = seen
	}
	var b strings.Builder
	from := 0
	for _, m := range r.pattern.FindAllStringSubmatchIndex(text, -1) {
		value := text[m[2]:m[3]]
		if strings.HasPrefix(value, "@") {
			continue
		}
		if seen[value] == "" {
			seen[value] = fmt.Sprintf("@%s%d", r.kind, len(seen)+1)
		}
		b.WriteString(text[from:m[2]] + seen[value])
		from = m[3]
	}
	return b.String() + text[from:]
}

// replaceWhole puts by for value, a short one only where it stands alone: "8:0"
// is not to be found in "connection18:0".
func replaceWhole(text, value, by string) string {
	if len(value) >= 10 {
		return strings.ReplaceAll(text, value, by)
	}
	alone := func(c byte) bool { return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z') }
	var b strings.Builder
	for {
		i := strings.Index(text, value)
		if i < 0 {
			return b.String() + text
		}
		end := i + len(value)
		b.WriteString(text[:i])
		if (i == 0 || alone(text[i-1])) && (end == len(text) || alone(text[end])) {
			b.WriteString(by)
		} else {
			b.WriteString(value)
		}
		text = text[end:]
	}
}
