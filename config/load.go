package config

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads and checks the file. A failure lists every problem with file,
// line, key, value and what is allowed; errors.As finds a Problem in it. A
// missing file is fs.ErrNotExist.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Config{}, fmt.Errorf("there is no configuration file %s: make one with \"fuxi config sample > %s\" and set its [cloud] section (%w)", path, path, fs.ErrNotExist)
	case err != nil:
		return Config{}, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	return decode(path, string(text))
}

func decode(file, text string) (Config, error) {
	var tables map[string]any
	if _, err := toml.Decode(text, &tables); err != nil {
		return Config{}, syntaxProblem(file, err)
	}
	c := unsetDefaults()
	d := decoder{file: file, text: text, written: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		d.section(&c, name, tables[name])
	}
	c.derive()
	d.addChecks(c.problems())
	if len(d.problems) > 0 {
		return Config{}, join(d.problems)
	}
	return c, nil
}

func syntaxProblem(file string, err error) error {
	p := Problem{File: file, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		p.Line, p.Text = parse.Position.Line, "not TOML: "+parse.Message
	}
	return p
}

// decoder puts tables into a Config and collects what does not fit.
type decoder struct {
	file, text string
	written    map[string]string // values by key, for messages
	problems   []Problem
}

// addChecks adds what Check found. A key that could not be read has its default
// and its own problem.
func (d *decoder) addChecks(found []Problem) {
	unread := slices.Clone(d.problems)
	for _, p := range found {
		p.File, p.Line = d.file, lineOf(d.text, p.Key)
		if text, ok := d.written[p.Key]; ok {
			p.Value = text
		}
		if !slices.ContainsFunc(unread, func(q Problem) bool { return q.Key == p.Key }) {
			d.problems = append(d.problems, p)
		}
	}
}

func (d *decoder) add(key, value, text string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: lineOf(d.text, key), Key: key, Value: value, Text: text})
}

func (d *decoder) section(c *Config, name string, value any) {
	fields := settings(c)
	section, known := fields[name]
	if !known {
		d.add(name, "", unknownSection(name, fields))
		return
	}
	table, ok := value.(map[string]any)
	if !ok {
		d.add(name, display(value), "must be a section: ["+name+"]")
		return
	}
	if name == "cloud" {
		d.cloud(c, table)
		return
	}
	d.keys(name, table, section)
}

// cloud takes [cloud], or the one [cloud.NAME].
func (d *decoder) cloud(c *Config, table map[string]any) {
	named := map[string]map[string]any{}
	for key, value := range table {
		if sub, ok := value.(map[string]any); ok && settings(&c.Cloud)[key] == nil {
			named[key] = sub
		}
	}
	if len(named) == 0 {
		d.keys("cloud", table, &c.Cloud)
		return
	}
	names := slices.Sorted(maps.Keys(named))
	if len(named) != len(table) {
		d.add("cloud", "", fmt.Sprintf("keys of [cloud] and a section [cloud.%s] exclude each other: put the keys into the section", names[0]))
	}
	for _, name := range names[1:] {
		d.add("cloud."+name, "", fmt.Sprintf("only one cloud is supported yet, and [cloud.%s] is there already", names[0]))
	}
	c.Cloud.Name = names[0]
	d.keys("cloud."+names[0], named[names[0]], &c.Cloud)
}

// keys sets the fields of one section.
func (d *decoder) keys(section string, table map[string]any, into any) {
	fields := settings(into)
	for _, key := range slices.Sorted(maps.Keys(table)) {
		full := section + "." + key
		field, known := fields[key]
		if !known {
			d.add(full, "", unknownKey(section, key, fields))
			continue
		}
		d.written[full] = display(table[key])
		if problem := assign(field, table[key]); problem != "" {
			d.add(full, d.written[full], problem)
		}
	}
}

// settings maps TOML keys to pointers to the fields of a struct.
func settings(section any) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(section).Elem()
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("toml"); key != "-" {
			fields[key] = v.Field(i).Addr().Interface()
		}
	}
	return fields
}

// assign sets one field and returns what is wrong with the value.
func assign(field, value any) string {
	ok, must := false, ""
	switch f := field.(type) {
	case encoding.TextUnmarshaler:
		if _, number := value.(int64); !number {
			if _, text := value.(string); !text {
				return `must be a time such as "500ms", "10s", "3m" or "1h"`
			}
		}
		if err := f.UnmarshalText([]byte(fmt.Sprint(value))); err != nil {
			return err.Error()
		}
		return ""
	case *string:
		must = `must be a text in quotes`
		*f, ok = keep(value, *f)
	case *bool:
		must = "must be true or false, without quotes"
		*f, ok = keep(value, *f)
	case *int:
		must = "must be a whole number, without quotes and unit"
		n := int64(*f)
		n, ok = keep(value, n)
		*f = int(n)
	case *[]string:
		must = `must be a list of texts, such as ["a", "b"]`
		ok = assignList(f, value)
	}
	if ok {
		return ""
	}
	return must
}

// keep returns the value if it has the right type, else what was there.
func keep[T any](value any, before T) (T, bool) {
	if v, ok := value.(T); ok {
		return v, true
	}
	return before, false
}

func assignList(field *[]string, value any) bool {
	items, ok := value.([]any)
	list := []string{}
	for _, item := range items {
		text, isText := item.(string)
		ok = ok && isText
		list = append(list, text)
	}
	if ok {
		*field = list
	}
	return ok
}
