package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func newInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:                   "inspect NAME...",
		DisableFlagsInUseLine: true,
		Short:                 "Show all that is known about volumes",
		Long: `Show all that is known about volumes, without asking the cloud.

--json prints a list of objects; durations are nanoseconds.`,
		Args:              volumeNames(0),
		ValidArgsFunction: completeVolumes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd, func(ctx context.Context, daemon *admin.Client) error {
				infos, failed := []volume.Info{}, several(nil)
				for _, name := range args {
					info, err := daemon.Get(ctx, name)
					if err != nil {
						failed = append(failed, err)
						continue
					}
					infos = append(infos, info)
				}
				if err := printDetails(cmd.OutOrStdout(), infos, asJSON, time.Now()); err != nil {
					return err
				}
				return failed.or()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printDetails(out io.Writer, infos []volume.Info, asJSON bool, now time.Time) error {
	if asJSON {
		return printJSON(out, infos)
	}
	var text strings.Builder
	for i, info := range infos {
		if i > 0 {
			text.WriteByte('\n')
		}
		for _, line := range details(info, now) {
			if line[1] != "" {
				fmt.Fprintf(&text, "%-13s%s\n", line[0]+":", plain(line[1]))
			}
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// details are the keys and values for people; empty values are left out.
func details(info volume.Info, now time.Time) [][2]string {
	confirmed := "not confirmed by the cloud yet"
	if info.Age > 0 {
		confirmed = "confirmed " + span(info.Age) + " ago"
	}
	if info.Stale && info.Age > 0 {
		confirmed += " and not since"
	}
	fstype := info.FSType
	if fstype != "" && !info.Formatted {
		fstype += " (made at the first mount)"
	}
	created := ""
	if !info.CreatedAt.IsZero() {
		created = fmt.Sprintf("%s (%s)", info.CreatedAt.UTC().Format("2006-01-02 15:04:05 UTC"), ago(now, info.CreatedAt))
	}
	lines := [][2]string{
		{"Name", info.Name},
		{"ID", info.ID},
		{"Cloud", fmt.Sprintf("%s (%s)", info.Cloud, info.Provider)},
		{"Size", gib(info.SizeGiB)},
		{"Type", info.Type},
		{"State", fmt.Sprintf("%s (%s)", info.State, confirmed)},
		{"Filesystem", fstype},
		{"Attached to", info.AttachedTo},
		{"Mountpoint", info.Mountpoint},
		{"Users", users(info, 0)},
		{"Step", info.Step},
		{"Last error", info.LastError},
		{"Created", created},
		{"On remove", info.OnRemove},
	}
	for _, note := range info.Notes {
		lines = append(lines, [2]string{"Note", note})
	}
	return lines
}
