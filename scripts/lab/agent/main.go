// Command agent runs commands in the machines of the lab. "agent serve" listens
// in a machine, on the lab's control network; "agent run" asks it from outside
// and behaves as if the command had run right there: its own standard output,
// error and exit status, its standard input with -i, and it ends when the
// asking process ends.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: agent serve ADDRESS            answer requests on ADDRESS (10.77.2.12:9)
       agent run ADDRESS [-i] CMD...  run CMD there; one word is a line for bash
`

// noAnswer is the exit status when the machine, not the command, failed.
const noAnswer = 255

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "serve":
		err := serve(args[1])
		fmt.Fprintf(os.Stderr, "agent: %v\n", err)
		os.Exit(1)
	case len(args) > 3 && args[0] == "run" && args[2] == "-i":
		os.Exit(run(args[1], request{Argv: args[3:], Stdin: true}))
	case len(args) > 2 && args[0] == "run" && args[2] != "-i":
		os.Exit(run(args[1], request{Argv: args[2:]}))
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}
