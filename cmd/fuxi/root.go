package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openstack/fuxi/config"
)

// newRootCommand is fuxi with all its commands, writing to stdout and stderr.
func newRootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "fuxi",
		Short: "Docker volumes on OpenStack",
		Long: `fuxi gives Docker containers persistent volumes that live in an OpenStack cloud.

"fuxi serve" is the plugin that Docker calls; it runs on every host. The other
commands ask the one that runs on this host, as root.`,
		Example: `  docker volume create -d fuxi --name my_vol -o size=10
  fuxi ls
  fuxi status`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.PersistentFlags().String("config", config.DefaultPath, "configuration file; it also tells the admin socket")
	root.PersistentFlags().String("socket", "", "admin socket of the daemon, instead of the one in the configuration")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newServeCommand(), newLsCommand(), newInspectCommand(), newCreateCommand(), newRmCommand(),
		newStatusCommand(), newGrowCommand(), newFormatCommand(), newConfigCommand(), newVersionCommand(), newExitCodesTopic(),
	)
	root.SetHelpCommand(newHelpCommand())
	addCompletionCommand(root)
	argumentsAreUsage(root)
	cobra.CheckErr(root.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"toml"}, cobra.ShellCompDirectiveFilterFileExt)))
	return root
}

// argumentsAreUsage makes bad usage of what any command says about its
// arguments, cobra's own commands included.
func argumentsAreUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage("%w", err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		argumentsAreUsage(sub)
	}
}

// addCompletionCommand adds cobra's own, which writes to the output that root has
// at this moment. Left to itself cobra adds it later, and
// then an unknown shell is a success.
func addCompletionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if cmd, _, err := root.Find([]string{"completion"}); err == nil && cmd != root {
		cmd.Args = knownCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// newHelpCommand replaces cobra's, for which an unknown topic is a success.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if at, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, sub := range at.Commands() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("no help about %q: fuxi help lists the commands", strings.Join(args, " "))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// knownCommand is for commands that only hold others: an argument left over is
// a command that does not exist.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := "; " + cmd.CommandPath() + " --help lists them"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usage("unknown command %q%s", cmd.CommandPath()+" "+args[0], hint)
}

// flagError names the nearest flag for one that does not exist.
func flagError(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
	if unknown, ok := err.(*pflag.NotExistError); ok && unknown.GetSpecifiedShortnames() == "" {
		if near := nearestFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			hint = fmt.Sprintf("; did you mean --%s?", near)
		}
	}
	return usage("%s: %w%s", cmd.Name(), err, hint)
}

// nearestFlag has cobra's search for similar commands look among the flags.
func nearestFlag(cmd *cobra.Command, name string) string {
	flags := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := flags.SuggestionsFor(name); len(near) > 0 {
		return near[0]
	}
	return ""
}
