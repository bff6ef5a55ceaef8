package docker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
)

func TestEveryCall(t *testing.T) {
	f := &fake{listed: []volume.Listed{
		{Name: "a", Mountpoint: "/mnt/a", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))},
		{Name: "b"},
	}}
	c := client(open(t, f, Options{}))
	for _, tc := range []struct{ method, body, want, call string }{
		{"Plugin.Activate", "", `{"Implements":["VolumeDriver"]}`, ""},
		{"VolumeDriver.Capabilities", "{}\n", `{"Capabilities":{"Scope":"global"}}`, ""},
		{"VolumeDriver.Capabilities", "", `{"Capabilities":{"Scope":"global"}}`, ""},
		{"VolumeDriver.Create", `{"Name":"a","Opts":{"size":"1"}}` + "\n", `{}`, "Create a map[size:1]"},
		{"VolumeDriver.Create", `{"Name":"a","Opts":null}`, `{}`, "Create a map[]"},
		{"VolumeDriver.Create", `{"Name":"a"}`, `{}`, "Create a map[]"},
		{"VolumeDriver.Create", `{"Name":"a","New":{"x":[1]}}`, `{}`, "Create a map[]"},
		{"VolumeDriver.Remove", `{"Name":"a"}`, `{}`, "Remove a"},
		{"VolumeDriver.Mount", `{"Name":"a","ID":"i"}`, `{"Mountpoint":"/mnt/a"}`, "Mount a i"},
		{"VolumeDriver.Unmount", `{"Name":"a","ID":"i"}`, `{}`, "Unmount a i"},
		{"VolumeDriver.Path", `{"Name":"a"}`, `{"Mountpoint":"/mnt/a"}`, "Path a"},
		{"VolumeDriver.List", ``, `{"Volumes":[{"Name":"a","Mountpoint":"/mnt/a","CreatedAt":"2026-01-02T02:04:05Z"},{"Name":"b"}]}`, "List"},
		{"VolumeDriver.List", `{`, `{"Volumes":[{"Name":"a","Mountpoint":"/mnt/a","CreatedAt":"2026-01-02T02:04:05Z"},{"Name":"b"}]}`, "List"},
	} {
		before := len(f.seen())
		code, reply, err := post(c, tc.method, tc.body)
		if err != nil || code != 200 || strings.TrimSpace(reply) != tc.want {
			t.Errorf("%s %s: %d %s %v, want %s", tc.method, tc.body, code, reply, err, tc.want)
		}
		if got := strings.Join(f.seen()[before:], ","); got != tc.call {
			t.Errorf("%s %s: service saw %q, want %q", tc.method, tc.body, got, tc.call)
		}
	}
}

var needBody = []string{"Create", "Remove", "Mount", "Unmount", "Get", "Path"}

// dockerd repeats a request after a broken connection with an empty body, and
// takes an error from Get for the volume's end (E7).
func TestEmptyOrTruncatedBodyIsNeverAnswered(t *testing.T) {
	f := &fake{}
	c := client(open(t, f, Options{}))
	for _, method := range needBody {
		for _, body := range []string{"", "\n", `{`, `{"Name":"a","ID":"i"`, `{"Name":"a`} {
			if code, reply, err := post(c, "VolumeDriver."+method, body); err == nil {
				t.Errorf("%s %q was answered: %d %s", method, body, code, reply)
			}
		}
	}
	if got := f.seen(); len(got) > 0 {
		t.Errorf("the service saw %v", got)
	}
}

func TestForeignBodyIsRefused(t *testing.T) {
	f := &fake{}
	c := client(open(t, f, Options{}))
	big := `{"Name":"a","ID":"` + strings.Repeat("x", 2<<20) + `"}`
	for _, body := range []string{"nonsense", `{"Name":1}`, `[]`, `{"Name":"a"}{}`, big} {
		for _, method := range needBody {
			code, reply, err := post(c, "VolumeDriver."+method, body)
			if method == "Get" {
				if err == nil {
					t.Errorf("Get %.20q was answered: %d %s", body, code, reply)
				}
				continue
			}
			// A caller that goes on sending may see the reset before the answer.
			if err == nil && (code != 400 || errOf(t, reply) == "") || err != nil && len(body) < 100 {
				t.Errorf("%s %.20q: %d %s %v", method, body, code, reply, err)
			}
		}
	}
	if got := f.seen(); len(got) > 0 {
		t.Errorf("the service saw %v", got)
	}
}

func TestErrorsArePlainText(t *testing.T) {
	table := "options:\n  size\tGiB\n  <&> \"quoted\""
	f := &fake{
		create: func(context.Context, string, map[string]string) error {
			return volume.Errorf(volume.ErrInvalid, "%s", table)
		},
		err: volume.Errorf(volume.ErrInUse, "volume a is attached to host b"),
	}
	c := client(open(t, f, Options{}))
	if code, reply, err := post(c, "VolumeDriver.Create", `{"Name":"a","Opts":{"help":""}}`); code != 200 || err != nil || errOf(t, reply) != table {
		t.Errorf("%d %q %v", code, reply, err)
	}
	for _, method := range []string{"Remove", "Path", "List"} {
		code, reply, err := post(c, "VolumeDriver."+method, `{"Name":"a"}`)
		if code != 200 || err != nil || errOf(t, reply) != f.err.Error() {
			t.Errorf("%s: %d %q %v", method, code, reply, err)
		}
	}
}

// Of all errors Get may answer only with "no such volume" (E7).
func TestGetErrors(t *testing.T) {
	answers := map[string]error{
		"gone":    volume.Errorf(volume.ErrNotFound, "deleted in the cloud"),
		"silent":  volume.Errorf(volume.ErrUnavailable, "the cloud does not answer"),
		"late":    context.DeadlineExceeded,
		"defect":  errors.New("index out of range"),
		"invalid": volume.Errorf(volume.ErrInvalid, "what"),
	}
	var log logged
	f := &fake{get: func(_ context.Context, name string) (volume.Info, error) {
		if name == "panic" {
			panic("at the disco")
		}
		return volume.Info{}, answers[name]
	}}
	c := client(open(t, f, Options{Log: log.logger()}))
	for _, name := range []string{"silent", "late", "defect", "invalid", "panic"} {
		if code, reply, err := post(c, "VolumeDriver.Get", `{"Name":"`+name+`"}`); err == nil {
			t.Errorf("%s was answered: %d %s", name, code, reply)
		}
	}
	seen := len(f.seen())
	for _, name := range []string{"gone", "", "../etc", "a b", "ü", strings.Repeat("x", 300)} {
		code, reply, err := post(c, "VolumeDriver.Get", `{"Name":"`+name+`"}`)
		if err != nil || code != 200 || !strings.HasPrefix(errOf(t, reply), "no such volume: "+name[:min(len(name), 255)]) {
			t.Errorf("%q: %d %s %v", name, code, reply, err)
		}
	}
	if got := f.seen()[seen:]; len(got) != 1 {
		t.Errorf("the service was asked for names it cannot have: %v", got)
	}
	if n := strings.Count(log.String(), "aborted=true"); n != 5 {
		t.Errorf("%d aborts in the log, want 5:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "level=DEBUG msg=\"docker call\" operation=Get volume=gone") {
		t.Errorf("probing an unknown name is loud:\n%s", log.String())
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	var log logged
	f := &fake{create: func(context.Context, string, map[string]string) error { panic("at the disco") }}
	c := client(open(t, f, Options{Log: log.logger()}))
	code, reply, err := post(c, "VolumeDriver.Create", `{"Name":"a"}`)
	if err != nil || code != 200 || !strings.Contains(errOf(t, reply), "at the disco") || strings.Contains(reply, "goroutine") {
		t.Errorf("%d %s %v", code, reply, err)
	}
	eventually(t, "the stack in the log", func() bool { return strings.Contains(log.String(), "protocol_test.go") })
}

func TestOneLineForEachCall(t *testing.T) {
	var log logged
	f := &fake{err: volume.Errorf(volume.ErrConflict, "no")}
	d := New(f, Options{Log: log.logger()})
	for _, tc := range []struct{ method, want string }{
		{"Create", "level=INFO msg=\"docker call\" operation=Create volume=a took="},
		{"Mount", "level=INFO msg=\"docker call\" operation=Mount volume=a id=i took="},
		{"Get", "level=DEBUG msg=\"docker call\" operation=Get volume=a took="},
		{"Capabilities", "level=DEBUG msg=\"docker call\" operation=Capabilities took="},
		{"Remove", "level=WARN msg=\"docker call\" operation=Remove volume=a took="},
		{"List", "error=no"},
	} {
		before := len(log.String())
		r, _ := http.NewRequest("POST", "/VolumeDriver."+tc.method, strings.NewReader(`{"Name":"a","ID":"i","Opts":{"secret":"s3cr3t"}}`))
		d.ServeHTTP(discard{}, r)
		line := log.String()[before:]
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, tc.want) || strings.Contains(line, "s3cr3t") {
			t.Errorf("%s: %s", tc.method, line)
		}
	}
}

// discard is an http.ResponseWriter that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
func (discard) Flush()                      {}
