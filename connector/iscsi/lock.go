package iscsi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
)

// targets are the names of the volume's targets, each once, in order.
func (v volume) targets() []string {
	var names []string
	for _, p := range v.portals {
		names = append(names, p.iqn)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lock takes the locks of these targets or portals, for this process and for
// every other fuxi of this host. The order is the same for everybody, so two
// calls never wait for each other.
func (c *Connector) lock(ctx context.Context, names []string) (release func(), err error) {
	var releases []func()
	release = func() {
		for i := len(releases) - 1; i >= 0; i-- {
			releases[i]()
		}
	}
	for _, name := range names {
		one, err := c.host.LockFile(ctx, fmt.Sprintf("fuxi-iscsi-%x", sha256.Sum256([]byte(name)))[:27])
		if err != nil {
			release()
			return nil, fmt.Errorf("%s is being worked on: %w", name, err)
		}
		releases = append(releases, one)
	}
	return release, nil
}

// lockPortal takes the lock of one way to a target: between looking for a
// session there and having looked for our unit in it, nobody ends that session.
// It is taken inside of the target's lock, or without it.
func (c *Connector) lockPortal(ctx context.Context, p portal) (release func(), err error) {
	return c.lock(ctx, []string{p.iqn + " at " + p.String()})
}
