package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/trace"
)

// calls counts what the cloud is asked in the course of a volume's life.
func (b *bench) calls(m *mounter) {
	time.Sleep(300 * time.Millisecond) // the first refresh is not counted
	count := func(what string, most float64, original string, act func()) {
		before := m.cloud.Counters()
		act()
		n, by := rig.Calls(before, m.cloud.Counters())
		polls := max(0, by["GET /v3/{project}/volumes/{id}"]-1)
		note := ""
		if polls > 0 {
			note = fmt.Sprintf("and %d more looks while the cloud works", polls)
		}
		b.table.most("cloud calls: "+what, float64(n-polls), "", most, original, note)
	}
	count("create", 3, "8", func() { m.create("calls") })
	count("first mount, with mkfs", 6, "7", func() { m.mount("calls") })
	m.detach("calls")
	count("later cold mount", 3, "7", func() { m.mount("calls") })
	count("get", 0, "1", func() { _, _ = m.d.Get("calls") })
	count("list", 0, "1+", func() {
		if _, err := m.d.Call(context.Background(), "List", map[string]any{}); err != nil {
			m.t.Fatalf("list: %v", err)
		}
	})
	count("detach", 1, "", func() { m.detach("calls") })
	count("remove", 2, "8", func() { m.remove("calls") })
	b.table.most("tokens in all", float64(m.cloud.Counters()["POST /v3/auth/tokens"]), "", 1, "", "")
}

// cold measures the daemon's own time in cold mounts: the total less cloud
// calls, host commands and mounts, and waits for devices, as its own trace has
// it. Reading devices is counted as own time: how much is read is our choice.
func (b *bench) cold(m *mounter) {
	var own, journal, rest, writes, first, firstWrites, running, waiting []time.Duration
	var last flight
	const name = "cold"
	for i := range max(1, b.size.mounts/8) {
		fresh := fmt.Sprintf("fresh-%d", i)
		m.create(fresh)
		m.mount(fresh)
		f := m.lastFlight(fresh, 1)
		each, _ := f.of(trace.Journal)
		first, firstWrites = append(first, f.own), append(firstWrites, each...)
		m.detach(fresh)
		m.remove(fresh)
	}
	m.create(name)
	m.mount(name)
	m.detach(name)
	for i := range b.size.mounts {
		ran, waited := processor(m.d.Pid())
		m.mount(name)
		ranNow, waitedNow := processor(m.d.Pid())
		running, waiting = append(running, ranNow-ran), append(waiting, waitedNow-waited)
		last = m.lastFlight(name, i+2)
		each, sum := last.of(trace.Journal)
		own, journal, rest = append(own, last.own), append(journal, sum), append(rest, last.own-sum)
		writes = append(writes, each...)
		m.detach(name)
	}
	m.remove(name)
	b.table.most("own time in a cold mount, p50", ms(median(own)), "ms", 5, "",
		fmt.Sprintf("journal %s in %d writes, all else %s; the least %s, p90 %s; in the whole mount its threads ran %s and waited %s for a processor",
			short(median(journal)), len(writes)/len(own), short(median(rest)), short(quantile(own, 0)), short(quantile(own, 0.9)), short(median(running)), short(median(waiting))))
	b.table.most("own time in a first mount, with mkfs, p50", ms(median(first)), "ms", none, "", "")
	overwrite, replace := fsyncFloor(m.d.Dir)
	b.table.most("journal write, p50", ms(median(writes)), "ms", none, "",
		fmt.Sprintf("p90 %s; during a first mount %s; this disk alone: %s for overwriting with fdatasync (ratio %.1f×), %s for a rename with fsync of file and directory",
			short(quantile(writes, 0.9)), short(median(firstWrites)), short(overwrite), ms(median(writes))/ms(overwrite), short(replace)))
	names := last.named(trace.Host)
	b.table.most("host commands and mounts in a cold mount", float64(len(names)), "", 6, "", strings.Join(names, ", "))
}

// atOnce compares one cold mount with many at once, in a cloud that takes half
// a second to attach.
func (b *bench) atOnce(m *mounter) {
	name := func(i int) string { return fmt.Sprintf("many-%02d", i) }
	all := func(act func(name string)) time.Duration {
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range b.size.together {
			wg.Go(func() { act(name(i)) })
		}
		wg.Wait()
		return time.Since(begin)
	}
	for i := range b.size.together {
		m.create(name(i))
	}
	var failures failing
	mount := func(name string) {
		_, err := m.d.Mount(name, "bench")
		failures.note(name, err)
	}
	first := all(mount)
	detach := func() {
		for i := range b.size.together {
			m.detach(name(i))
		}
	}
	detach()
	m.cloud.Fault(rig.Fault{Service: "cinder", Method: "PUT", Path: "^/attachments/", Do: "delay", Value: "500ms"})
	var one, many []time.Duration
	for range b.size.rounds {
		_, took := m.mount(name(0))
		one = append(one, took)
		m.detach(name(0))
		many = append(many, all(mount))
		failures.end(m.t)
		detach()
	}
	m.cloud.Mend()
	for i := range b.size.together {
		m.remove(name(i))
	}
	together, note := best(many)
	b.table.most(fmt.Sprintf("%d cold mounts at once / one", b.size.together), ms(together)/ms(median(one)), "×", 2, "serial",
		fmt.Sprintf("%s against %s for one, which waits 500 ms for the cloud; %s; the first mounts of all, with mkfs and no such wait: %s", short(together), short(median(one)), note, short(first)))
}

// failing collects what went wrong beside the main course.
type failing struct {
	mu   sync.Mutex
	text []string
}

func (f *failing) note(name string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, fmt.Sprintf("%s: %v", name, err))
}

func (f *failing) end(t rig.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.text) > 0 {
		t.Fatalf("%d mounts failed, the first: %s", len(f.text), f.text[0])
	}
}
