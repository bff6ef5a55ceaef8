package block

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"
)

const seedKey = "seed"

// seeded is how far the seeding of a directory has ever gone.
type seeded struct {
	Number int
}

// Seeded returns how many volumes were ever seeded here, deleted ones included.
func (b *Service) Seeded() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if s := b.seeds.Get(seedKey); s != nil {
		return s.Number
	}
	return 0
}

// Seed adds volumes that are available at once, whatever the quotas, and notes
// that as many as number were seeded in all. Name, owner, size, metadata and
// time of creation are the caller's. Making ten thousand files may take a
// filesystem many seconds, so they are made in the background, and at once when
// somebody needs one.
func (b *Service) Seed(volumes []*Volume, number int) error {
	for _, v := range volumes {
		v.ID, v.Seeded = uuid.NewString(), true
		v.Status, v.AttachStatus, v.Zone, v.Type = Available, Detached, Zone, Types()[0].Name
		v.Created = v.Created.UTC()
	}
	err := b.update(func() error {
		for _, v := range volumes {
			b.volumes.Put(v.ID, v)
		}
		b.seeds.Put(seedKey, &seeded{Number: number})
		return nil
	})
	if err != nil {
		return err
	}
	return b.makeSeedDisks()
}

// makeSeedDisks makes the files that seeded volumes still lack, one after the
// other, in the background.
func (b *Service) makeSeedDisks() error {
	there, err := os.ReadDir(filepath.Join(b.opts.Dir, "volumes"))
	if err != nil {
		return err
	}
	has := make(map[string]bool, len(there))
	for _, entry := range there {
		has[entry.Name()] = true
	}
	missing := b.seedsWithout(has)
	b.jobs.Go(func() { b.makeSeedDisksNow(missing) })
	return nil
}

// seedsWithout returns the seeded volumes whose file is not among those there,
// oldest first.
func (b *Service) seedsWithout(has map[string]bool) []*Volume {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var missing []*Volume
	for _, v := range b.volumes.Rows() {
		if v.Seeded && !has[filepath.Base(b.Path(v.ID))] {
			missing = append(missing, v)
		}
	}
	slices.SortFunc(missing, func(x, y *Volume) int { return x.Created.Compare(y.Created) })
	return missing
}

func (b *Service) makeSeedDisksNow(missing []*Volume) {
	for _, v := range missing {
		select {
		case <-b.stop:
			return
		default:
			_ = b.ensureDisk(v.ID) // who needs the disk meets the error again
		}
	}
}

// ensureDisk makes a seeded volume's file if it is not there yet. Of any other
// volume a missing file is a loss, which a blank one would only hide.
func (b *Service) ensureDisk(id string) error {
	if v := b.seededVolume(id); v == nil {
		return nil
	} else if err := b.blankDisk(id, v.Size); err != nil {
		return err
	}
	if b.seededVolume(id) == nil { // deleted meanwhile
		return os.Remove(b.Path(id))
	}
	return nil
}

func (b *Service) seededVolume(id string) *Volume {
	b.mu.RLock()
	defer b.mu.RUnlock()
	v := b.volumes.Get(id)
	if v == nil || !v.Seeded || v.Status == Deleting {
		return nil
	}
	return v
}
