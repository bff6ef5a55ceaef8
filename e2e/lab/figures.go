//go:build e2e

package lab

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
)

// figure is one measured number and what it may be at most or at least.
type figure struct {
	what, value, target, note string
}

// figures collects what the tests measure.
type figures struct {
	mu  sync.Mutex
	all []figure
}

func (f *figures) add(what, value, target, note string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, figure{what, value, target, note})
}

// print writes the table for people.
func (f *figures) print() {
	if len(f.all) == 0 {
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\nFIGURE\tMEASURED\tTARGET\tNOTE")
	for _, g := range f.all {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", g.what, g.value, g.target, g.note)
	}
	_ = out.Flush()
}

// save writes the table for the documentation.
func (f *figures) save(path, versions string) error {
	var text strings.Builder
	text.WriteString(`# Figures from the lab

Measured by ` + "`make e2e FULL=1`" + ` on a real OpenStack; written by it, not by hand. The guests are user-mode Linux: code runs at
native speed, but each system call and each child process costs several times what it costs elsewhere. Ratios hold; absolute
times are upper bounds.

| figure | measured | target | note |
|---|---|---|---|
`)
	for _, g := range f.all {
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", g.what, g.value, g.target, strings.ReplaceAll(g.note, "|", "\\|"))
	}
	text.WriteString(`
"Missed": the own time of a mount is what is left of it beside calls to the cloud, commands and waiting for devices, by the
clock; what fuxi computes and writes to its journal is in it. A guest has one processor, which udev, multipathd and the
processes they start want at the same moments, and the guests share those of one machine: most of it is waiting for a turn,
and the least of several mounts is nearer to fuxi than the median. Elsewhere it is a tenth of that
([benchmarks.md](benchmarks.md)).
`)
	fmt.Fprintf(&text, "\nThe lab consisted of\n\n```\n%s\n```\n", versions)
	return os.WriteFile(path, []byte(text.String()), 0o644)
}
