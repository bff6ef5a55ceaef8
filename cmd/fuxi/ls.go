package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newLsCommand() *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:                   "ls [NAME...]",
		Aliases:               []string{"list"},
		DisableFlagsInUseLine: true,
		Short:                 "List the volumes of the cluster",
		Long: `List the volumes of the cluster, all or those with the names given. A name may
have the wildcards * and ?, in quotes.

STATE is the cloud's word; "?" after it means that the cloud did not confirm it
lately. A FILESYSTEM in parentheses is made at the first mount. USERS counts the
containers of this host.

--json prints a list of objects; durations are nanoseconds.`,
		ValidArgsFunction: completeVolumes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && quiet {
				return usage("ls prints JSON or names: --json and --quiet exclude each other")
			}
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				infos, err := daemon.Infos(ctx)
				if err != nil {
					return err
				}
				chosen, missing := choose(infos, args)
				if err := printVolumes(cmd.OutOrStdout(), chosen, asJSON, quiet); err != nil {
					return err
				}
				return missing
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	return cmd
}

// choose picks the volumes that a pattern matches, in their order. The error
// tells of patterns that match none.
func choose(infos []volume.Info, patterns []string) ([]volume.Info, error) {
	if len(patterns) == 0 {
		return infos, nil
	}
	matched := map[string]bool{}
	chosen := slices.DeleteFunc(slices.Clone(infos), func(info volume.Info) bool {
		hit := false
		for _, p := range patterns {
			if ok, err := path.Match(p, info.Name); ok && err == nil {
				matched[p], hit = true, true
			}
		}
		return !hit
	})
	var failed several
	for _, p := range patterns {
		if !matched[p] {
			failed = append(failed, volume.Errorf(volume.ErrNotFound, "no such volume: %s", p))
		}
	}
	return chosen, failed.or()
}

func printVolumes(out io.Writer, infos []volume.Info, asJSON, quiet bool) error {
	if asJSON {
		return printJSON(out, append([]volume.Info{}, infos...))
	}
	if quiet {
		var names strings.Builder
		for _, info := range infos {
			names.WriteString(plain(info.Name) + "\n")
		}
		_, err := io.WriteString(out, names.String())
		return err
	}
	rows := [][]string{{"NAME", "SIZE", "TYPE", "STATE", "FILESYSTEM", "ATTACHED-TO", "USERS", "MOUNTPOINT"}}
	for _, info := range infos {
		rows = append(rows, []string{
			info.Name, gib(info.SizeGiB), info.Type, state(info), filesystem(info), info.AttachedTo, userCount(info), info.Mountpoint,
		})
	}
	var text bytes.Buffer
	if err := table(&text, "", 0, rows); err != nil {
		return err
	}
	_, err := text.WriteTo(out)
	return err
}

func userCount(info volume.Info) string {
	n := 0
	for _, count := range info.Users {
		n += count
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
