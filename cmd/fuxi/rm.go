package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newRmCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:                   "rm NAME...",
		Aliases:               []string{"remove"},
		DisableFlagsInUseLine: true,
		Short:                 "Remove volumes: delete them in the cloud, or let go of them",
		Long: `Remove volumes, as docker volume rm does. What fuxi created is deleted in the
cloud, what it adopted is kept there and only forgotten, unless on_remove said
otherwise: "On remove" of fuxi inspect tells which. Volumes in use are refused.

All names are tried, whatever becomes of the first.`,
		Args:              volumeNames(0),
		ValidArgsFunction: completeVolumes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				var failed several
				for _, name := range args {
					err := remove(ctx, daemon, name, force)
					if err == nil {
						_, err = fmt.Fprintln(cmd.OutOrStdout(), name)
					}
					if err != nil {
						failed = append(failed, err)
					}
					if ctx.Err() != nil {
						break
					}
				}
				return failed.or()
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "a volume that does not exist is no error")
	return cmd
}

// remove is the Service's Remove, except that a name nobody knows is an error:
// an operator has mistyped it.
func remove(ctx context.Context, svc admin.Service, name string, force bool) error {
	if !force {
		if _, err := svc.Get(ctx, name); errors.Is(err, volume.ErrNotFound) {
			return err
		}
	}
	return svc.Remove(ctx, name)
}
