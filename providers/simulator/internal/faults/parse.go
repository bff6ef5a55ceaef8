package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Parse reads a JSON list of rules. Its errors name the rule's place in the
// list, the field, the value found and what is allowed.
func Parse(body []byte) ([]Rule, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var rules []Rule
	if err := dec.Decode(&rules); err != nil {
		return nil, fmt.Errorf("body: %w; allowed: a JSON list of objects with service, method, path, times, do, value", err)
	}
	for i := range rules {
		if err := rules[i].compile(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
	}
	return rules, nil
}

func (r *Rule) compile() error {
	r.Hits = 0
	if err := oneOf("service", r.Service, "cinder", "keystone", "manila", "nova"); err != nil {
		return err
	}
	r.Method = strings.ToUpper(r.Method)
	if err := oneOf("method", r.Method, "", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"); err != nil {
		return err
	}
	if r.Times < 0 {
		return fmt.Errorf("times: %d; allowed: 0 (until cleared) or more", r.Times)
	}
	path, err := regexp.Compile(r.Path)
	if err != nil {
		return fmt.Errorf("path: %q; allowed: a regular expression: %w", r.Path, err)
	}
	r.path = path
	r.act = Action{Do: r.Do, RetryAfter: -1}
	return r.compileValue()
}

func (r *Rule) compileValue() error {
	switch r.Do {
	case "delay":
		return r.compileDelay()
	case "status":
		return r.compileStatus()
	case "stick":
		if json.Unmarshal(r.Value, &r.act.State) != nil || r.act.State == "" {
			return r.badValue(`a state such as "creating"`)
		}
		return nil
	}
	return oneOf("do", r.Do, "delay", "status", "drop", "blackhole", "lose_reply", "stick")
}

func (r *Rule) compileDelay() error {
	var text string
	if json.Unmarshal(r.Value, &text) == nil {
		delay, err := time.ParseDuration(text)
		if err != nil || delay < 0 {
			return r.badValue(`a duration such as "1.5s"`)
		}
		r.act.Delay = delay
		return nil
	}
	var seconds float64
	if json.Unmarshal(r.Value, &seconds) != nil || seconds < 0 {
		return r.badValue(`a duration such as "1.5s" or a number of seconds`)
	}
	r.act.Delay = time.Duration(seconds * float64(time.Second))
	return nil
}

func (r *Rule) compileStatus() error {
	detail := struct {
		Status     int    `json:"status"`
		RetryAfter *int   `json:"retry_after"`
		Message    string `json:"message"`
	}{}
	if json.Unmarshal(r.Value, &detail.Status) != nil {
		dec := json.NewDecoder(bytes.NewReader(r.Value))
		dec.DisallowUnknownFields()
		if dec.Decode(&detail) != nil {
			return r.badValue(`a status from 400 to 599, or {"status": 429, "retry_after": 1, "message": "..."}`)
		}
	}
	if detail.Status < 400 || detail.Status > 599 {
		return r.badValue("a status from 400 to 599")
	}
	r.act.Status, r.act.Message = detail.Status, detail.Message
	if detail.RetryAfter != nil {
		r.act.RetryAfter = *detail.RetryAfter
	}
	return nil
}

func (r *Rule) badValue(allowed string) error {
	return fmt.Errorf("value: %s; allowed with do %q: %s", string(r.Value), r.Do, allowed)
}

func oneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q; allowed: %s", field, value, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
}
