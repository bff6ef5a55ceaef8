package share

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/store"
)

// Options shape a Service.
type Options struct {
	// Dir holds shares/ and share-snapshots/.
	Dir string
	// Settle is how long a transition takes before its work is done.
	Settle time.Duration
	// Quota is what a project has that was given no quota of its own.
	Quota Quota
}

// Service is the storage. It may be used concurrently.
type Service struct {
	opts  Options
	store *store.Store

	mu        sync.RWMutex
	shares    *store.Table[Share]
	rules     *store.Table[Rule]
	snapshots *store.Table[Snapshot]
	messages  *store.Table[Message]
	networks  *store.Table[Network]
	quotas    *store.Table[Quota]

	stop chan struct{}
	jobs sync.WaitGroup
}

// Open loads everything and resumes the transitions that were under way when
// the last process ended.
func Open(s *store.Store, opts Options) (*Service, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	b := &Service{opts: opts, store: s, stop: make(chan struct{})}
	for _, sub := range []string{"shares", "share-snapshots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	}
	if err := b.load(); err != nil {
		return nil, err
	}
	b.resume()
	return b, nil
}

func (b *Service) load() error {
	var errs [6]error
	b.shares, errs[0] = store.Load[Share](b.store, "shares", nil)
	b.rules, errs[1] = store.Load[Rule](b.store, "share-rules", nil)
	b.snapshots, errs[2] = store.Load[Snapshot](b.store, "share-snapshots", nil)
	b.messages, errs[3] = store.Load[Message](b.store, "share-messages", nil)
	b.networks, errs[4] = store.Load[Network](b.store, "share-networks", nil)
	b.quotas, errs[5] = store.Load[Quota](b.store, "share-quotas", nil)
	return errors.Join(errs[:]...)
}

// Close stops all transitions where they are; the next Open resumes them.
func (b *Service) Close() {
	close(b.stop)
	b.jobs.Wait()
}

// update runs fn alone and commits what it staged; nothing when it fails.
func (b *Service) update(fn func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	tables := []store.Staged{b.shares, b.rules, b.snapshots, b.messages, b.networks, b.quotas}
	if err := fn(); err != nil {
		store.Discard(tables...)
		return err
	}
	return b.store.Commit(tables...)
}

// Share returns a share the caller may see; others are not found.
func (b *Service) Share(c Caller, id string) (*Share, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.share(c, id)
}

func (b *Service) share(c Caller, id string) (*Share, error) {
	s := b.shares.Get(id)
	if s == nil || !s.visibleTo(c) {
		return nil, noShare()
	}
	return s, nil
}

// Shares returns the shares that pass a filter, in the order of their ids.
func (b *Service) Shares(keep func(*Share) bool) []*Share {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return sorted(b.shares.Rows(), keep, func(s *Share) string { return s.ID })
}

// Rules returns a share's access rules, oldest first.
func (b *Service) Rules(shareID string) []*Rule {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.rulesOf(shareID)
}

func (b *Service) rulesOf(shareID string) []*Rule {
	var list []*Rule
	for id := range b.rules.Rows() {
		if r := b.rules.Get(id); r != nil && r.ShareID == shareID {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(x, y *Rule) int {
		if d := x.Created.Compare(y.Created); d != 0 {
			return d
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}

// RulesStatus sums up the states of a share's rules.
func (b *Service) RulesStatus(shareID string) string {
	status := Active
	for _, r := range b.Rules(shareID) {
		switch r.State {
		case Failed:
			return Failed
		case Active:
		default:
			status = "syncing"
		}
	}
	return status
}

// sorted returns the records that pass a filter in the order of their keys.
func sorted[T any](rows map[string]*T, keep func(*T) bool, key func(*T) string) []*T {
	list := make([]*T, 0, len(rows))
	for _, row := range rows {
		if keep(row) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(x, y *T) int { return strings.Compare(key(x), key(y)) })
	return list
}

// Path returns the absolute path of a share's directory. It is there once the
// share is available.
func (b *Service) Path(shareID string) string { return filepath.Join(b.opts.Dir, "shares", shareID) }

func (b *Service) snapshotPath(id string) string {
	return filepath.Join(b.opts.Dir, "share-snapshots", id)
}
