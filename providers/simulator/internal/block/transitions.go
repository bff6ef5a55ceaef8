package block

import (
	"os"
	"time"
)

// later runs a transition's work after the settling time, unless the service is
// closed first. The record's status is the note that it is still to be done.
func (b *Service) later(work func()) {
	b.jobs.Go(func() {
		timer := time.NewTimer(b.opts.Settle)
		defer timer.Stop()
		select {
		case <-timer.C:
			work()
		case <-b.stop:
		}
	})
}

// resume takes up every transition that is still to be done.
func (b *Service) resume() error {
	b.resumeTransitions()
	return b.makeSeedDisks()
}

// resumeTransitions holds the lock, because the first ones may be done before
// the last one is found.
func (b *Service) resumeTransitions() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, v := range b.volumes.Rows() {
		b.settleVolume(v)
	}
	for _, s := range b.snapshots.Rows() {
		b.settleSnapshot(s)
	}
}

func (b *Service) settleVolume(v *Volume) {
	if v.Stuck {
		return
	}
	switch v.Status {
	case Creating:
		b.later(func() { b.finishCreate(v) })
	case Deleting:
		b.later(func() { b.finishDelete(v) })
	case Extending:
		b.later(func() { b.finishExtend(v) })
	}
}

func (b *Service) settleSnapshot(s *Snapshot) {
	if s.Stuck {
		return
	}
	switch s.Status {
	case Creating:
		b.later(func() { b.finishSnapshot(s) })
	case Deleting:
		b.later(func() { b.finishSnapshotDelete(s) })
	}
}

func (b *Service) finishCreate(v *Volume) {
	status := Available
	if err := b.makeDisk(v); err != nil {
		status = Failed
	}
	b.step(v.ID, Creating, func(v *Volume) { v.become(status, Caller{}) })
	if now, err := b.Volume(Caller{Admin: true}, v.ID); err != nil || now.Status == Deleting {
		_ = os.Remove(b.Path(v.ID)) // deleted by force while its disk was being made
	}
}

func (b *Service) finishExtend(v *Volume) {
	err := b.blankDisk(v.ID, v.NewSize)
	b.step(v.ID, Extending, func(v *Volume) {
		if err != nil {
			v.NewSize = 0
			v.become("error_extending", Caller{})
			return
		}
		v.Size, v.NewSize = v.NewSize, 0
		v.become(v.Previous, Caller{})
	})
}

// step changes a volume that is still in the status the work began with.
func (b *Service) step(id, from string, change func(*Volume)) {
	_ = b.update(func() error { // a failed write leaves the step to the next start
		v := b.volumes.Get(id)
		if v == nil || v.Status != from || v.Stuck {
			return nil
		}
		v = v.clone()
		change(v)
		b.volumes.Put(id, v)
		return nil
	})
}

func (b *Service) finishDelete(v *Volume) {
	_ = os.Remove(b.Path(v.ID))
	_ = b.update(func() error {
		if now := b.volumes.Get(v.ID); now == nil || now.Status != Deleting || now.Stuck {
			return nil
		}
		for _, a := range b.attachmentsOf(v.ID) {
			b.attachments.Delete(a.ID)
		}
		b.volumes.Delete(v.ID)
		return nil
	})
}

func (b *Service) finishSnapshot(s *Snapshot) {
	status := Available
	err := b.ensureDisk(s.VolumeID)
	if err == nil {
		err = copyDisk(b.Path(s.VolumeID), b.snapshotPath(s.ID), s.Size)
	}
	if err != nil {
		status = Failed
	}
	_ = b.update(func() error {
		current := b.snapshots.Get(s.ID)
		if current == nil || current.Status != Creating || current.Stuck {
			return nil
		}
		done := *current
		done.Status, done.Updated = status, now()
		b.snapshots.Put(s.ID, &done)
		return nil
	})
}

func (b *Service) finishSnapshotDelete(s *Snapshot) {
	_ = os.Remove(b.snapshotPath(s.ID))
	_ = b.update(func() error {
		if now := b.snapshots.Get(s.ID); now != nil && now.Status == Deleting && !now.Stuck {
			b.snapshots.Delete(s.ID)
		}
		return nil
	})
}
