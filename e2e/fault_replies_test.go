package e2e

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

func (c cloudCall) String() string {
	return fmt.Sprintf("%s: %s #%d", c.act, strings.ReplaceAll(c.kind, "/", "|"), c.nth)
}

// met fails the test when the fault of a changing call never came to pass: the
// table would prove nothing. How often is polled varies.
func (s *trial) met(call cloudCall) {
	s.t.Helper()
	if call.method() == "GET" {
		return
	}
	if strings.Contains(string(s.cloud.Admin("GET", "/faults", nil)), `"hits":0`) {
		s.t.Errorf("%v was never made", call)
	}
}

// TestLostReplyOfEveryPost_E6 loses the answer to each changing request of a
// volume's life, after the work was done (lose_reply) and before (drop). The
// operation or its repetition succeeds, there is one volume, formatted once,
// and nothing is left over.
func TestLostReplyOfEveryPost_E6(t *testing.T) {
	t.Parallel()
	calls := learn(t)
	type lost struct {
		do   string
		call cloudCall
	}
	var cases []lost
	for _, do := range []string{"lose_reply", "drop"} {
		for _, c := range calls {
			if c.method() != "GET" {
				cases = append(cases, lost{do, c})
			}
		}
	}
	if len(cases) < 20 {
		t.Fatalf("only %d cases: the recording is not the whole life", len(cases))
	}
	together(t, 4, cases, func(l lost) string { return l.do + " " + l.call.String() }, func(t *testing.T, l lost) {
		s := newTrial(t, simulator.Options{}, nil)
		c := &course{trial: s, name: "vol"}
		c.run(l.call.act, func() {
			if strings.Contains(l.call.kind, "/auth/tokens") {
				s.cloud.Admin("POST", "/expire-tokens", nil)
			}
			s.cloud.Fault(l.call.fault(l.do, nil)...)
		}, func(err error) {
			s.met(l.call)
			s.cloud.Mend()
			if err != nil && !strings.Contains(err.Error(), "vol") {
				t.Errorf("the message does not name the volume: %v", err)
			}
		})
		s.d.Stop()
	})
}

// answers are what a cloud may say instead of working. Those that are passed
// over in silence never show.
type badAnswer struct {
	name   string
	value  any
	silent bool
}

const trouble = "simulated trouble 4711"

func badAnswers() []badAnswer {
	status := func(code int) map[string]any { return map[string]any{"status": code, "message": trouble} }
	limit := status(429)
	limit["retry_after"] = 1
	quota := map[string]any{"status": 413, "message": "VolumeLimitExceeded: " + trouble + ", quota exceeded"}
	return []badAnswer{
		{"500", status(500), false}, {"503", status(503), false}, {"429 with Retry-After", limit, true},
		{"413 quota", quota, false}, {"409", status(409), false}, {"400", status(400), false},
		{"401", status(401), true}, {"404 in HTML", nil, false},
	}
}

// TestEveryCallRefusedOnce_D1: whichever call is refused in whichever way, the
// user is told what was tried and what the cloud said, nothing is left behind,
// and the repetition succeeds. Protocols G 10.
func TestEveryCallRefusedOnce_D1(t *testing.T) {
	t.Parallel()
	calls := learn(t)
	together(t, 8, badAnswers(), func(b badAnswer) string { return b.name }, func(t *testing.T, b badAnswer) {
		s, page := tryBehind(t)
		for i, call := range calls {
			c := &course{trial: s, name: fmt.Sprintf("vol%d", i)}
			c.run(call.act, func() {
				if strings.Contains(call.kind, "/auth/tokens") {
					s.cloud.Admin("POST", "/expire-tokens", nil)
				}
				if b.value == nil {
					page.on(call)
				} else {
					s.cloud.Fault(call.fault("status", b.value)...)
				}
			}, func(err error) {
				if b.value != nil {
					s.met(call)
				}
				page.off()
				s.cloud.Mend()
				judgeText(t, call, b, c.name, err)
			})
		}
		s.d.Stop()
	})
}

func judgeText(t *testing.T, call cloudCall, b badAnswer, name string, err error) {
	t.Helper()
	switch {
	case err == nil:
		return
	case b.silent:
		t.Errorf("%v: %v: %s is no reason to fail", call, err, b.name)
	case b.value != nil && !strings.Contains(err.Error(), trouble):
		t.Errorf("%v: the cloud's words are missing: %v", call, err)
	case !strings.Contains(err.Error(), "cloud \"default\"") || !strings.Contains(err.Error(), name):
		t.Errorf("%v: it is not told what was tried with which volume: %v", call, err)
	}
}

// pageServer stands before the cloud as a load balancer does and answers some
// calls with a page of HTML.
type pageServer struct {
	call  atomic.Pointer[cloudCall]
	seen  atomic.Int32
	proxy *httputil.ReverseProxy
}

func (p *pageServer) on(c cloudCall) { p.seen.Store(0); p.call.Store(&c) }
func (p *pageServer) off()           { p.call.Store(nil) }

func (p *pageServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c := p.call.Load(); c != nil && c.matches(r) && int(p.seen.Add(1)) == c.nth {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<html><body><h1>404 Not Found</h1>The requested volume was not found on this server.</body></html>"))
		return
	}
	p.proxy.ServeHTTP(w, r)
}

// matches tells whether a request is of the call's kind.
func (c cloudCall) matches(r *http.Request) bool {
	method, path, _ := strings.Cut(c.kind, " ")
	pattern := strings.NewReplacer(`\{project\}`, "[^/]+", `\{id\}`, "[^/]+").Replace(regexp.QuoteMeta(path))
	return r.Method == method && regexp.MustCompile("^"+pattern+"$").MatchString(r.URL.Path)
}

// tryBehind is newTrial with a pageServer between daemon and cloud.
func tryBehind(t *testing.T) (*trial, *pageServer) {
	t.Helper()
	rig.NeedRoot(t)
	cloud := rig.NewCloud(t, simulator.Options{})
	clouds, err := os.ReadFile(cloud.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`http://[0-9.:]+`).FindString(string(clouds))
	target, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	page := &pageServer{proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the catalog is made from it
	}}}
	front := serveHTTP(t, page)
	d := rig.NewDaemon(t, cloud, "host-a", quiet())
	file := d.Dir + "/clouds.yaml"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(clouds), direct, front)), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Configure(file, quiet())
	s := &trial{t: t, cloud: cloud, d: d}
	s.start()
	awaitRefresh(t, cloud)
	return s, page
}
