package rbd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
)

// lateLimit is how long finding out may take when the caller's time is over.
const lateLimit = 5 * time.Second

// explain finds out why the kernel did not map an image: it answers with an
// errno, and its log, which says more, may not be readable and has no place for
// each. Only here commands are run.
func (c *Connector) explain(ctx context.Context, v volume, a access, err error) error {
	limit := commandLimit
	if ctx.Err() != nil {
		limit = lateLimit
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	asked := fmt.Errorf("map %s at %s as client.%s: %w", v.image, strings.Join(a.monitors, ","), v.user, err)
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %s has it for writing and does not give it up: %w: release it there, or shut a dead host out with `ceph osd blocklist add ADDRESS`",
			asked, c.owner(patience, v, a), connector.ErrBusy)
	case errors.Is(err, unix.ENXIO):
		return c.explainFeatures(patience, v, a, asked)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the cluster refuses the key%s, or the user lacks capabilities: it needs %s: compare with `ceph auth get client.%s`",
			asked, from(a), v.capabilities(), v.user)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel does not understand an option (messenger modes need Linux 5.11, namespaces 4.19, exclusive mapping 4.12), or the cluster asks for a key and the cloud says that it does not: %w",
			asked, connector.ErrUnsupported)
	case errors.Is(err, unix.ETIMEDOUT):
		return fmt.Errorf("%w: no monitor answered, or %s holds the image's lock and is neither alive nor given up yet (30 s after its death): check the network to the monitors, then try again",
			asked, c.owner(patience, v, a))
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: %s", asked, c.tell(patience, v, a))
	case ctx.Err() != nil:
		// A user without any right to the pool's data waits for ever.
		return fmt.Errorf("%w: %s: the storage does not answer, or the user lacks capabilities: it needs %s", asked, c.tell(patience, v, a), v.capabilities())
	}
	return asked
}

func from(a access) string {
	if a.key.File != "" {
		return " in " + a.key.File
	}
	return ""
}

// owner names who has the image, as far as it can be learnt.
func (c *Connector) owner(ctx context.Context, v volume, a access) string {
	owner, err := c.lockOwner(ctx, v, a)
	if err != nil {
		return fmt.Sprintf("somebody (%v)", err)
	}
	if owner == "" {
		return "somebody"
	}
	return owner
}

// tell repeats what rbd says of the image.
func (c *Connector) tell(ctx context.Context, v volume, a access) string {
	res, err := c.tool(ctx, v, a, "rbd", "info", v.image.String(), "--format", "json")
	switch {
	case err != nil:
		return err.Error()
	case res.ExitCode != 0:
		return "rbd info says: " + res.LastWords()
	}
	return "rbd info finds it"
}

// featureBits are the image features by their bits (librbd's features.h).
func featureBits() map[string]uint64 {
	return map[string]uint64{"layering": 1 << 0, "striping": 1 << 1, "exclusive-lock": 1 << 2, "object-map": 1 << 3, "fast-diff": 1 << 4,
		"deep-flatten": 1 << 5, "journaling": 1 << 6, "data-pool": 1 << 7, "operations": 1 << 8, "migrating": 1 << 9}
}

// explainFeatures names the image's features that the kernel lacks.
func (c *Connector) explainFeatures(ctx context.Context, v volume, a access, asked error) error {
	known, err := c.host.RBDFeatures()
	var names []string
	if err == nil {
		names, err = c.features(ctx, v, a)
	}
	if err != nil {
		return fmt.Errorf("%w: the image has a feature that this kernel does not know (%w): %w", asked, err, connector.ErrUnsupported)
	}
	bits := featureBits()
	lacking := slices.DeleteFunc(names, func(name string) bool { return bits[name]&known != 0 })
	if len(lacking) == 0 {
		return fmt.Errorf("%w: this kernel knows every feature of the image, and yet refuses one", asked)
	}
	return fmt.Errorf("%w: this kernel does not know the image's features %s: %w: turn them off with `rbd feature disable %s %s`, or set the mapper to nbd and install rbd-nbd",
		asked, strings.Join(lacking, ", "), connector.ErrUnsupported, v.image, strings.Join(lacking, " "))
}
