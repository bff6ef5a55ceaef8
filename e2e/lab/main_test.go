//go:build e2e

package lab

import (
	"flag"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// inside marks a process that runs in the lab's network namespace, where the
// cloud's addresses are.
const inside = "FUXI_LAB_INSIDE"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(inside) == "" {
		err := enter()
		fmt.Fprintln(os.Stderr, "the lab cannot be entered:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// enter runs this program once more, in the lab's network namespace. It
// returns only when that fails.
func enter() error {
	l, err := findLab()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := append([]string{l.command, "ns", "env", inside + "=1", "FUXI_LAB=" + l.command, self}, os.Args[1:]...)
	return syscall.Exec(l.command, argv, os.Environ())
}
