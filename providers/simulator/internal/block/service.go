package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/store"
)

// Options shape a Service.
type Options struct {
	// Dir holds volumes/ and snapshots/.
	Dir string
	// Settle is how long a transition takes before its work is done.
	Settle time.Duration
	// Quota is what a project has that was given no quota of its own.
	Quota Quota
}

// Service is the storage. It may be used concurrently.
type Service struct {
	opts    Options
	store   *store.Store
	compute Compute // nil: there is none

	mu          sync.RWMutex
	index       *index
	volumes     *store.Table[Volume]
	attachments *store.Table[Attachment]
	snapshots   *store.Table[Snapshot]
	quotas      *store.Table[Quota]
	seeds       *store.Table[seeded]

	blanks sync.Mutex // held while a blank file is made or grown
	stop   chan struct{}
	jobs   sync.WaitGroup
}

// Open loads everything and resumes the transitions that were under way when
// the last process ended.
func Open(s *store.Store, opts Options) (*Service, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	b := &Service{opts: opts, store: s, index: newIndex(), stop: make(chan struct{})}
	for _, sub := range []string{"volumes", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	}
	if err := b.load(); err != nil {
		return nil, err
	}
	if err := b.resume(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Service) load() error {
	var errs [5]error
	b.volumes, errs[0] = store.Load(b.store, "volumes", b.index.volumeChanged)
	b.attachments, errs[1] = store.Load(b.store, "attachments", b.index.attachmentChanged)
	b.snapshots, errs[2] = store.Load(b.store, "snapshots", b.index.snapshotChanged)
	b.quotas, errs[3] = store.Load[Quota](b.store, "quotas", nil)
	b.seeds, errs[4] = store.Load[seeded](b.store, "seeds", nil)
	b.index.loaded()
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
	tables := []store.Staged{b.volumes, b.attachments, b.snapshots, b.quotas, b.seeds}
	if err := fn(); err != nil {
		store.Discard(tables...)
		return err
	}
	return b.store.Commit(tables...)
}

// Volume returns a volume the caller may see; others are not found.
func (b *Service) Volume(c Caller, id string) (*Volume, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.volume(c, id)
}

func (b *Service) volume(c Caller, id string) (*Volume, error) {
	v := b.volumes.Get(id)
	if v == nil || !v.visibleTo(c) {
		return nil, noVolume(id)
	}
	return v, nil
}

// AttachmentsOf returns a volume's attachments, oldest first.
func (b *Service) AttachmentsOf(volumeID string) []*Attachment {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.attachmentsOf(volumeID)
}

// attachmentsOf sees staged changes of attachments that are already known, and
// leaves out those whose removal is staged.
func (b *Service) attachmentsOf(volumeID string) []*Attachment {
	ids := b.index.attachments[volumeID]
	if len(ids) == 0 {
		return nil
	}
	list := make([]*Attachment, 0, len(ids))
	for id := range ids {
		if a := b.attachments.Get(id); a != nil {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(x, y *Attachment) int {
		return place{x.Created.Unix(), x.ID}.compare(place{y.Created.Unix(), y.ID})
	})
	return list
}

// Path returns the absolute path of a volume's data. The file is there, of full
// size, once the volume is available.
func (b *Service) Path(volumeID string) string {
	return filepath.Join(b.opts.Dir, "volumes", volumeID+".raw")
}

func (b *Service) snapshotPath(id string) string {
	return filepath.Join(b.opts.Dir, "snapshots", id+".raw")
}
