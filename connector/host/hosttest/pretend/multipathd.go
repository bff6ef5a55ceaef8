package pretend

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// daemonPid is under what number the pretend /proc shows multipathd.
const daemonPid = "4711"

// daemon is multipathd with find_multipaths yes: it makes a map of a WWID that
// has two paths or that it knows from before.
type daemon struct {
	m       *Machine
	running bool
	stopped bool // with the machine
	events  chan event
	ended   chan struct{}
	paths   []*known
}

// event is one uevent: what happened to the disk of that name.
type event struct {
	what, name string
	at         time.Time // when the daemon hears of it
}

// known is one path as the daemon remembers it.
type known struct {
	name, wwid, hcil string
	in               *dmMap // nil: an orphan
}

func startDaemon(m *Machine) *daemon {
	d := &daemon{m: m, events: make(chan event, 1000), ended: make(chan struct{})}
	m.mu.Lock()
	d.writeWWIDs(wwidsHead)
	d.settle(false)
	m.mu.Unlock()
	go d.loop()
	return d
}

func (d *daemon) stop() {
	d.m.mu.Lock()
	d.running, d.stopped = false, true
	close(d.events)
	d.m.mu.Unlock()
	<-d.ended
}

// settle starts or ends the daemon; a new one looks at all disks.
func (d *daemon) settle(down bool) {
	if d.running == !down {
		return
	}
	d.running = !down
	d.paths = nil
	proc := d.m.Host.Path("proc", daemonPid)
	if down {
		_ = os.RemoveAll(proc)
		return
	}
	d.m.check(os.MkdirAll(proc, 0o755))
	d.m.check(os.WriteFile(proc+"/comm", []byte("multipathd\n"), 0o444))
	for _, p := range d.m.devices {
		d.add(p.name)
	}
}

// uevent tells the daemon; it hears of it a little later, of a removal perhaps
// much later.
func (d *daemon) uevent(what string, p *device) {
	if d.stopped {
		return
	}
	e := event{what, p.name, time.Now().Add(2 * time.Millisecond)}
	if what == "remove" {
		if d.m.faults.KeepsPaths {
			return
		}
		if late := d.m.faults.LateRemoval; late > 0 {
			d.m.later(late, func() { d.hear(e) })
			return
		}
	}
	d.events <- e
}

func (d *daemon) loop() {
	defer close(d.ended)
	for e := range d.events {
		time.Sleep(time.Until(e.at))
		d.m.mu.Lock()
		d.hear(e)
		d.m.mu.Unlock()
	}
}

// hear acts on an event, by the name alone.
func (d *daemon) hear(e event) {
	if !d.running {
		return
	}
	switch e.what {
	case "add":
		d.add(e.name)
	case "remove":
		d.remove(e.name)
	}
}

func (d *daemon) path(name string) *known {
	for _, k := range d.paths {
		if k.name == name {
			return k
		}
	}
	return nil
}

// add takes a disk in and makes or widens its map; false when there is no disk
// of that name.
func (d *daemon) add(name string) bool {
	p := d.m.deviceNamed(name)
	if p == nil {
		return false
	}
	k := d.path(name)
	if k == nil {
		k = &known{name: name}
		d.paths = append(d.paths, k)
	}
	if k.in == nil {
		k.wwid, k.hcil = p.wwid(), p.hctl()
	}
	d.join(k.wwid)
	return true
}

// join lets the orphans of one WWID into a map, if there is to be one.
func (d *daemon) join(wwid string) {
	var orphans []*known
	together := 0
	for _, k := range d.paths {
		if k.wwid != wwid {
			continue
		}
		together++
		if k.in == nil {
			orphans = append(orphans, k)
		}
	}
	in := d.m.mapNamed(wwid)
	if in == nil && together < 2 && !slices.Contains(d.wwids(), wwid) {
		return
	}
	for _, k := range orphans {
		p := d.m.deviceNamed(k.name)
		switch {
		case p == nil:
		case in == nil:
			if d.m.newMap(wwid, p) {
				in = d.m.mapNamed(wwid)
				k.in = in
			}
		case in.add(p):
			k.in = in
		}
	}
	if in != nil {
		d.remember(wwid)
	}
}

// remove forgets a path, and flushes a map that lost its last.
func (d *daemon) remove(name string) bool {
	k := d.path(name)
	if k == nil {
		return false
	}
	d.paths = slices.DeleteFunc(d.paths, func(o *known) bool { return o == k })
	if k.in == nil {
		return true
	}
	for _, p := range slices.Clone(k.in.paths) {
		if p.name == name {
			k.in.drop(p)
		}
	}
	if len(k.in.paths) == 0 && !d.m.faults.KeepsMaps {
		_ = d.m.flushMap(context.Background(), k.in)
	}
	return true
}

// orphan lets go of the paths of a map that is no more.
func (d *daemon) orphan(in *dmMap) {
	for _, k := range d.paths {
		if k.in == in {
			k.in = nil
		}
	}
}

// deviceNamed finds a disk by its name or node.
func (m *Machine) deviceNamed(name string) *device {
	for _, p := range m.devices {
		if p.name == strings.TrimPrefix(name, "/dev/") {
			return p
		}
	}
	return nil
}

// done and nothing are the daemon's usual answers.
func done() host.Result { return said("ok\n") }

func nothing() host.Result { return host.Result{Stdout: []byte("device not found\n"), ExitCode: 1} }
