package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// leaveDuring sends a call and hangs up once the cloud has been asked for
// kind.
func (s *trial) leaveDuring(method string, body any, kind string) {
	s.t.Helper()
	before := s.cloud.Counters()[kind]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := make(chan error, 1)
	go func() {
		_, err := s.d.Call(ctx, method, body)
		left <- err
	}()
	rig.Eventually(s.t, 10*time.Second, func() string {
		if s.cloud.Counters()[kind] == before {
			return "the cloud was not asked " + kind
		}
		return ""
	})
	cancel()
	if err := <-left; err == nil {
		s.t.Fatalf("%s was answered before its caller left", method)
	}
}

func (s *trial) users(name string) map[string]any {
	s.t.Helper()
	users, _ := s.status(name, "users").(map[string]any)
	return users
}

const (
	postVolume     = "POST /v3/{project}/volumes"
	postAttachment = "POST /v3/{project}/attachments"
	putAttachment  = "PUT /v3/{project}/attachments/{id}"
)

// TestCallerLeavesCreate_E3: the volume is made all the same, and once.
func TestCallerLeavesCreate_E3(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	s.cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes$", Times: 1, Do: "delay", Value: "1s"})
	s.leaveDuring("Create", map[string]any{"Name": "vol", "Opts": map[string]string{"size": "1"}}, postVolume)
	if err := s.d.Create("vol", nil); err != nil {
		t.Errorf("the next create does not join: %v", err)
	}
	if n := s.cloud.Counters()[postVolume]; n != 1 || len(s.cloud.Volumes("vol")) != 1 {
		t.Errorf("%d requests made %d volumes", n, len(s.cloud.Volumes("vol")))
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}

// TestCallerLeavesMount_E3: the work goes on; who left is not counted; the
// next call joins, and what nobody joins lingers and is given back.
func TestCallerLeavesMount_E3(t *testing.T) {
	t.Parallel()
	together(t, 2, []bool{true, false}, func(joined bool) string { return fmt.Sprintf("joined=%v", joined) }, func(t *testing.T, joined bool) {
		s := newTrial(t, simulator.Options{}, nil)
		if err := s.d.Create("vol", nil); err != nil {
			t.Fatal(err)
		}
		s.cloud.Fault(rig.Fault{Service: "cinder", Method: "PUT", Path: "^/attachments/", Times: 1, Do: "delay", Value: "2s"})
		s.leaveDuring("Mount", map[string]any{"Name": "vol", "ID": "left"}, putAttachment)
		if joined {
			if _, err := s.d.Mount("vol", "stays"); err != nil {
				t.Fatalf("joining: %v", err)
			}
			if u := s.users("vol"); len(u) != 1 || u["stays"] != 1.0 {
				t.Errorf("users %v", u)
			}
			if err := s.d.Unmount("vol", "stays"); err != nil {
				t.Error(err)
			}
		}
		rig.Eventually(t, 20*time.Second, func() string {
			if u := s.users("vol"); len(u) > 0 {
				t.Fatalf("users %v", u)
			}
			if s.formats() == 0 || s.status("vol", "step") != nil {
				return fmt.Sprintf("%d formats, step %v", s.formats(), s.status("vol", "step"))
			}
			return ""
		})
		if n := s.cloud.Counters()[postAttachment]; n != 1 {
			t.Errorf("%d attachments were asked for, one is enough", n)
		}
		if err := s.remove("vol"); err != nil {
			t.Error(err)
		}
		s.clean("vol")
		s.d.Stop()
	})
}

// TestCallerLeavesUnmount_E3 hangs up at every moment of an unmount. Whether
// the reference was taken back or not, Get says so, and a volume without users
// is given back.
func TestCallerLeavesUnmount_E3(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		if _, err := s.d.Mount("vol", "c1"); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("unix", s.d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"Name":"vol","ID":"c1"}`
		fmt.Fprintf(conn, "POST /VolumeDriver.Unmount HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		time.Sleep(time.Duration(i) * 300 * time.Microsecond)
		conn.Close()
		deadline := time.Now().Add(5 * time.Second)
		for len(s.users("vol")) > 0 || s.status("vol", "step") != nil {
			if time.Now().After(deadline) {
				t.Fatalf("hung up after %d × 300 µs: users %v, step %v, last error %v", i, s.users("vol"), s.status("vol", "step"), s.status("vol", "last_error"))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}

// TestManyMountsAtOnce_E10: twenty containers start on one cold volume. It is
// attached and mounted once, and each is counted.
func TestManyMountsAtOnce_E10(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	const many = 20
	var all sync.WaitGroup
	paths := make([]string, many)
	for i := range many {
		all.Go(func() {
			var err error
			if paths[i], err = s.d.Mount("vol", fmt.Sprint("c", i)); err != nil {
				t.Errorf("mount %d: %v", i, err)
			}
		})
	}
	all.Wait()
	for _, p := range paths {
		if p == "" || p != paths[0] {
			t.Fatalf("paths %q", paths)
		}
	}
	if n := s.cloud.Counters()[postAttachment]; n != 1 || s.formats() != 1 || len(rig.LoopsOf(s.d.StateDir())) != 1 {
		t.Errorf("%d attachments, %d formats, loop devices %v", n, s.formats(), rig.LoopsOf(s.d.StateDir()))
	}
	if u := s.users("vol"); len(u) != many {
		t.Errorf("%d users: %v", len(u), u)
	}
	for i := range many {
		if !mountedAt(paths[0]) {
			t.Fatalf("unmounted while %d containers use it", many-i)
		}
		all.Go(func() {
			if err := s.d.Unmount("vol", fmt.Sprint("c", i)); err != nil {
				t.Errorf("unmount %d: %v", i, err)
			}
		})
		all.Wait()
	}
	if mountedAt(paths[0]) {
		t.Error("still mounted after the last user left")
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}
