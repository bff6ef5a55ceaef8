package rbd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/rbd"
)

const otherHost = "192.0.2.66:0/4242"

// A second writer is refused by the storage, with a name; one that shares gives
// the lock up; of a dead one it is taken, and he is shut out.
func TestPretendSecondWriter(t *testing.T) {
	for name, test := range map[string]struct {
		other   pretend.Client
		refused bool
		blocked bool
	}{
		"exclusive": {pretend.Client{Name: "client.4242", Address: otherHost, Exclusive: true}, true, false},
		"shared":    {pretend.Client{Name: "client.4242", Address: otherHost}, false, false},
		"dead":      {pretend.Client{Name: "client.4242", Address: otherHost, Exclusive: true, Dead: true}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, rbd.Options{})
			s.image.Open(test.other)
			_, err := s.Connect(hosttest.Context(t), s.conn)
			if test.refused {
				expect(t, err, connector.ErrBusy, "client.4242", otherHost)
				s.nothing(t)
			} else if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(s.cluster.Blocked(), otherHost); got != test.blocked {
				t.Errorf("shut out: %v", got)
			}
			s.disconnect(t, s.conn)
		})
	}
}

// An image without the feature is mapped all the same, and it is told.
func TestPretendNoLockFeature(t *testing.T) {
	s := newScene(t, rbd.Options{})
	s.cluster.Image("volumes/plain", hosttest.GiB, pretend.FeatureLayers)
	conn := s.with("name", "volumes/plain")
	src := s.connect(t, conn)
	if src.Proof["exclusive"] != "false" || !strings.Contains(s.noticed(), "rbd feature enable volumes/plain exclusive-lock") {
		t.Errorf("%v, noticed %q", src.Proof, s.noticed())
	}
	s.disconnect(t, conn)
	s.nothing(t)
}

func TestPretendHolders(t *testing.T) {
	s := newScene(t, rbd.Options{Shared: true})
	holders := func() []connector.Holder {
		t.Helper()
		all, err := s.Holders(hosttest.Context(t), s.conn)
		if err != nil || all == nil {
			t.Fatalf("%v, %v", all, err)
		}
		return all
	}
	if all := holders(); len(all) != 0 {
		t.Errorf("nobody has it: %v", all)
	}
	s.image.Open(pretend.Client{Name: "client.4242", Address: otherHost})
	s.image.Open(pretend.Client{Name: "client.4243", Address: "192.0.2.67:0/1"})
	src := s.connect(t, s.conn)
	client, address, _ := strings.Cut(src.Proof["client"], " ")
	want := []connector.Holder{{Client: "client.4242", Address: otherHost}, {Client: "client.4243", Address: "192.0.2.67:0/1"},
		{Client: client, Address: address, Self: true}}
	if all := holders(); !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	// The mirroring daemon only copies (`ceph service dump` as Ceph 18 prints it).
	s.m.Answer(&pretend.Answer{Match: "service dump", Result: host.Result{Stdout: []byte(`{"epoch":9,"modified":"2026-11-23T07:08:20.840221+0000","services":{
		"rbd-mirror":{"daemons":{"summary":"","4243":{"start_epoch":9,"start_stamp":"2026-11-23T07:08:20.840221+0000","gid":4243,"addr":"192.0.2.67:0/1","metadata":{},"task_status":{}}}}}}`)}})
	if all := holders(); !slices.Equal(all, []connector.Holder{want[0], want[2]}) {
		t.Errorf("got %v", all)
	}
	s.disconnect(t, s.conn)
	for _, answer := range []host.Result{{ExitCode: 1, Stderr: []byte("rbd: broken\n")}, {Stdout: []byte("not json")}} {
		s.m.Answer(&pretend.Answer{Match: " status ", Times: 1, Result: answer})
		if all, err := s.Holders(hosttest.Context(t), s.conn); err == nil {
			t.Errorf("an answer that says nothing means nobody: %v", all)
		}
	}
}

func TestPretendFence(t *testing.T) {
	s := newScene(t, rbd.Options{})
	ctx := hosttest.Context(t)
	other := connector.Holder{Client: "client.4242", Address: otherHost}
	for range 2 {
		if err := s.Fence(ctx, s.conn, other); err != nil {
			t.Fatal(err)
		}
	}
	if list := s.cluster.Blocked(); !slices.Equal(list, []string{otherHost}) {
		t.Errorf("blocklist: %v", list)
	}
	expect(t, s.Unfence(ctx, s.conn, other), connector.ErrUnsupported, "lacks the capability", "osd blocklist")
	s.cluster.User("cinder", pretend.User{Key: secret, Unfence: true})
	for range 2 {
		if err := s.Unfence(ctx, s.conn, other); err != nil {
			t.Fatal(err)
		}
	}
	s.cluster.User("cinder", pretend.User{Key: secret, NoFence: true})
	expect(t, s.Fence(ctx, s.conn, other), connector.ErrUnsupported, "profile rbd")

	src := s.connect(t, s.conn)
	client, address, _ := strings.Cut(src.Proof["client"], " ")
	for _, own := range []connector.Holder{{Client: client, Address: address}, {Client: "client.1", Address: "192.0.2.1:0/1", Self: true},
		{Client: "client.2", Address: "127.0.0.1:0/7"}} {
		expect(t, s.Fence(ctx, s.conn, own), connector.ErrUnsafe, "this host")
	}
	s.disconnect(t, s.conn)
	for _, odd := range []string{"", "--help", "192.0.2.1", "192.0.2.1:0", "x:0/1"} {
		expect(t, s.Fence(ctx, s.conn, connector.Holder{Address: odd}), connector.ErrUnsupported, "no address")
	}
	// A list that does not name it is no proof.
	s.cluster.User("cinder", pretend.User{Key: secret})
	s.m.Answer(&pretend.Answer{Match: "blocklist ls", Times: 1, Result: host.Result{Stdout: []byte("[][]")}})
	expect(t, s.Fence(ctx, s.conn, other), nil, "does not list it")
}
