// Package faults makes a simulated service misbehave on demand, and counts what
// it was asked.
package faults

import (
	"encoding/json"
	"regexp"
	"sync"
	"time"
)

// Rule is one standing order to misbehave. Its JSON form is the one that the
// administration endpoint takes and shows.
type Rule struct {
	Service string          `json:"service"`
	Method  string          `json:"method,omitempty"`
	Path    string          `json:"path,omitempty"`
	Times   int             `json:"times"`
	Do      string          `json:"do"`
	Value   json.RawMessage `json:"value,omitempty"`
	Hits    int             `json:"hits"`

	path *regexp.Regexp
	act  Action
}

// Action is what one request must suffer. The zero Action is: nothing.
type Action struct {
	// Do is one of delay, status, drop, blackhole, lose_reply, stick or empty.
	Do string
	// Delay is how long to wait before the work is done (delay).
	Delay time.Duration
	// Status, RetryAfter (seconds, -1 for none) and Message make the answer
	// that replaces the work (status).
	Status     int
	RetryAfter int
	Message    string
	// State is the state the object stays in (stick).
	State string
	// Released is closed when the faults are cleared (blackhole).
	Released <-chan struct{}
}

// Rules is the list of active rules. It may be used concurrently.
type Rules struct {
	mu       sync.Mutex
	list     []*Rule
	released chan struct{}
}

// NewRules returns an empty list.
func NewRules() *Rules { return &Rules{released: make(chan struct{})} }

// Add appends rules that Parse returned.
func (r *Rules) Add(rules []Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range rules {
		r.list = append(r.list, &rules[i])
	}
}

// All returns a copy of the rules in the order they were added. Those used up
// stay, with their hits, until Clear: a test asks whether its fault was met.
func (r *Rules) All() []Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Rule, 0, len(r.list))
	for _, rule := range r.list {
		all = append(all, *rule)
	}
	return all
}

// Clear removes all rules and releases every held request.
func (r *Rules) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
	close(r.released)
	r.released = make(chan struct{})
}

// Take returns what this request must suffer. The first rule that matches
// decides, and one of its times is used up. The path is the one after the
// version and the project.
func (r *Rules) Take(service, method, path string) Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rule := range r.list {
		if rule.usedUp() || !rule.matches(service, method, path) {
			continue
		}
		rule.Hits++
		act := rule.act
		act.Released = r.released
		return act
	}
	return Action{}
}

func (r *Rule) usedUp() bool { return r.Times > 0 && r.Hits >= r.Times }

func (r *Rule) matches(service, method, path string) bool {
	return r.Service == service &&
		(r.Method == "" || r.Method == method) &&
		r.path.MatchString(path)
}
