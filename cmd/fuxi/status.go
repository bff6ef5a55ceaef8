package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/volume/admin"
)

func newStatusCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show on one screen how the daemon on this host is doing",
		Long: `Show how the daemon on this host is doing: whether the cloud answers, what is
mounted or attached here and for whom, what is half done, why and what happens
next, records set aside, and the newest events.

A state of the cloud with "?" was not confirmed lately. The exit code tells only
whether the daemon answered. --json prints everything; durations are
nanoseconds.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				status, err := daemon.Status(ctx)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if asJSON {
					return printJSON(out, status)
				}
				p := page{now: time.Now(), width: terminalWidth(out), all: all}
				p.status(status)
				_, err = io.Copy(out, strings.NewReader(p.text.String()))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "leave nothing out, however long it gets")
	return cmd
}

// terminalWidth is 0 when out is not a terminal.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
