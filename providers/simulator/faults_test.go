package simulator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/simulator"
)

func (s *server) counters() map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	if err := json.Unmarshal(s.admin("GET", "/counters", nil).Raw, &counts); err != nil {
		s.t.Fatal(err)
	}
	return counts
}

func TestCounters(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	id := u.create(object{})
	u.attach(id, "h1")
	u.admin("DELETE", "/counters", nil)
	u.do("GET", "/volumes/detail?limit=1", nil)
	u.do("GET", "/volumes/"+id, nil)
	u.do("GET", "/volumes/not-an-id", nil)
	u.do("DELETE", "/volumes/"+id+"/metadata/fuxi:formatting", nil)
	u.do("PUT", "/volumes/"+id+"/metadata", object{"metadata": object{}})
	u.do("POST", "/attachments/"+id+"/action", object{"os-complete": object{}})
	u.faults(`[{"service":"cinder","method":"PUT","path":"^/attachments/","times":1,"do":"status","value":503}]`)
	u.do("PUT", "/attachments/"+id, connector("h1"))
	u.do("GET", "/nothing", nil)
	want := map[string]int{
		"GET /v3/{project}/volumes/detail":                 1,
		"GET /v3/{project}/volumes/{id}":                   2,
		"DELETE /v3/{project}/volumes/{id}/metadata/{key}": 1,
		"PUT /v3/{project}/volumes/{id}/metadata":          1,
		"POST /v3/{project}/attachments/{id}/action":       1,
		"PUT /v3/{project}/attachments/{id}":               1,
		"GET /v3/" + u.project + "/nothing":                1,
	}
	got := u.counters()
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%s: %d; want %d", kind, got[kind], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("counters: %v", got)
	}
}

func TestFaultStatus(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	u.faults(`[{"service":"cinder","method":"POST","path":"^/volumes$","times":2,"do":"status",
		"value":{"status":429,"retry_after":7,"message":"slow down"}}]`)
	for range 2 {
		r := u.want(429, "POST", "/volumes", object{"volume": object{"size": 1}})
		if r.Header.Get("Retry-After") != "7" || r.at("overLimit", "message") != "slow down" {
			t.Errorf("fault: %v %s", r.Header, r.Raw)
		}
	}
	if r := u.want(200, "GET", "/volumes", nil); len(names(r)) != 0 {
		t.Error("a faulted request must not do its work")
	}
	u.create(object{})
	if r := u.admin("GET", "/faults", nil); !strings.Contains(string(r.Raw), `"hits":2`) {
		t.Errorf("faults: %s", r.Raw)
	}
	u.faults(`[{"service":"keystone","path":"^/auth/tokens$","times":0,"do":"status","value":503}]`)
	for range 2 {
		if r, err := u.send("POST", "/v3/auth/tokens", nil, u.passwordAuth("sim")); err != nil || r.Status != 503 {
			t.Errorf("keystone: %v, %d %s", err, r.Status, r.Raw)
		}
	}
	u.admin("DELETE", "/faults", nil)
	u.login("sim")
}

func TestFaultDelay(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	u.faults(`[{"service":"cinder","path":"^/volumes","times":1,"do":"delay","value":"80ms"},
		{"service":"cinder","path":"^/volumes","times":1,"do":"delay","value":0.08}]`)
	for range 2 {
		began := time.Now()
		u.want(200, "GET", "/volumes", nil)
		if took := time.Since(began); took < 80*time.Millisecond {
			t.Errorf("took %v", took)
		}
	}
}

func TestFaultDropAndLostReply(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	make := object{"volume": object{"size": 1, "name": "x"}}
	u.faults(`[{"service":"cinder","method":"POST","path":"^/volumes$","times":1,"do":"drop"}]`)
	if _, err := u.try("POST", "/volumes", make); err == nil {
		t.Error("drop: an answer came")
	}
	if r := u.want(200, "GET", "/volumes?name=x", nil); len(names(r)) != 0 {
		t.Error("drop: the work was done")
	}
	u.faults(`[{"service":"cinder","method":"POST","path":"^/volumes$","times":1,"do":"lose_reply"}]`)
	if _, err := u.try("POST", "/volumes", make); err == nil {
		t.Error("lose_reply: an answer came")
	}
	if r := u.want(200, "GET", "/volumes?name=x", nil); len(names(r)) != 1 {
		t.Error("lose_reply: the work was not done")
	}
}

func TestFaultBlackhole(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	u.faults(`[{"service":"cinder","method":"POST","path":"^/volumes$","do":"blackhole"}]`)
	done := make(chan error, 1)
	go func() {
		_, err := u.try("POST", "/volumes", object{"volume": object{"size": 1}})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("the request was not held: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	u.admin("DELETE", "/faults", nil)
	select {
	case err := <-done:
		if err == nil {
			t.Error("a held request was answered")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the request was not released")
	}
	if r := u.want(200, "GET", "/volumes", nil); len(names(r)) != 0 {
		t.Error("the work was done")
	}
}

// TestFaultBlackholeEnds: the cleanup of the test would hang if a held request
// kept the server.
func TestFaultBlackholeEnds(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	u.faults(`[{"service":"cinder","do":"blackhole"}]`)
	go func() { _, _ = u.try("GET", "/volumes", nil) }()
	time.Sleep(20 * time.Millisecond)
}

func TestFaultStick(t *testing.T) {
	u := start(t, "", simulator.Options{}).login("sim")
	stick := func(method, path, state string) {
		u.faults(`[{"service":"cinder","method":"` + method + `","path":"` + path + `","times":1,"do":"stick","value":"` + state + `"}]`)
	}
	stays := func(id, state string) {
		t.Helper()
		time.Sleep(10 * time.Millisecond)
		if got := u.status(id); got != state {
			t.Errorf("volume is %s; want %s", got, state)
		}
	}
	for _, state := range []string{"creating", "error"} {
		stick("POST", "^/volumes$", state)
		r := u.want(202, "POST", "/volumes", object{"volume": object{"size": 1}})
		stays(r.at("volume", "id").(string), state)
	}
	id := u.create(object{})
	stick("POST", "/action$", "extending")
	u.want(202, "POST", "/volumes/"+id+"/action", object{"os-extend": object{"new_size": 2}})
	stays(id, "extending")
	for _, state := range []string{"deleting", "error_deleting"} {
		id := u.create(object{})
		stick("DELETE", "^/volumes/", state)
		u.want(202, "DELETE", "/volumes/"+id, nil)
		stays(id, state)
	}
	for _, state := range []string{"reserved", "error_attaching"} {
		id := u.create(object{})
		stick("POST", "^/attachments$", state)
		u.reserve(id)
		stays(id, state)
	}
}

func TestAdminRefusals(t *testing.T) {
	s := start(t, "", simulator.Options{})
	for body, says := range map[string]string{
		`{}`:                                    "JSON list",
		`[{"colour":"red"}]`:                    "colour",
		`[{"service":"glance"}]`:                `service: "glance"; allowed: cinder, keystone, manila`,
		`[{"service":"cinder"}]`:                `do: ""; allowed: delay`,
		`[{"service":"cinder","do":"explode"}]`: `do: "explode"`,
		`[{"service":"cinder","do":"drop","method":"FETCH"}]`:                  `method: "FETCH"`,
		`[{"service":"cinder","do":"drop","path":"("}]`:                        `path: "("`,
		`[{"service":"cinder","do":"drop","times":-1}]`:                        "times: -1",
		`[{"service":"cinder","do":"delay","value":"soon"}]`:                   "duration",
		`[{"service":"cinder","do":"status","value":200}]`:                     "status from 400",
		`[{"service":"cinder","do":"status","value":{"code":500}}]`:            "retry_after",
		`[{"service":"cinder","do":"drop"},{"service":"cinder","do":"stick"}]`: "rule 1: value",
	} {
		r := s.admin("POST", "/faults", body)
		if r.Status != 400 || !strings.Contains(string(r.Raw), says) {
			t.Errorf("%s: %d %s; want 400 with %q", body, r.Status, r.Raw, says)
		}
	}
	if r := s.admin("GET", "/faults", nil); strings.TrimSpace(string(r.Raw)) != "[]" {
		t.Errorf("refused rules must not be kept: %s", r.Raw)
	}
	if r := s.admin("POST", nowhere, object{"status": "error"}); r.Status != 404 {
		t.Errorf("unknown volume: %d %s", r.Status, r.Raw)
	}
	if r := s.admin("POST", nowhere, object{"colour": "red"}); r.Status != 400 {
		t.Errorf("unknown field: %d %s", r.Status, r.Raw)
	}
}

func TestLatency(t *testing.T) {
	s := start(t, "", simulator.Options{Latency: 500 * time.Millisecond})
	began := time.Now()
	u := s.login("sim")
	u.want(200, "GET", "/volumes", nil)
	if took := time.Since(began); took < time.Second {
		t.Errorf("two requests took %v", took)
	}
	began = time.Now()
	s.admin("GET", "/counters", nil)
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the administration took %v", took)
	}
}
