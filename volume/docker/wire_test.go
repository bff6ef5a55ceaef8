package docker

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	wire "github.com/docker/go-plugins-helpers/volume"

	"github.com/openstack/fuxi/volume"
)

func TestStatus(t *testing.T) {
	full := volume.Info{
		Listed: volume.Listed{Name: "a", Mountpoint: "/mnt/a", CreatedAt: time.Date(2015, 11, 29, 2, 25, 18, 9, time.UTC)},
		Key:    volume.Key{Cloud: "c", Provider: "cinder", ID: "i"}, SizeGiB: 10, Type: "ssd", State: "in-use",
		FSType: "ext4", Formatted: true, AttachedTo: "host", Users: map[string]int{"y": 2, "x": 1}, Step: "Connect",
		LastError: "e", Age: 12345 * time.Millisecond, Stale: true, Notes: []string{"n", "m"}, OnRemove: "delete",
	}
	for _, tc := range []struct {
		info volume.Info
		want string
	}{
		{full, `{"Volume":{"Name":"a","Mountpoint":"/mnt/a","CreatedAt":"2015-11-29T02:25:18Z","Status":{"age":"12s","attached_to":"host",` +
			`"cloud":"c","filesystem":"ext4","formatted":true,"id":"i","last_error":"e","notes":["n","m"],"on_remove":"delete","provider":"cinder",` +
			`"size":"10 GiB","stale":true,"state":"in-use","step":"Connect","type":"ssd","users":{"x":1,"y":2}}}}`},
		{volume.Info{Listed: volume.Listed{Name: "b"}},
			`{"Volume":{"Name":"b","Status":{"age":"0s","cloud":"","formatted":false,"id":"","provider":"","size":"0 GiB","stale":false,"state":""}}}`},
	} {
		var got wire.GetResponse
		raw := appendGet(nil, tc.info)
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if sorted, _ := json.Marshal(got); string(sorted) != tc.want {
			t.Errorf("%s\nwant %s", sorted, tc.want)
		}
	}
}

// A new fact about a volume must not be forgotten in Get's answer.
func TestStatusShowsEveryFact(t *testing.T) {
	const facts = 13 // of Info itself, all in Status
	if n := reflect.TypeFor[volume.Info]().NumField() - 2; n != facts {
		t.Errorf("volume.Info has %d facts, status was written for %d", n, facts)
	}
}

func TestStamps(t *testing.T) {
	for stamp, want := range map[time.Time]string{
		{}: "",
		time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC):                         "2026-01-02T03:04:05Z",
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("IST", 5*3600+1800)): "2026-01-01T21:34:05Z",
		time.Date(12026, 1, 2, 3, 4, 5, 0, time.UTC):                          "",
		time.Date(-1, 1, 2, 3, 4, 5, 0, time.UTC):                             "",
	} {
		got := string(appendStamp(nil, stamp))
		if got != want {
			t.Errorf("%v: %q, want %q", stamp, got, want)
		}
		list, _ := json.Marshal(map[string]string{"x": got})
		var back struct{ X time.Time }
		if err := json.Unmarshal(list, &back); got != "" && err != nil {
			t.Errorf("dockerd cannot read %q: %v", got, err)
		}
	}
}

// dockerdList is what dockerd decodes List's answer into.
type dockerdList struct {
	Volumes []*struct {
		Name, Mountpoint string
		CreatedAt        time.Time
	}
}

func TestListOfNothing(t *testing.T) {
	var l dockerdList
	if err := json.Unmarshal(appendList(nil, slices.Values([]volume.Listed(nil))), &l); err != nil || l.Volumes == nil || len(l.Volumes) > 0 {
		t.Errorf("%v %v", l, err)
	}
}

func FuzzList(f *testing.F) {
	f.Add("a", "/mnt/a", int64(0), "b")
	f.Add("\"\\\x00\x1f\x7f<>&", "\u2028\u2029\xff\xc0\x80", int64(1<<40), "\b\f\n\r\tü€😀\ufffd")
	f.Fuzz(func(t *testing.T, name, mountpoint string, unix int64, second string) {
		for _, s := range []string{name, mountpoint, second} {
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(s); err != nil {
				t.Fatal(err)
			}
			if got := string(appendString(nil, s)) + "\n"; got != want.String() {
				t.Fatalf("%q is written %s, want %s", s, got, want.String())
			}
		}
		var one wire.GetResponse
		fact := volume.Info{Listed: volume.Listed{Name: name}, LastError: second, Users: map[string]int{mountpoint: 2, second: 1}, Notes: []string{name, second}}
		if b := appendGet(nil, fact); json.Unmarshal(b, &one) != nil || one.Volume == nil || second != "" && one.Volume.Status["last_error"] == nil {
			t.Fatalf("bad answer to Get: %s", b)
		}
		in := []volume.Listed{{Name: name, Mountpoint: mountpoint, CreatedAt: time.Unix(unix, 0)}, {Name: second}}
		b := appendList([]byte("kept"), slices.Values(in))
		var l dockerdList
		if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("kept")), &l); err != nil || len(l.Volumes) != 2 {
			t.Fatalf("%s: %v", b, err)
		}
		if utf8.ValidString(name) && l.Volumes[0].Name != name {
			t.Fatalf("%q came back as %q", name, l.Volumes[0].Name)
		}
	})
}

// fuzzBody checks the decoder of one call's body.
func fuzzBody[Request any](f *testing.F, seeds ...string) {
	for _, s := range append(seeds, "", "null", "{}", "[]", `{"Name":1}`, `{"Name":"a"}x`, `{"Name":"\ud800","name":"b"}`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want Request
		err := decode(body, &got)
		if plain := json.Unmarshal(body, &want); (err == nil) != (plain == nil) {
			t.Fatalf("%q: %v, encoding/json says %v", body, err, plain)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", body, got, want)
		}
		// A request cut short anywhere is no request.
		whole := bytes.TrimRight(body, " \t\r\n")
		for i := range whole {
			if err := decode(whole[:i], new(Request)); err == nil {
				t.Fatalf("%q was accepted, cut short from %q", whole[:i], whole)
			}
		}
	})
}

func FuzzCreate(f *testing.F) {
	fuzzBody[wire.CreateRequest](f, `{"Name":"a","Opts":null}`, `{"Name":"a","Opts":{"size":"10","x":"\u00fc"}}`, `{"Opts":{"a":1}}`)
}
func FuzzRemove(f *testing.F)  { fuzzBody[wire.RemoveRequest](f, `{"Name":"a"}`) }
func FuzzMount(f *testing.F)   { fuzzBody[wire.MountRequest](f, `{"Name":"a","ID":"0123"}`) }
func FuzzUnmount(f *testing.F) { fuzzBody[wire.UnmountRequest](f, `{"Name":"a","ID":"0123"}`) }
func FuzzGet(f *testing.F)     { fuzzBody[wire.GetRequest](f, `{"Name":"a"}`+"\n") }
func FuzzPath(f *testing.F)    { fuzzBody[wire.PathRequest](f, `{"Name":"a","Other":[{}]}`) }
