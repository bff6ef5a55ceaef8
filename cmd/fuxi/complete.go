package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

// completeLimit is how long a shell is kept waiting for a Tab.
const completeLimit = time.Second

// completeVolumes offers the names of volumes that are not on the line yet.
// When the daemon cannot be asked it offers nothing and says nothing.
func completeVolumes(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeLimit)
	defer cancel()
	socket, err := adminSocket(cmd)
	if err != nil {
		return nil, nothingElse
	}
	daemon, err := admin.Dial(ctx, socket)
	if err != nil {
		return nil, nothingElse
	}
	infos, err := daemon.Infos(ctx)
	if err != nil {
		return nil, nothingElse
	}
	var names []string
	for _, info := range infos {
		if strings.HasPrefix(info.Name, word) && !slices.Contains(args, info.Name) {
			names = append(names, info.Name)
		}
	}
	return names, nothingElse
}

// completeVolume offers names for a command that takes one.
func completeVolume(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeVolumes(cmd, args, word)
}

// completeOptions offers the names of -o options, which a value follows.
func completeOptions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return optionNames(volume.OptionsHelp()), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// optionNames reads the first column of the table that people get, so that
// both list the same.
func optionNames(help string) []string {
	var names []string
	for line := range strings.Lines(help) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), " ")
		switch {
		case !strings.HasPrefix(line, "  ") || name == "OPTION":
		case name == "help":
			names = append(names, name)
		case strings.HasSuffix(name, ".KEY"):
			names = append(names, strings.TrimSuffix(name, "KEY"))
		default:
			names = append(names, name+"=")
		}
	}
	return names
}
