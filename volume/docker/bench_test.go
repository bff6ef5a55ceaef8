package docker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
)

// still is a fake that does not write down what it sees.
type still struct{ *fake }

func (still) Get(_ context.Context, name string) (volume.Info, error) {
	return volume.Info{
		Listed: volume.Listed{Name: name, Mountpoint: "/var/lib/fuxi/mnt/a/data", CreatedAt: time.Unix(1.7e9, 0)},
		Key:    volume.Key{Cloud: "default", Provider: "cinder", ID: "8a2b1f3c-0000-0000-0000-000000000000"},
		Users:  map[string]int{"x": 1}, SizeGiB: 10, State: "in-use", FSType: "ext4", OnRemove: "delete",
	}, nil
}

func manyVolumes(n int) []volume.Listed {
	all := make([]volume.Listed, n)
	for i := range all {
		all[i] = volume.Listed{Name: fmt.Sprintf("volume-%05d", i), Mountpoint: fmt.Sprintf("/var/lib/fuxi/mnt/%05d/data", i), CreatedAt: time.Unix(1.7e9, 0)}
	}
	return all
}

// Get: at least 20,000 calls a second from 16 clients, whose cost is in it. A
// pause of zero shows the most it can do, the other the time one call takes.
func BenchmarkGet(b *testing.B) {
	path := open(b, still{&fake{}}, Options{})
	for _, rate := range []int{0, 20_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			b.ReportAllocs()
			const clients = 16
			times := make([][]time.Duration, clients)
			var all sync.WaitGroup
			for i := range clients {
				all.Go(func() { times[i] = hammer(b, path, b.N/clients+1, rate/clients) })
			}
			all.Wait()
			report(b, slices.Concat(times...))
		})
	}
}

// hammer sends n Gets over one connection, at most rate a second if not zero.
func hammer(b *testing.B, path string, n, rate int) []time.Duration {
	conn, err := net.Dial("unix", path)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer conn.Close()
	const request = "POST /VolumeDriver.Get HTTP/1.1\r\nHost: plugin.moby.localhost\r\nContent-Length: 13\r\n\r\n{\"Name\":\"a\"}\n"
	answers, took := bufio.NewReader(conn), make([]time.Duration, 0, n)
	begin := time.Now()
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		start := time.Now()
		if _, err := io.WriteString(conn, request); err != nil {
			b.Error(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != 200 {
			b.Error(resp, err)
			return took
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		took = append(took, time.Since(start))
	}
	return took
}

// List of 10,000: 15 ms.
func BenchmarkList(b *testing.B) {
	c := client(open(b, still{&fake{listed: manyVolumes(10_000)}}, Options{}))
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if _, _, err := post(c, "VolumeDriver.List", "{}"); err != nil {
			b.Error(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
