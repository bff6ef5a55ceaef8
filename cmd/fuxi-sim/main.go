// Command fuxi-sim runs the simulated OpenStack cloud as a program of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/openstack/fuxi/providers/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fuxi-sim:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "fuxi-sim",
		Short:         "A simulated OpenStack: Identity, Block Storage and Shared File Systems with real data",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand())
	return root
}

func serveCommand() *cobra.Command {
	var (
		dir, listen string
		servers     []string
		opts        simulator.Options
	)
	cmd := &cobra.Command{
		Use:   "serve --dir DIR",
		Short: "Serve the cloud that lives in a directory, making a new one when there is none",
		Long: `Serve the cloud that lives in a directory, making a new one when there is none.

clouds.yaml in the directory has the clouds sim, sim-admin, sim-appcred and
sim-other. When the cloud is ready its address is printed. SIGTERM ends it; after
SIGKILL the next start finds everything as it was and finishes what was under way.

Without a token, on the same port:
  GET, DELETE /admin/counters        requests by kind
  GET, POST, DELETE /admin/faults    misbehaviour, as a JSON list of
      {"service": "cinder", "method": "POST", "path": "^/attachments$", "times": 1, "do": "lose_reply"}
      do: delay, status, drop, blackhole, lose_reply, stick
  POST /admin/expire-tokens          every token becomes invalid
  POST /admin/volumes/ID             {"status": ..., "name": ..., "metadata": ..., "created_at": ...}
  POST /admin/shares/ID              the same, with exports, is_soft_deleted and message; service is manila`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Servers, err = machines(servers); err != nil {
				return err
			}
			return serve(cmd, dir, listen, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&servers, "server", nil, "a virtual machine, to which volumes can be attached: ID[,name=NAME][,max-disks=N][,console=SOCKET[,path=FROM:TO]]; "+
		"the console is that of a user-mode Linux kernel, which finds the cloud's directory FROM at TO (repeatable)")
	flags.StringVar(&dir, "dir", "", "directory that holds the whole cloud (required)")
	flags.StringVar(&listen, "listen", "127.0.0.1:5000", "address to listen on; port 0 chooses a free one")
	flags.IntVar(&opts.Seed, "seed-volumes", 0, "number of volumes that are there from the start")
	flags.DurationVar(&opts.Latency, "latency", 0, "delay of every API answer")
	flags.DurationVar(&opts.TokenTTL, "token-ttl", time.Hour, "how long a token is valid")
	flags.DurationVar(&opts.Settle, "settle", 50*time.Millisecond, "how long creating, extending and deleting last")
	flags.IntVar(&opts.QuotaVolumes, "quota-volumes", 0, "most volumes, and most shares, of a project; 0 is no limit")
	flags.IntVar(&opts.QuotaGigabytes, "quota-gigabytes", 0, "most GiB of volumes, and of shares, of a project; 0 is no limit")
	cobra.CheckErr(cmd.MarkFlagRequired("dir"))
	return cmd
}

func serve(cmd *cobra.Command, dir, listen string, opts simulator.Options) (err error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	opts.Ready = func(url string) { fmt.Fprintln(cmd.OutOrStdout(), url) }
	cloud, err := simulator.Open(dir, opts)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	return cloud.Serve(cmd.Context(), listener)
}
