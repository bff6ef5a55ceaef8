package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Answer is what is kept of an answer: nothing that changes from run to run.
type Answer struct {
	Status  int               `json:"status"`
	Header  map[string]string `json:"header,omitempty"`
	Message string            `json:"message,omitempty"`
	Shape   shape             `json:"shape,omitempty"`
	Values  map[string]string `json:"values,omitempty"`
	// Driver is the storage driver's own part of connections, by kind of
	// connection.
	Driver map[string]shape `json:"driver,omitempty"`
}

// book is the recorded answers of one story.
type book struct {
	name    string
	Answers map[string]*Answer `json:"answers"`
}

func openBook(story string) (*book, error) {
	b := &book{name: story}
	raw, err := os.ReadFile(b.path())
	if err != nil {
		return b, fmt.Errorf("%w: record it from a real cloud", err)
	}
	if err := json.Unmarshal(raw, b); err != nil {
		return b, fmt.Errorf("%s: %w", b.path(), err)
	}
	return b, nil
}

func (b *book) path() string { return filepath.Join("testdata", b.name+".json") }

func (b *book) empty() *book { return &book{name: b.name, Answers: map[string]*Answer{}} }

func (b *book) save() error {
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.path(), append(raw, '\n'), 0o644)
}

// described are the headers that are kept.
func described() []string {
	return []string{"Content-Type", "Etag", "Location", "Openstack-Api-Version", "Retry-After", "Vary",
		"Www-Authenticate", "X-Compute-Request-Id", "X-Openstack-Manila-Api-Version", "X-Openstack-Request-Id", "X-Subject-Token"}
}

func describe(r reply, c Case, vars map[string]string) *Answer {
	a := &Answer{Status: r.status, Header: map[string]string{}, Values: map[string]string{}}
	for _, name := range described() {
		value := r.header.Get(name)
		if value != "" && (name != "Content-Type" || len(r.raw) > 0) { // the type of nothing says nothing
			a.Header[name] = headerForm(name, value)
		}
	}
	a.Shape, a.Driver = shapeOf(r.body)
	a.Shape.without(vars["multi"])
	if r.body == nil && len(r.raw) > 0 {
		a.Message = "no JSON: " + http.DetectContentType(r.raw)
	}
	if r.status >= http.StatusBadRequest && r.body != nil {
		a.Message = masked(message(r.body), vars)
	}
	for path, want := range c.Want {
		if a.Values[path] = fmt.Sprint(want); differs(r.body, path, want, vars) != "" {
			value, _ := at(r.body, path)
			a.Values[path] = masked(fmt.Sprint(value), vars)
		}
	}
	return a
}

// message is the text of a fault, in the form of any service.
func message(body any) string {
	object, _ := body.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if s := text(object[key], "message"); s != "" {
			return s
		}
	}
	return text(body, "message")
}

// headerForm keeps of a header what is the same in each run.
func headerForm(name, value string) string {
	switch {
	case strings.HasSuffix(name, "Request-Id"):
		return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(value, "ID")
	case name == "X-Subject-Token", name == "Etag":
		return "*"
	}
	return regexp.MustCompile(`https?://[^/"]+`).ReplaceAllString(value, "ADDRESS")
}

// masked replaces what differs between clouds and runs: names of types, ids,
// times, addresses and what a project has used up.
func masked(s string, vars map[string]string) string {
	for _, name := range []string{"letters256", "letters255", "multi", "sharetype", "type"} {
		if vars[name] == "" {
			continue
		}
		s = regexp.MustCompile(`\b`+regexp.QuoteMeta(vars[name])+`\b`).ReplaceAllString(s, "<"+name+">")
	}
	s = regexp.MustCompile(`\d+G has been consumed`).ReplaceAllString(s, "some has been consumed")
	for _, form := range []string{`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, `[0-9a-f]{32}`} {
		s = regexp.MustCompile(form).ReplaceAllString(s, "ID")
	}
	s = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z?`).ReplaceAllString(s, "TIME")
	return regexp.MustCompile(`https?://[^/"]+`).ReplaceAllString(s, "ADDRESS")
}

// compare tells how an answer is not the recorded one. At the open places it may
// say more.
func (a *Answer) compare(recorded *Answer, c Case, open []string) []string {
	if recorded == nil {
		return []string{"nothing is recorded: record it from a real cloud"}
	}
	var all []string
	if a.Status != recorded.Status {
		all = append(all, fmt.Sprintf("status %d; recorded %d", a.Status, recorded.Status))
	}
	if a.Message != recorded.Message && c.Loose == "" {
		all = append(all, fmt.Sprintf("message\n  %s; recorded\n  %s", a.Message, recorded.Message))
	}
	all = append(all, pairs("header", a.Header, recorded.Header)...)
	all = append(all, pairs("value", a.Values, recorded.Values)...)
	all = append(all, a.Shape.fits(recorded.Shape, c.Partial, open)...)
	for kind, own := range a.Driver {
		if was, known := recorded.Driver[kind]; known {
			all = append(all, own.fits(was, nil, nil)...)
		}
	}
	return all
}

func pairs(what string, has, recorded map[string]string) []string {
	names := maps.Clone(recorded)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, has)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if has[name] != recorded[name] {
			all = append(all, fmt.Sprintf("%s %s is %q; recorded %q", what, name, has[name], recorded[name]))
		}
	}
	return all
}
