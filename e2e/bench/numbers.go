package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// quantile of times, q from 0 to 1.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func median(times []time.Duration) time.Duration { return quantile(times, 0.5) }

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// best is the smallest, and all of them for a note: other load on the machine
// only ever adds.
func best(times []time.Duration) (time.Duration, string) {
	var all []string
	for _, d := range times {
		all = append(all, short(d))
	}
	return slices.Min(times), fmt.Sprintf("the best of %d rounds (%s)", len(times), strings.Join(all, ", "))
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// machine says what was measured on.
func machine(dir string) []string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	write, floor := fsyncFloor(dir)
	return []string{
		fmt.Sprintf("%s, %d processors, kernel %s, load %s", time.Now().UTC().Format(time.RFC3339), runtime.NumCPU(),
			strings.TrimSpace(string(kernel)), load()),
		fmt.Sprintf("%s: overwriting 4 KiB with fdatasync takes %s, replacing a file by rename with fsync of both %s (p50)", dir, short(write), short(floor)),
	}
}

// load is the machine's load average over 1, 5 and 15 minutes.
func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// processor is how long a process's threads have run, and how long they have
// waited while others ran: the part of a figure that a quieter machine saves.
func processor(pid int) (ran, waited time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		var r, w int64
		data, _ := os.ReadFile(path)
		if n, _ := fmt.Sscan(string(data), &r, &w); n == 2 {
			ran, waited = ran+time.Duration(r), waited+time.Duration(w)
		}
	}
	return ran, waited
}

// fsyncFloor is what the disk itself takes for the two ways of writing durably.
func fsyncFloor(dir string) (overwrite, replace time.Duration) {
	dir, err := os.MkdirTemp(dir, "fuxi-fsync-")
	if err != nil {
		return 0, 0
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "slots"))
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	block := make([]byte, 4096)
	_, _ = f.Write(append(block, block...))
	_ = f.Sync()
	var over, repl []time.Duration
	for i := range 60 {
		begin := time.Now()
		_, _ = f.WriteAt(block, int64(i%2)*4096)
		_ = unix.Fdatasync(int(f.Fd()))
		over = append(over, time.Since(begin))
		begin = time.Now()
		replaceFile(dir, block)
		repl = append(repl, time.Since(begin))
	}
	return median(over), median(repl)
}

func replaceFile(dir string, data []byte) {
	path := filepath.Join(dir, "whole")
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return
	}
	_, _ = f.Write(data)
	_ = unix.Fdatasync(int(f.Fd()))
	_ = f.Close()
	_ = os.Rename(path+".tmp", path)
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
