package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

// Exit codes. Scripts rely on them: a number keeps its meaning.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNoDaemon    = 3
	exitNotFound    = 4
	exitInUse       = 5
	exitUnsafe      = 6
	exitUnavailable = 7
	exitPermission  = 8
)

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes of fuxi mean",
		Long: `What the exit codes of fuxi mean:

  0  done
  1  failed for a reason not listed here; a configuration with problems;
     several volumes failed for different reasons
  2  bad usage: unknown command, flag or volume option, or a value not allowed
  3  no fuxi daemon answers on the admin socket
  4  no such volume
  5  in use, or in conflict with what is there
  6  refused because data would be in danger
  7  the cloud or the daemon could not do it now, or it is not finished yet:
     the same command may be repeated
  8  no permission to use the admin socket`,
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// several are the errors of a command about several volumes.
type several []error

func (s several) Error() string {
	var texts []string
	for _, err := range s {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// or is nil when nothing failed.
func (s several) or() error {
	switch len(s) {
	case 0:
		return nil
	case 1:
		return s[0]
	}
	return s
}

// report prints what went wrong, one line for each error, and returns the exit
// code.
func report(stderr io.Writer, err error) int {
	var many several
	if !errors.As(err, &many) && err != nil {
		many = several{err}
	}
	code := exitOK
	for _, err := range many {
		fmt.Fprintln(stderr, "fuxi:", plainLines(err.Error()))
		switch c := exitCode(err); code {
		case exitOK, c:
			code = c
		default:
			code = exitFailure
		}
	}
	return code
}

func exitCode(err error) int {
	for _, c := range []struct {
		kind error
		code int
	}{
		{admin.ErrNoDaemon, exitNoDaemon},
		{fs.ErrPermission, exitPermission},
		{volume.ErrNotFound, exitNotFound},
		{volume.ErrInUse, exitInUse},
		{volume.ErrConflict, exitInUse},
		{volume.ErrUnsafe, exitUnsafe},
		{volume.ErrUnavailable, exitUnavailable},
		{volume.ErrInvalid, exitUsage},
	} {
		if errors.Is(err, c.kind) {
			return c.code
		}
	}
	var bad usageError
	if errors.As(err, &bad) {
		return exitUsage
	}
	return exitFailure
}
