package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newCreateCommand() *cobra.Command {
	var options []string
	cmd := &cobra.Command{
		Use:                   "create NAME [-o OPTION=VALUE]...",
		DisableFlagsInUseLine: true,
		Short:                 "Create a volume, as docker volume create -d fuxi does",
		Long: `Create a volume, as docker volume create -d fuxi does, with the same options:
-o help prints them. A volume of the name that is as asked for is success.`,
		Example: "  fuxi create my_vol -o size=10 -o fstype=xfs",
		Args: func(cmd *cobra.Command, args []string) error {
			if raw, err := optionMap(options); err == nil && volume.HelpAsked(raw) && len(args) == 0 {
				return nil
			}
			return volumeNames(1)(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := optionMap(options)
			if err != nil {
				return err
			}
			if volume.HelpAsked(raw) {
				_, err := fmt.Fprint(cmd.OutOrStdout(), volume.OptionsHelp())
				return err
			}
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				if err := daemon.Create(ctx, args[0], raw); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0])
				return err
			})
		},
	}
	// An array, not a slice: values may have commas in them.
	cmd.Flags().StringArrayVarP(&options, "opt", "o", nil, "option of the volume, OPTION=VALUE; help lists them")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("opt", completeOptions))
	return cmd
}

// optionMap takes OPTION=VALUE apart. Whether an option exists is the daemon's
// to say.
func optionMap(options []string) (map[string]string, error) {
	raw := map[string]string{}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		_, twice := raw[name]
		switch {
		case name == "":
			return nil, usage("option %q has no name: give it as -o OPTION=VALUE (-o help lists them)", o)
		case !ok && name != "help":
			return nil, usage("option %q has no value: give it as -o %s=VALUE (-o help lists them)", o, name)
		case twice:
			return nil, usage("option %s is given twice", name)
		}
		raw[name] = value
	}
	return raw, nil
}
