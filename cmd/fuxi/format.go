package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newFormatCommand() *cobra.Command {
	var req volume.FormatRequest
	cmd := &cobra.Command{
		Use:                   "format NAME --erase --id VOLUME_ID",
		DisableFlagsInUseLine: true,
		Short:                 "Make a new filesystem on a volume, destroying what is on it",
		Long: `Make a new filesystem on a volume, destroying what is on it.

fuxi itself formats only volumes that it made and found blank, once. This is for
the others, when an operator knows that nobody wants what is on one. It happens
at once, without a question, and is logged. --id must be the id of the volume
in the cloud, so that a mistyped name destroys nothing: fuxi inspect NAME and
openstack volume show tell it. A volume in use is refused.`,
		Example:           "  fuxi format my_vol --erase --id 1f6a7b9c-6b39-4a5e-9d3b-2f4f6c0d8e11",
		Args:              volumeNames(1),
		ValidArgsFunction: completeVolume,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			if !req.Erase || req.ID == "" {
				return usage("format destroys what is on %s, and nothing was done: if nobody wants it, say fuxi format %s --erase --id VOLUME_ID, with the id that fuxi inspect %s shows", req.Name, req.Name, req.Name)
			}
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				if err := daemon.Format(ctx, req); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) has a new filesystem\n", req.Name, req.ID)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&req.Erase, "erase", false, "what is on the volume may be destroyed (required)")
	cmd.Flags().StringVar(&req.ID, "id", "", "id of the volume in the cloud (required)")
	cmd.Flags().StringVar(&req.FSType, "fstype", "", "filesystem to make: ext4, xfs or btrfs; otherwise the volume's own")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("fstype", cobra.FixedCompletions([]string{"ext4", "xfs", "btrfs"}, cobra.ShellCompDirectiveNoFileComp)))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("id", cobra.NoFileCompletions))
	return cmd
}
