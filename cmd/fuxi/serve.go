package main

import (
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/openstack/fuxi/config"
	"github.com/spf13/cobra"
)

// gcPercent lets 10,000 volumes stay within 50 MB at the worst moment. A lower
// one saves memory there, but on a host with few volumes, whose heap is a few
// MB, it has mounts collect garbage on their way.
const gcPercent = 200

func newServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the plugin: answer Docker on its socket until told to stop",
		Long: `Run the plugin: answer Docker on its socket until SIGTERM or SIGINT.

The cloud need not answer for it to start. On SIGTERM running calls are
finished, unused volumes are given back and used ones stay mounted: Docker does
not notice a restart of a few seconds.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			debug.SetGCPercent(gcPercent)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			daemon, err := newDaemon(cmd.Context(), cfg, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings() {
				daemon.log.Warn(w)
			}
			return daemon.run(ctx)
		},
	}
}
