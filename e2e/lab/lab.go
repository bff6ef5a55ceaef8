//go:build e2e

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// lab is the command that runs the lab.
type lab struct{ command string }

// patience is for one command on a machine: more than Docker's own limit for
// the slowest call of a plugin.
const patience = 150 * time.Second

// findLab takes FUXI_LAB, else the one of this checkout.
func findLab() (lab, error) {
	command := os.Getenv("FUXI_LAB")
	if command == "" {
		command = filepath.Join("..", "..", "scripts", "lab", "lab")
	}
	path, err := filepath.Abs(command)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return lab{}, fmt.Errorf("there is no lab command (FUXI_LAB): %w", err)
	}
	return lab{path}, nil
}

// failed is a command that ran and did not succeed.
type failed struct {
	command string
	out     string // all it wrote to standard output
	text    string // and to standard error
	cause   error
}

func (f *failed) Error() string {
	return fmt.Sprintf("%s: %v: %s", f.command, f.cause, strings.TrimSpace(f.text+"\n"+f.out))
}

func (f *failed) Unwrap() error { return f.cause }

// run runs a command of the lab and returns what it wrote, without the last
// line end.
func (l lab) run(limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out, text bytes.Buffer
	cmd := exec.CommandContext(ctx, l.command, args...)
	cmd.Stdout, cmd.Stderr = &out, &text
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %s", limit)
	}
	// A machine that the command started holds no pipe of it, but nothing is
	// wrong if one does.
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return out.String(), &failed{command: strings.Join(args, " "), out: out.String(), text: text.String(), cause: err}
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

// machines lists the lab's machines that are running.
func (l lab) machines() ([]string, error) {
	out, err := l.run(30*time.Second, "status")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[1] != "off" {
			names = append(names, f[0])
		}
	}
	return names, nil
}

// nodes lists the Docker hosts that the tests may use.
func (l lab) nodes() ([]string, error) {
	if chosen := strings.Fields(os.Getenv("FUXI_LAB_USE")); len(chosen) > 0 {
		return chosen, nil
	}
	all, err := l.machines()
	if err != nil {
		return nil, err
	}
	var nodes []string
	for _, name := range all {
		if regexp.MustCompile(`^node\d+$`).MatchString(name) {
			nodes = append(nodes, name)
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("no Docker host of the lab is up: %s up", l.command)
	}
	return nodes, nil
}

// versions is what the lab consists of, a line for each package.
func (l lab) versions() (string, error) { return l.run(time.Minute, "versions") }
