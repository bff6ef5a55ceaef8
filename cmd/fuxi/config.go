package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/config"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration, or print one to start from",
		Args:  knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigSampleCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration file and report all its problems",
		Long: `Check a configuration file, that of --config if none is given, and report all
its problems with file and line. The exit code is 1 if there are any. Warnings
are printed and change nothing.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("check takes one file, and %q is too much", args[1:])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := cmd.Flag("config").Value.String()
			if len(args) > 0 {
				file = args[0]
			}
			return checkConfig(cmd, file)
		},
	}
}

func checkConfig(cmd *cobra.Command, file string) error {
	cfg, err := config.Load(file)
	var problem config.Problem
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case errors.As(err, &problem):
		text := plainLines(err.Error())
		fmt.Fprintln(cmd.ErrOrStderr(), text)
		n := 1 + strings.Count(text, "\n")
		return fmt.Errorf("%s has %d problem%s", file, n, strings.Repeat("s", min(n-1, 1)))
	case err != nil:
		return err
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "fuxi: warning:", plain(w))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
	return err
}

func newConfigSampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "sample",
		Short:   "Print a configuration with every key, its default and what it means",
		Example: "  fuxi config sample > /etc/fuxi/fuxi.toml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Sample())
			return err
		},
	}
}
