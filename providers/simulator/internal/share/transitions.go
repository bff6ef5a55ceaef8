package share

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
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
func (b *Service) resume() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.shares.Rows() {
		b.settleShare(s)
	}
	for _, r := range b.rules.Rows() {
		b.settleRule(r)
	}
	for _, s := range b.snapshots.Rows() {
		b.settleSnapshot(s)
	}
}

func (b *Service) settleShare(s *Share) {
	if s.Stuck {
		return
	}
	switch s.Status {
	case Creating:
		b.later(func() { b.finishCreate(s) })
	case Deleting:
		b.later(func() { b.finishDelete(s) })
	case Extending:
		b.later(func() {
			b.step(s.ID, Extending, func(s *Share) {
				s.Size, s.NewSize = s.NewSize, 0
				s.become(Available, Caller{})
			})
		})
	}
}

// finishCreate makes the directory. Like that of a real share it is root's and
// others may only look.
func (b *Service) finishCreate(s *Share) {
	err := os.MkdirAll(b.Path(s.ID), 0o755)
	if err == nil && s.SnapshotID != nil {
		err = copyTree(b.Path(s.ID), b.snapshotPath(*s.SnapshotID))
	}
	b.step(s.ID, Creating, func(s *Share) {
		if err != nil {
			s.become(Failed, Caller{})
			return
		}
		zone := Zone
		s.Zone, s.Exports = &zone, []Export{{ID: uuid.NewString(), Path: b.Path(s.ID), Created: now()}}
		if s.Proto == CephFS {
			s.Exports[0].Path = "127.0.0.1:6789,127.0.0.2:6789:/volumes/_nogroup/" + s.ID
			if s.Metadata == nil {
				s.Metadata = map[string]string{}
			}
			s.Metadata["__mount_options"] = "fs=cephfs"
		}
		s.become(Available, Caller{})
	})
}

// step changes a share that is still in the status the work began with.
func (b *Service) step(id, from string, change func(*Share)) {
	_ = b.update(func() error { // a failed write leaves the step to the next start
		s := b.shares.Get(id)
		if s == nil || s.Status != from || s.Stuck {
			return nil
		}
		s = s.clone()
		change(s)
		b.shares.Put(id, s)
		return nil
	})
}

func (b *Service) finishDelete(s *Share) {
	_ = os.RemoveAll(b.Path(s.ID))
	_ = b.update(func() error {
		if now := b.shares.Get(s.ID); now == nil || now.Status != Deleting || now.Stuck {
			return nil
		}
		for _, r := range b.rulesOf(s.ID) {
			b.rules.Delete(r.ID)
		}
		b.shares.Delete(s.ID)
		return nil
	})
}

// settleRule does half of a rule's way: first it is taken up, then it is done.
func (b *Service) settleRule(r *Rule) {
	if r.Stuck {
		return
	}
	switch r.State {
	case Queued:
		b.later(func() { b.stepRule(r.ID, Queued, func(r *Rule) { r.become(Applying, Caller{}) }) })
	case Applying:
		b.later(func() { b.stepRule(r.ID, Applying, b.apply) })
	case DenyQueued:
		b.later(func() { b.stepRule(r.ID, DenyQueued, func(r *Rule) { r.become(Denying, Caller{}) }) })
	case Denying:
		b.later(func() { b.finishDeny(r.ID) })
	case Active:
		if r.Kind == "cephx" && r.Key == nil {
			b.later(func() {
				b.stepRule(r.ID, Active, func(r *Rule) {
					key := "AQ" + r.ID[:8] + "=="
					r.Key = &key
				})
			})
		}
	}
}

// apply ends as the protocol has it: a share by NFS lets addresses in, one of
// Ceph lets clients in, whose keys come a little later.
func (b *Service) apply(r *Rule) {
	s := b.shares.Get(r.ShareID)
	fits := s != nil && (s.Proto == NFS && r.Kind == "ip" || s.Proto == CephFS && r.Kind == "cephx")
	if fits {
		r.become(Active, Caller{})
		return
	}
	r.become(Failed, Caller{})
}

func (b *Service) stepRule(id, from string, change func(*Rule)) {
	var after *Rule
	err := b.update(func() error {
		r := b.rules.Get(id)
		if r == nil || r.State != from || r.Stuck {
			return nil
		}
		after = r.clone()
		change(after)
		b.rules.Put(id, after)
		return nil
	})
	if err == nil && after != nil {
		b.settleRule(after)
	}
}

func (b *Service) finishDeny(id string) {
	_ = b.update(func() error {
		if r := b.rules.Get(id); r != nil && r.State == Denying && !r.Stuck {
			b.rules.Delete(id)
		}
		return nil
	})
}

// copyTree copies the data of a share; what is neither a directory, a plain file
// nor a link stays behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyEntry(filepath.Join(to, rest), path, entry)
	})
}

func copyEntry(to, from string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	switch {
	case entry.IsDir():
		return os.MkdirAll(to, info.Mode().Perm())
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !info.Mode().IsRegular():
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy data: %w", err)
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}
