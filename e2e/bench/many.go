package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

// listKind is how the cloud counts the requests of a refresh.
const listKind = "GET /v3/{project}/volumes/detail"

// many measures a daemon that knows many volumes: answers from memory with the
// cloud up and dead, memory, and the start.
func (b *bench) many(t rig.T) {
	cloud := rig.NewProgram(t, "--seed-volumes", strconv.Itoa(b.size.volumes))
	awaitSeeds(t, cloud, b.size.volumes)
	d := rig.NewDaemon(t, cloud, "bench", rig.Settings{"plugin": {`refresh = "2s"`}, "log": {`level = "info"`}})
	d.Start()
	bare := bareServer(t)
	awaitFulls(t, cloud, b.size.fulls, b.size.volumes)
	b.get(t, d.Socket, bare, "cloud up")
	b.list(t, d.Socket)
	b.memory(d)
	cloud.Stop()
	time.Sleep(3 * time.Second) // the next refresh has failed
	b.get(t, d.Socket, bare, "cloud dead")
	d.Stop()
	b.start(t, d)
}

// awaitSeeds waits until the cloud has made all its files: that keeps the disk
// busy.
func awaitSeeds(t rig.T, cloud *rig.Cloud, volumes int) {
	rig.Eventually(t, 2*time.Minute, func() string {
		files, err := os.ReadDir(cloud.Dir + "/volumes")
		if err != nil || len(files) < volumes {
			return fmt.Sprintf("the cloud has made %d files of %d, %v", len(files), volumes, err)
		}
		return ""
	})
}

// awaitFulls waits until the whole list was read so many times, and after it
// the changes at least twice.
func awaitFulls(t rig.T, cloud *rig.Cloud, fulls, volumes int) {
	const page, changesBetween = 1000, 14
	want := fulls*(volumes+page-1)/page + (fulls-1)*changesBetween + 2
	rig.Eventually(t, 3*time.Minute, func() string {
		if n := cloud.Counters()[listKind]; n < want {
			return fmt.Sprintf("%d lists of %d", n, want)
		}
		return ""
	})
}

func (b *bench) get(t rig.T, socket, bare, when string) {
	var p50s, p99s, bareP99s, swarmP99s []time.Duration
	var rate, bareRate float64
	const clients = 16
	limit := time.Duration(b.size.gets/20) * time.Millisecond * 2
	for range b.size.rounds {
		one, err := hammer(socket, b.size.volumes, b.size.gets, 0)
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		p50s, p99s = append(p50s, median(one)), append(p99s, quantile(one, 0.99))
		one, err = hammer(bare, b.size.volumes, b.size.gets, 0)
		if err != nil {
			t.Fatalf("get from the bare server: %v", err)
		}
		bareP99s = append(bareP99s, quantile(one, 0.99))
		all := swarm(t, socket, b.size.volumes, clients, limit)
		rate = max(rate, float64(len(all))/limit.Seconds())
		swarmP99s = append(swarmP99s, quantile(all, 0.99))
		bareRate = max(bareRate, float64(len(swarm(t, bare, b.size.volumes, clients, limit)))/limit.Seconds())
	}
	p99, note := best(p99s)
	p50, _ := best(p50s)
	bareP99, _ := best(bareP99s)
	b.table.most("Get, one client, "+when+", p99", ms(p99), "ms", 1, "15 ms p50",
		fmt.Sprintf("%s; p50 %s; a web server that does nothing: p99 %s, ratio %.2f×", note, short(p50), short(bareP99), ms(p99)/ms(bareP99)))
	b.table.least("Get, 16 clients, "+when, rate, "/s", 20_000, "60 /s",
		fmt.Sprintf("the best of %d rounds; a web server that does nothing: %.0f /s, ratio %.2f×", b.size.rounds, bareRate, rate/bareRate))
	swarmP99, note := best(swarmP99s)
	b.table.most("Get, 16 clients, "+when+", p99", ms(swarmP99), "ms", none, "", note)
}

func (b *bench) list(t rig.T, socket string) {
	c, err := dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	var took []time.Duration
	for range b.size.lists {
		begin := time.Now()
		if err := c.ask("List", "{}"); err != nil {
			t.Fatalf("list: %v", err)
		}
		took = append(took, time.Since(begin))
	}
	b.table.most(fmt.Sprintf("List, %d volumes, p50", b.size.volumes), ms(median(took)), "ms", 15, "8–9.5 s for 1,000", "p99 "+short(quantile(took, 0.99)))
}

// memory is the daemon's after refreshes and load.
func (b *bench) memory(d *rig.Daemon) {
	kib := status(d.Pid())
	b.table.most("resident memory", kib["VmRSS"]/1024, "MB", 55, "89–104 MB",
		fmt.Sprintf("%.1f MB of it its own, %.1f MB pages of the binary; at most %.1f MB at any time; after %d full refreshes, more of changes and the load above",
			kib["RssAnon"]/1024, kib["RssFile"]/1024, kib["VmHWM"]/1024, b.size.fulls))
}

// status reads the sizes in /proc/PID/status, KiB.
func status(pid int) map[string]float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	out := map[string]float64{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		if n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64); err == nil {
			out[key] = n
		}
	}
	return out
}

// start measures the daemon on a state directory that knows all volumes.
func (b *bench) start(t rig.T, d *rig.Daemon) {
	var listening, answering, running, waiting []time.Duration
	for range b.size.starts {
		begin := time.Now()
		d.Launch()
		c := firstConnection(t, d.Socket)
		listening = append(listening, time.Since(begin))
		if err := c.ask("Get", known(b.size.volumes)); err != nil {
			t.Fatalf("get after the start: %v\n%s", err, d.Log())
		}
		answering = append(answering, time.Since(begin))
		ran, waited := processor(d.Pid())
		running, waiting = append(running, ran), append(waiting, waited)
		c.conn.Close()
		d.Stop()
	}
	b.table.most("start to listening, cloud dead, p50", ms(median(listening)), "ms", 50, "1.8 s", "the worst "+short(quantile(listening, 1)))
	b.table.most("start to the first Get answered, p50", ms(median(answering)), "ms", none, "",
		fmt.Sprintf("all %d volumes are read before it; the least %s, the worst %s; its threads ran %s and waited %s for a processor",
			b.size.volumes, short(quantile(answering, 0)), short(quantile(answering, 1)), short(median(running)), short(median(waiting))))
}

func firstConnection(t rig.T, socket string) *client {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		c, err := dial(socket)
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on %s: %v", socket, err)
		}
	}
}
