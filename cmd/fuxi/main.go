// Command fuxi is the volume plugin's daemon (fuxi serve) and the operator's
// view of it (every other command).
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code. ctx is not the end of
// anything here: the commands that can be interrupted watch for signals
// themselves, each in its own way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand(stdout, stderr)
	root.SetArgs(args)
	return report(stderr, root.ExecuteContext(ctx))
}
