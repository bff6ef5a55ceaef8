//go:build e2e

// Command committer does what a database does: a line is committed when it is
// on the disk, and only then it is told, with the time. It goes on where the
// last one ended. It starts no child: a guest of the lab does not survive that
// a process is killed in the middle of a fork.
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

func main() {
	fmt.Fprintln(os.Stderr, "committer:", commit(os.Args[1]))
	os.Exit(1)
}

// commit appends the numbers from 1 to a file, twenty a second, until it fails.
func commit(path string) error {
	before, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for n := bytes.Count(before, []byte("\n")) + 1; ; n++ {
		if _, err := fmt.Fprintln(out, n); err != nil {
			return err
		}
		if err := out.Sync(); err != nil {
			return err
		}
		fmt.Println(n, float64(time.Now().UnixMilli())/1000)
		time.Sleep(50 * time.Millisecond)
	}
}
