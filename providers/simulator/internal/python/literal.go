// Package python reads the literals of Python that OpenStack APIs take as filters.
package python

import (
	"strconv"
	"strings"
)

// Literal reads a literal of Python: a dictionary for metadata,
// a list for alternatives, texts, numbers, truths and None. ok is false for a
// text that is no literal.
func Literal(text string) (value any, ok bool) {
	p := &literalParser{rest: strings.TrimSpace(text)}
	value, ok = p.value()
	return value, ok && strings.TrimSpace(p.rest) == ""
}

type literalParser struct {
	rest string
}

func (p *literalParser) skip(prefix string) bool {
	trimmed := strings.TrimSpace(p.rest)
	if !strings.HasPrefix(trimmed, prefix) {
		return false
	}
	p.rest = trimmed[len(prefix):]
	return true
}

func (p *literalParser) value() (any, bool) {
	p.rest = strings.TrimSpace(p.rest)
	if p.rest == "" {
		return nil, false
	}
	switch p.rest[0] {
	case '{':
		return p.dict()
	case '[':
		return p.list("[", "]")
	case '(':
		return p.list("(", ")")
	case '\'', '"':
		return p.quoted()
	case 'u':
		if len(p.rest) > 1 && strings.ContainsRune(`'"`, rune(p.rest[1])) {
			p.rest = p.rest[1:]
			return p.quoted()
		}
	}
	return p.word()
}

func (p *literalParser) dict() (any, bool) {
	p.skip("{")
	m := map[string]any{}
	for !p.skip("}") {
		key, ok := p.value()
		if !ok || !p.skip(":") {
			return nil, false
		}
		value, ok := p.value()
		name, isText := key.(string)
		if !ok || !isText {
			return nil, false
		}
		m[name] = value
		if !p.skip(",") && !strings.HasPrefix(strings.TrimSpace(p.rest), "}") {
			return nil, false
		}
	}
	return m, true
}

func (p *literalParser) list(open, end string) (any, bool) {
	p.skip(open)
	list := []any{}
	for !p.skip(end) {
		value, ok := p.value()
		if !ok {
			return nil, false
		}
		list = append(list, value)
		if !p.skip(",") && !strings.HasPrefix(strings.TrimSpace(p.rest), end) {
			return nil, false
		}
	}
	return list, true
}

func (p *literalParser) quoted() (any, bool) {
	quote := p.rest[0]
	var out strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch ch := p.rest[i]; {
		case ch == quote:
			p.rest = p.rest[i+1:]
			return out.String(), true
		case ch == '\\' && i+1 < len(p.rest):
			i++
			out.WriteByte(unescape(p.rest[i]))
		default:
			out.WriteByte(ch)
		}
	}
	return nil, false
}

func unescape(ch byte) byte {
	switch ch {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	}
	return ch
}

func (p *literalParser) word() (any, bool) {
	end := strings.IndexAny(p.rest, ",:]}) \t")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "None":
		return nil, true
	case "True":
		return true, true
	case "False":
		return false, true
	}
	n, err := strconv.Atoi(word)
	return n, err == nil
}
