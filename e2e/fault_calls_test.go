package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// cloudCall is the nth request of a kind within an act.
type cloudCall struct {
	act, kind string
	nth       int
}

func (c cloudCall) method() string { m, _, _ := strings.Cut(c.kind, " "); return m }

// fault makes a rule for this very request: the ones before it pass.
func (c cloudCall) fault(do string, value any) []rig.Fault {
	method, path, _ := strings.Cut(c.kind, " ")
	service := "keystone"
	if rest, ok := strings.CutPrefix(path, "/v3/{project}"); ok {
		service, path = "cinder", rest
	}
	path = strings.TrimPrefix(path, "/v3")
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\{id\}`, "[^/]+") + "$"
	rule := rig.Fault{Service: service, Method: method, Path: pattern, Times: 1, Do: do, Value: value}
	if c.nth == 1 {
		return []rig.Fault{rule}
	}
	pass := rule
	pass.Do, pass.Value, pass.Times = "delay", "0s", c.nth-1
	return []rig.Fault{pass, rule}
}

// learn runs one life undisturbed and returns the requests it made, so that a
// new one is in every table without anybody remembering.
func learn(t *testing.T) []cloudCall {
	t.Helper()
	s := newTrial(t, simulator.Options{}, nil)
	c := &course{trial: s, name: "learnt"}
	var calls []cloudCall
	s.cloud.Admin("POST", "/expire-tokens", nil) // so that a token is asked for as well
	for _, a := range c.acts() {
		before := s.cloud.Counters()
		if err := a.do(); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		after := s.cloud.Counters()
		for kind, n := range after {
			for nth := 1; nth <= n-before[kind]; nth++ {
				calls = append(calls, cloudCall{a.name, kind, nth})
			}
		}
	}
	s.clean("learnt")
	s.d.Stop()
	slices.SortFunc(calls, func(a, b cloudCall) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return calls
}

// together runs subtests side by side, n at a time: most of them wait for a
// clock, and not for a processor.
func together[T any](t *testing.T, n int, cases []T, name func(T) string, run func(*testing.T, T)) {
	t.Helper()
	var all sync.WaitGroup
	room := make(chan struct{}, n)
	for _, c := range cases {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			t.Run(name(c), func(t *testing.T) { run(t, c) })
		})
	}
	all.Wait()
}

// serveHTTP serves on a free port until the test ends and returns the address.
func serveHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
