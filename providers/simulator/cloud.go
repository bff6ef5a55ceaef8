// Package simulator is an OpenStack cloud in one process and one directory:
// Identity, Block Storage and Shared File Systems over HTTP, with real data
// files behind the volumes and directories behind the shares. Tests start it in
// their own process, people start it with fuxi-sim; both get the same cloud. It
// knows nothing of fuxi: only its HTTP is shared.
//
// It can be told to misbehave (see /admin/faults) and counts what it was asked
// (see /admin/counters), so a test can see that a client does the right thing
// and not too often.
package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/cinder"
	"github.com/openstack/fuxi/providers/simulator/internal/faults"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/manila"
	"github.com/openstack/fuxi/providers/simulator/internal/nova"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
	"github.com/openstack/fuxi/providers/simulator/internal/store"
)

// ErrInUse says that another process, or another Cloud of this one, has the
// directory open.
var ErrInUse = store.ErrLocked

const defaultTokenTTL = time.Hour

// Options shape a cloud. The zero value is a cloud that is empty, has no limits
// and answers as fast as it can.
type Options struct {
	// Seed is how many volumes the member's project has from the start, named
	// seed-000001 and so on. Those that a directory has already are not made
	// again; more are added when the number has grown.
	Seed int
	// Latency delays every answer but those below /admin.
	Latency time.Duration
	// TokenTTL is how long a token is valid; zero means one hour.
	TokenTTL time.Duration
	// Settle is how long a volume stays creating, extending or deleting.
	Settle time.Duration
	// QuotaVolumes and QuotaGigabytes limit each project, its volumes and as much
	// again its shares; zero or less is no limit.
	QuotaVolumes, QuotaGigabytes int
	// Servers are the virtual machines; without any there is no Compute service.
	Servers []Server
	// Ready, if given, is called by Serve with the cloud's URL once clouds.yaml
	// is written and requests are answered.
	Ready func(url string)
}

// Cloud is an open cloud. Its methods may be called concurrently.
type Cloud struct {
	dir      string
	opts     Options
	store    *store.Store
	keystone *keystone.Service
	block    *block.Service
	shares   *share.Service
	nova     *nova.Service // nil: the cloud has no servers
	counters faults.Counters
	rules    *faults.Rules
	handler  http.Handler
	stopping chan struct{}
	closing  sync.Once

	mu  sync.Mutex
	url string
}

// Open opens the cloud that lives in dir, making a new one when there is none.
// Whatever was under way when the last process ended goes on. It returns
// ErrInUse within a second when somebody else has it open. The caller must
// Close it.
func Open(dir string, opts Options) (*Cloud, error) {
	if opts.TokenTTL <= 0 {
		opts.TokenTTL = defaultTokenTTL
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cloud's directory: %w", err)
	}
	db, err := store.Open(filepath.Join(dir, "sim.db"))
	if err != nil {
		return nil, err
	}
	c := &Cloud{dir: dir, opts: opts, store: db, rules: faults.NewRules(), stopping: make(chan struct{})}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

func (c *Cloud) open() (err error) {
	if c.keystone, err = keystone.Open(c.store, c.opts.TokenTTL); err != nil {
		return err
	}
	c.block, err = block.Open(c.store, block.Options{
		Dir: c.dir, Settle: c.opts.Settle,
		Quota: block.Quota{
			Volumes: limit(c.opts.QuotaVolumes), Gigabytes: limit(c.opts.QuotaGigabytes), Snapshots: limit(0),
		},
	})
	if err != nil {
		return err
	}
	c.shares, err = share.Open(c.store, share.Options{
		Dir: c.dir, Settle: c.opts.Settle,
		Quota: share.Quota{
			Shares: limit(c.opts.QuotaVolumes), Gigabytes: limit(c.opts.QuotaGigabytes), Snapshots: limit(0), SnapshotGigabytes: limit(0),
		},
	})
	if err != nil {
		c.block.Close()
		return err
	}
	if err := errors.Join(c.seed(), c.startServers()); err != nil {
		c.closeServices()
		return err
	}
	c.handler = c.routes(cinder.New(c.keystone, c.block), manila.New(c.keystone, c.shares))
	return nil
}

func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// Handler returns what Serve serves, for a server of the caller's own.
func (c *Cloud) Handler() http.Handler { return c.handler }

func (c *Cloud) closeServices() {
	if c.nova != nil {
		c.nova.Close() // it works on the volumes
	}
	c.block.Close()
	c.shares.Close()
}

// Close ends the cloud: requests held by a fault are let go, transitions stop
// where they are and continue at the next Open. Further calls do nothing.
func (c *Cloud) Close() (err error) {
	c.closing.Do(func() {
		close(c.stopping)
		c.closeServices()
		err = c.store.Close()
	})
	return err
}
