package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newGrowCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "grow NAME SIZE",
		DisableFlagsInUseLine: true,
		Short:                 "Make a volume larger, while containers use it",
		Long: `Make a volume larger: the cloud's volume, its device on this host and its
filesystem, while containers use it. SIZE is the new total, in GiB as 20, 20G or
20GiB, or in TiB as 1T: as for -o size. A volume cannot shrink.

Run it on the host that uses the volume. Of a volume that is mounted nowhere the
cloud's part grows now and the filesystem at the next mount.

The command may be repeated: what has the size already is left as it is, what a
failure or a crash left half done is finished. Interrupting it ends the waiting,
not the growing.`,
		Example: "  fuxi grow my_vol 20",
		Args: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return usage("grow needs the name of a volume and its new size: %s", cmd.UseLine())
			case 1:
				return usage("grow needs the new size of %s, as a total: %s", args[0], cmd.UseLine())
			case 2:
				return nil
			}
			return usage("grow takes one volume and one size, and %q is too much: %s", args[2:], cmd.UseLine())
		},
		ValidArgsFunction: completeVolume,
		RunE: func(cmd *cobra.Command, args []string) error {
			size, err := volume.ParseSize(args[1])
			if err != nil {
				return err
			}
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				grown, err := daemon.Grow(ctx, volume.GrowRequest{Name: args[0], SizeGiB: size})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), plain(grownText(grown)))
				return err
			})
		},
	}
}

// grownText says who has the space now, and when the others get it.
func grownText(g volume.Grown) string {
	text := fmt.Sprintf("%s has %d GiB now, it had %d", g.Name, g.SizeGiB, g.WasGiB)
	if g.WasGiB == g.SizeGiB {
		text = fmt.Sprintf("%s has %d GiB", g.Name, g.SizeGiB)
	}
	switch g.Reached {
	case volume.ReachFilesystem:
		return text + ", and so has its filesystem"
	case volume.ReachDevice:
		return text + ", and so has its device; the filesystem grows when it is mounted"
	case volume.ReachHidden:
		return text + "; this host sees the new size once it has given the volume back and mounts it again"
	}
	return text + "; the filesystem grows when it is mounted"
}
