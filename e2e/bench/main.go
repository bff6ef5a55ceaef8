// Command bench measures the shipped binaries, bin/fuxi and bin/fuxi-sim, on
// this machine and prints one table of figures, their limits and their ratios.
// It needs root, because it mounts; `make bench` builds and runs it.
//
// It takes away what it made (processes, mounts, loop devices, directories)
// also when it is interrupted. Its exit code is 0 whatever the figures, unless
// --strict is given.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/openstack/fuxi/e2e/rig"
)

// bench is one run.
type bench struct {
	t     *reporter
	table *table
	size  sizes
}

// sizes is how much of everything is done.
type sizes struct {
	volumes   int // known to the daemon
	gets      int // by one client in one round
	rounds    int // of everything that is repeated against noise
	lists     int
	starts    int
	mounts    int // cold ones, for the own time
	together  int // mounts at once
	megabytes int // of sequential reading and writing
	blocks    int // of random reading and writing
	fulls     int // full refreshes before the memory is read
}

func fullSize() sizes {
	return sizes{volumes: 10_000, gets: 20_000, rounds: 3, lists: 60, starts: 9, mounts: 40, together: 64, megabytes: 128, blocks: 1000, fulls: 3}
}

func quickSize() sizes {
	return sizes{volumes: 10_000, gets: 3_000, rounds: 1, lists: 10, starts: 3, mounts: 5, together: 8, megabytes: 16, blocks: 200, fulls: 1}
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "bare" {
		fmt.Fprintln(os.Stderr, "bench:", serveBare(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(run())
}

func run() int {
	quick := flag.Bool("quick", false, "a short run that only shows that everything works")
	strict := flag.Bool("strict", false, "exit with 1 when a figure is over its limit")
	jsonFile := flag.String("json", "", "write the figures to this `file` too")
	bin := flag.String("bin", "bin", "`directory` of the shipped binaries")
	only := flag.String("only", "", "run only the `part` memory or mounts")
	flag.Parse()
	if err := useBinaries(*bin); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	b := &bench{t: &reporter{}, table: &table{}, size: fullSize()}
	if *quick {
		b.size = quickSize()
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		b.t.interrupt()
		os.Exit(130)
	}()
	failed := b.t.protect(func() { b.all(*only) })
	b.table.print(os.Stdout)
	if *jsonFile != "" {
		if err := b.table.writeJSON(*jsonFile); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 2
		}
	}
	if failed || *strict && b.table.over() > 0 {
		return 1
	}
	return 0
}

// useBinaries has the rig take the binaries of a directory as they are.
func useBinaries(dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("this mounts and needs root: sudo make bench")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, name := range []string{"fuxi", "fuxi-sim"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%w (run make build first)", err)
		}
	}
	return os.Setenv("FUXI_TEST_BIN", dir)
}

// all runs every part, or only one.
func (b *bench) all(only string) {
	b.table.head = machine(os.TempDir())
	parts := []struct {
		name string
		run  func(rig.T)
	}{{"memory", b.many}, {"mounts", b.mounts}}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		b.t.Logf("measuring: %s", p.name)
		p.run(b.t)
		b.t.cleanup()
		b.table.head = append(b.table.head, fmt.Sprintf("load after %s: %s (what else runs here is in the figures)", p.name, load()))
	}
}
