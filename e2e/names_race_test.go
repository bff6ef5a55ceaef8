package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// idOf is the volume that a name means on a daemon's host.
func idOf(t *testing.T, d *rig.Daemon, name string) string {
	t.Helper()
	v, err := d.Get(name)
	if err != nil {
		t.Fatalf("get %s on %s: %v", name, d.Host, err)
	}
	facts, _ := v["Status"].(map[string]any)
	id, _ := facts["id"].(string)
	return id
}

func allAtOnce(acts ...func()) {
	var group sync.WaitGroup
	for _, act := range acts {
		group.Go(act)
	}
	group.Wait()
}

// leave mounts, leaves a file with the host's name and lets go. A volume that
// the other host has is tried again.
func leave(t *testing.T, d *rig.Daemon, name string) {
	t.Helper()
	var path string
	for deadline := time.Now().Add(40 * time.Second); ; {
		var err error
		if path, err = d.Mount(name, "c-"+d.Host); err == nil {
			break
		}
		if !strings.Contains(err.Error(), "waited") || time.Now().After(deadline) {
			t.Errorf("mount %s on %s: %v", name, d.Host, err)
			return
		}
	}
	if err := writeSynced(filepath.Join(path, d.Host), name); err != nil {
		t.Error(err)
	}
	if err := d.Unmount(name, "c-"+d.Host); err != nil {
		t.Error(err)
	}
}

// raced creates a name on both hosts at once, uses it in one of the orders and
// expects one volume with the data of both.
func raced(t *testing.T, cloud *rig.Cloud, a, b *rig.Daemon, name, order string) {
	t.Helper()
	create := func(d *rig.Daemon) func() {
		return func() {
			if err := d.Create(name, map[string]string{"size": "1"}); err != nil {
				t.Errorf("create %s on %s: %v", name, d.Host, err)
			}
		}
	}
	allAtOnce(create(a), create(b))
	switch order {
	case "a first":
		leave(t, a, name)
		leave(t, b, name)
	case "b first":
		leave(t, b, name)
		leave(t, a, name)
	default:
		allAtOnce(func() { leave(t, a, name) }, func() { leave(t, b, name) })
	}
	if t.Failed() {
		return
	}
	s := &scene{t: t, cloud: cloud, d: a, name: name, id: idOf(t, a, name)}
	rig.Eventually(t, 20*time.Second, func() string {
		if all := cloud.Volumes(name); len(all) != 1 || all[0].ID != s.id {
			return fmt.Sprintf("the cloud has %v, %s means %s", all, a.Host, s.id)
		}
		return ""
	})
	if other := idOf(t, b, name); other != s.id {
		t.Fatalf("%s means %s on %s and %s on %s", name, s.id, a.Host, other, b.Host)
	}
	s.givenBack()
	path := s.mount("reader")
	for _, d := range []*rig.Daemon{a, b} {
		if got, err := os.ReadFile(filepath.Join(path, d.Host)); err != nil || string(got) != name {
			t.Errorf("what %s wrote is %q, %v", d.Host, got, err)
		}
	}
	s.unmount("reader")
	s.givenBack()
	if err := b.Remove(name); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func race(t *testing.T, rounds int, faults ...rig.Fault) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	if len(faults) > 0 {
		cloud.Fault(faults...)
	}
	a, b := rig.NewDaemon(t, cloud, "host-a", quiet()), rig.NewDaemon(t, cloud, "host-b", quiet())
	a.Start()
	b.Start()
	for i := range rounds {
		order := []string{"a first", "b first", "together"}[i%3]
		if t.Run(fmt.Sprintf("%d %s", i, order), func(t *testing.T) {
			raced(t, cloud, a, b, fmt.Sprintf("raced-%d", i), order)
		}); t.Failed() {
			return
		}
	}
	if left := cloud.Attachments(); len(left) > 0 {
		t.Errorf("attachments are left: %v", left)
	}
}

// Two hosts that create one name at once mean the same volume in the end, with
// the data of both; the surplus volume is gone.
func TestTwoHostsCreateOneName_E8(t *testing.T) { race(t, 9) }

// The same where both requests are sure to be sent before either is answered.
func TestTwoHostsCreateOneNameSlowly_E8(t *testing.T) {
	race(t, 6, rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes$", Do: "delay", Value: "200ms"})
}

// The same where reservations are slow, so that both hosts look around at once.
func TestTwoHostsReserveOneNameSlowly_E8(t *testing.T) {
	race(t, 6, rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes$", Do: "delay", Value: "100ms"},
		rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments$", Do: "delay", Value: "150ms"})
}

// A volume that another host uses is waited for; then the holder is named.
func TestHeldElsewhere_E13(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	a, b := rig.NewDaemon(t, cloud, "host-a", quiet()), rig.NewDaemon(t, cloud, "host-b", quiet())
	a.Start()
	b.Start()
	s := newScene(t, cloud, a, "vol", nil)
	path := s.mount("c1")
	if err := writeSynced(filepath.Join(path, "f"), "one"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := b.Mount("vol", "c2")
	if err == nil || !containsAll(err.Error(), []string{"attached to host host-a", "waited 3s", s.id, "stop the container"}) {
		t.Fatalf("mount on the other host: %v", err)
	}
	t.Log(err)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it waited only %s", took)
	}
	if err := b.Remove("vol"); err == nil || !strings.Contains(err.Error(), "attached to host host-a") {
		t.Errorf("remove on the other host: %v", err)
	}
	if err := writeSynced(filepath.Join(path, "f"), "two"); err != nil {
		t.Errorf("the holder cannot write any more: %v", err)
	}
	// The holder lets go while another host waits.
	patient := quiet()
	patient["cinder"] = append(patient["cinder"], `wait_for_release = "40s"`)
	b = rig.NewDaemon(t, cloud, "host-c", patient)
	b.Start()
	got := make(chan string)
	go func() {
		path, err := b.Mount("vol", "c2")
		data, rerr := os.ReadFile(filepath.Join(path, "f"))
		got <- fmt.Sprint(string(data), ", ", err, ", ", rerr)
	}()
	time.Sleep(700 * time.Millisecond)
	s.unmount("c1")
	if text := <-got; text != "two, <nil>, <nil>" {
		t.Errorf("the other host reads %s", text)
	}
	if err := b.Unmount("vol", "c2"); err != nil {
		t.Error(err)
	}
	s.givenBack()
	s.holds("f", "two")
}
