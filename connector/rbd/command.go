package rbd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// commandLimit is how long one of Ceph's tools may take; they try a dead cluster
// for five minutes.
const commandLimit = 20 * time.Second

// command is one of Ceph's programs with the volume's own user. A key that is in
// no file of this host goes by the environment.
func (c *Connector) command(v volume, a access, name string, args ...string) host.Command {
	conf := "/dev/null"
	if a.conf.Found {
		conf = a.conf.File
	}
	cmd := host.Command{Name: name, Args: []string{"--conf", conf, "--cluster", v.cluster, "--id", v.user}}
	if len(v.monitors) > 0 {
		cmd.Args = append(cmd.Args, "-m", strings.Join(a.monitors, ","))
	}
	switch {
	case a.key.File != "":
		cmd.Args = append(cmd.Args, "--keyring", a.key.File)
	case a.key.Text != "":
		cmd.Env = []string{"CEPH_ARGS=--key=" + a.key.Text}
	}
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

// tool runs a program that asks the cluster something.
func (c *Connector) tool(ctx context.Context, v volume, a access, name string, args ...string) (host.Result, error) {
	limited, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("no answer for %s", commandLimit))
	defer cancel()
	res, err := c.host.Run(limited, c.command(v, a, name, args...))
	if host.IsMissing(err) {
		err = fmt.Errorf("%w (ceph-common): %w", err, connector.ErrUnsupported)
	}
	return res, err
}

// ask runs a program that answers with one JSON value on its output.
func (c *Connector) ask(ctx context.Context, v volume, a access, into any, name string, args ...string) error {
	res, err := c.tool(ctx, v, a, name, append(args, "--format", "json")...)
	what := name + " " + strings.Join(args, " ")
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := res.Check(what); err != nil {
		return err
	}
	// Some print a second value after the first.
	if err := json.NewDecoder(strings.NewReader(string(res.Stdout))).Decode(into); err != nil {
		return fmt.Errorf("%s: cannot read its answer: %w", what, err)
	}
	return nil
}

// watcher is one client that has the image open, as the storage sees it.
type watcher struct {
	Address string `json:"address"`
	Client  uint64 `json:"client"`
}

func (w watcher) name() string { return fmt.Sprintf("client.%d", w.Client) }

func (c *Connector) watchers(ctx context.Context, v volume, a access) ([]watcher, error) {
	var status struct {
		Watchers []watcher `json:"watchers"`
	}
	err := c.ask(ctx, v, a, &status, "rbd", "status", v.image.String())
	return status.Watchers, err
}

// lockOwner is who has the exclusive lock of the image; "" when nobody has.
func (c *Connector) lockOwner(ctx context.Context, v volume, a access) (string, error) {
	var locks []struct {
		Locker  string `json:"locker"`
		Address string `json:"address"`
	}
	err := c.ask(ctx, v, a, &locks, "rbd", "lock", "ls", v.image.String())
	if err != nil || len(locks) == 0 {
		return "", err
	}
	return locks[0].Locker + " at " + locks[0].Address, nil
}

func (c *Connector) features(ctx context.Context, v volume, a access) ([]string, error) {
	var info struct {
		Features []string `json:"features"`
	}
	err := c.ask(ctx, v, a, &info, "rbd", "info", v.image.String())
	return info.Features, err
}
