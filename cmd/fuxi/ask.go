package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/config"
	"github.com/openstack/fuxi/volume/admin"
)

// asking is a command's work with the daemon behind the admin socket.
type asking func(ctx context.Context, daemon *admin.Client) error

// ask finds the daemon and lets the command work with it. An interrupt ends
// the waiting, not what the daemon does.
func ask(cmd *cobra.Command, work asking) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	socket, err := adminSocket(cmd)
	if err != nil {
		return err
	}
	daemon, err := admin.Dial(ctx, socket)
	if err != nil {
		return err
	}
	if mine := versionString(); daemon.Version() != "" && daemon.Version() != mine {
		fmt.Fprintf(cmd.ErrOrStderr(), "fuxi: warning: the daemon is version %s and this command %s: after an update restart it (systemctl restart fuxi)\n", plain(daemon.Version()), mine)
	}
	return work(ctx, daemon)
}

// adminSocket is --socket, or what the configuration says. A host without the
// default configuration file has the default socket.
func adminSocket(cmd *cobra.Command) (string, error) {
	socket, err := cmd.Flags().GetString("socket")
	if err != nil || socket != "" {
		return socket, err
	}
	file := cmd.Flag("config")
	cfg, err := config.Load(file.Value.String())
	switch {
	case err == nil:
		return cfg.Plugin.AdminSocket, nil
	case errors.Is(err, fs.ErrNotExist) && !file.Changed:
		return config.Default().Plugin.AdminSocket, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", usage("there is no configuration file %s to find the admin socket in: give another --config, or --socket", file.Value)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("the configuration that tells the admin socket cannot be read (try sudo, or give --socket): %w", err)
	}
	first, rest, more := strings.Cut(err.Error(), "\n")
	if more {
		first += fmt.Sprintf(" (and %d more)", 1+strings.Count(rest, "\n"))
	}
	return "", fmt.Errorf("the configuration that tells the admin socket has problems (see fuxi config check, or give --socket): %s", first)
}

// volumeNames checks the number of names given; most is 0 for any number.
func volumeNames(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("%s needs the name of a volume: %s", cmd.Name(), cmd.UseLine())
		case most > 0 && len(args) > most:
			return usage("%s takes one volume at a time, and %q is too much: %s", cmd.Name(), args[1:], cmd.UseLine())
		}
		return nil
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, and %q is too much", cmd.Name(), args)
	}
	return nil
}
