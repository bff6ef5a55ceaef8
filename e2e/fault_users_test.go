package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

func mountedAt(path string) bool {
	return slices.Contains(rig.MountsBelow(filepath.Dir(path)), path)
}

// TestUsersWithMultiplicity_E5 plays the orders that Docker really sends:
// protocols G 3, A.3 and A.6. Each line is one call, and what must hold after
// it.
func TestUsersWithMultiplicity_E5(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	var path string
	for i, line := range []struct {
		call, id string
		mounted  bool
		count    any // of id
	}{
		{"unmount", "unknown", false, nil},
		{"mount", "a", true, 1.0},
		{"mount", "a", true, 2.0}, // docker cp on a running container
		{"unmount", "unknown", true, nil},
		{"unmount", "a", true, 1.0},
		{"kill", "a", true, 1.0}, // the plugin restarts under a container
		{"mount", "b", true, 1.0},
		{"unmount", "a", true, nil},
		{"unmount", "a", true, nil}, // once too often
		{"unmount", "b", false, nil},
		{"mount", "a", true, 1.0}, // a restarted container may reuse its id
		{"unmount", "a", false, nil},
	} {
		var err error
		switch line.call {
		case "mount":
			path, err = s.d.Mount("vol", line.id)
		case "unmount":
			err = s.d.Unmount("vol", line.id)
		case "kill":
			s.d.Kill9()
			s.start()
		}
		if err != nil {
			t.Fatalf("%d: %s(%s): %v", i, line.call, line.id, err)
		}
		if got := path != "" && mountedAt(path); got != line.mounted {
			t.Errorf("%d: after %s(%s): mounted=%v", i, line.call, line.id, got)
		}
		if got := s.users("vol")[line.id]; got != line.count {
			t.Errorf("%d: after %s(%s) it is counted %v times, want %v", i, line.call, line.id, got, line.count)
		}
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}

// raw sends bytes as the body of a call and returns the status and the answer;
// 0 means that the connection was aborted.
func raw(t *testing.T, d *rig.Daemon, method, body string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.Socket)
		},
	}}
	resp, err := client.Post("http://fuxi/VolumeDriver."+method, "", strings.NewReader(body))
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// TestBodiesThatAreNoRequest_E7: an empty body is Docker's repetition of a
// broken call: nobody may act on it, nor answer it. Garbage and floods are
// refused. Nothing of it changes anything, and the volume stays mounted.
// Protocols A.4, G 2.
func TestBodiesThatAreNoRequest_E7(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	path, err := s.d.Mount("vol", "c1")
	if err != nil {
		t.Fatal(err)
	}
	before := s.cloud.Counters()
	for _, body := range []struct {
		name, text string
		code       int
	}{
		{"empty", "", 0}, {"cut short", `{"Name":"vol","I`, 0}, {"garbage", "\x00\x01<html>", 400},
		{"of another shape", `["vol"]`, 400}, {"huge", `{"Name":"` + strings.Repeat("v", 4<<20) + `"}`, 400},
		{"without a name", `{}`, 200},
	} {
		for _, method := range []string{"Create", "Remove", "Mount", "Unmount", "Get", "Path"} {
			code, answer := raw(t, s.d, method, body.text)
			guarded := method == "Get" && body.code == 400 // no answer is better than one that makes Docker forget
			if code != body.code && !(guarded && code == 0) {
				t.Errorf("%s with a body that is %s: %d %s", method, body.name, code, answer)
			}
		}
	}
	for _, method := range []string{"List", "Capabilities"} {
		if code, answer := raw(t, s.d, method, ""); code != 200 || strings.Contains(answer, "Err") {
			t.Errorf("%s does not need a body: %d %s", method, code, answer)
		}
	}
	if n, by := rig.Calls(before, s.cloud.Counters()); n != 0 {
		t.Errorf("the cloud was asked: %v", by)
	}
	if u := s.users("vol"); !mountedAt(path) || len(u) != 1 || u["c1"] != 1.0 {
		t.Errorf("mounted=%v, users %v", mountedAt(path), u)
	}
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Error(err)
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}
