package volume

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Load reads the state directory and the kernel's mount table, and opens the
// doors: until then every call waits. It needs no network. An error means that
// this daemon must not run on this state directory.
func (s *Service) Load(ctx context.Context) error {
	err := s.load(ctx)
	s.mu.Lock()
	s.loadErr = err
	s.mu.Unlock()
	close(s.ready)
	return err
}

func (s *Service) load(ctx context.Context) error {
	j, found, err := openJournal(s.cfg.StateDir, s.origin())
	if err != nil {
		return err
	}
	s.journal = j
	if err := s.recognise(); err != nil {
		return err
	}
	if stale, err := filepath.Glob(filepath.Join(s.cfg.StateDir, "registry.*.tmp")); err == nil {
		for _, tmp := range stale {
			_ = os.Remove(tmp) // of a save that a crash cut
		}
	}
	note, err := s.registry.restore(s.cfg.StateDir, s.origin())
	if err != nil {
		return err
	}
	if note != "" {
		s.events.add("", "%s", note)
	}
	mounts, err := s.fs.Mounts(ctx, s.cfg.MountDir)
	if err != nil {
		return wrap(err, "reading the mount table")
	}
	s.mu.Lock()
	s.setAside = found.setAside
	if s.twin != "" {
		s.setAside = append([]string{s.twin}, s.setAside...)
	}
	for _, r := range found.foreign {
		s.foreign[r.Volume.Name] = r
	}
	for _, in := range found.intents {
		s.intents[in.Name] = in
	}
	s.mu.Unlock()
	targets := map[string]bool{}
	for _, m := range mounts {
		targets[m.Target] = true
	}
	// Of two records of one name the one in use gets it, else the settled one.
	slices.SortStableFunc(found.records, func(a, b *Record) int {
		return cmp.Compare(a.claim(targets), b.claim(targets))
	})
	for _, r := range found.records {
		s.believe(r, targets)
	}
	s.recoverMounts(targets)
	return nil
}

// claim ranks records of one name: the last one binds it.
func (r *Record) claim(targets map[string]bool) int {
	switch {
	case r.Target != "" && targets[r.Target] && len(r.Users) > 0:
		return 3
	case r.attached():
		return 2
	case r.Settled:
		return 1
	}
	return 0
}

// believe makes a handle of a record, correcting it by what the kernel shows.
func (s *Service) believe(r *Record, targets map[string]bool) {
	if _, ok := s.registry.get(r.Volume.Key); !ok {
		s.registry.put(r.Volume, r.Since)
	}
	s.registry.bind(r.Volume.Name, r.Volume.Key)
	h := s.handle(r.Volume)
	h.rec = *r
	if r.BootID != s.cfg.BootID {
		h.rec.Users = map[string]User{} // the containers that held them are gone
		h.rec.Grow = 0                  // the next mount follows any size
		if r.Step == StepExposed {
			h.rec.Step = StepConnected // and it may have been shown: see Record.outlasting
		}
	}
	mounted := r.Target != "" && targets[r.Target]
	delete(targets, r.Target)
	switch {
	case mounted:
		h.rec.Step = StepMounted
	case h.rec.Step == StepMounted || h.rec.Step == StepUnmounting:
		h.rec.Step = StepConnected
	}
	if !mounted && r.BootID == s.cfg.BootID && len(h.rec.Users) > 0 {
		s.events.add(r.Volume.Name, "%s is not mounted any more, though the record says it was", r.Target)
		h.rec.Users = map[string]User{}
	}
	h.show("")
}

// recoverMounts shows mounts below the mount directory that no record tells
// of: the state was lost. They are counted and shown, never detached.
func (s *Service) recoverMounts(targets map[string]bool) {
	for target := range targets {
		rel, err := filepath.Rel(s.cfg.MountDir, target)
		parts := strings.Split(rel, string(filepath.Separator))
		if err != nil || len(parts) != 2 || CheckName(parts[1]) != nil {
			continue
		}
		name := parts[1]
		s.mu.Lock()
		_, foreign := s.foreign[name]
		s.mu.Unlock()
		v, ok := s.registry.resolve(name)
		if !ok {
			v = Volume{Name: name, Status: "unknown", Key: Key{Cloud: s.storages[0].Cloud, Provider: parts[0], ID: recoveredPrefix + name}}
			s.registry.put(v, time.Time{})
			s.registry.bind(name, v.Key)
		}
		if foreign || s.known(v.Key) != nil {
			continue
		}
		h := s.handle(v)
		h.recovered = true
		h.rec.Step, h.rec.Target = StepMounted, target
		h.show(recoveredNote)
		s.events.add(name, "%s was mounted by an earlier fuxi whose records are lost: %s", target, recoveredNote)
	}
}

const (
	recoveredNote = "recovered, users unknown"
	// recoveredPrefix begins the made-up id of a recovered mount whose volume
	// is not known. The cloud is never asked for it.
	recoveredPrefix = "recovered-"
)

// forgetUnmounted lets go of a recovered mount that somebody has unmounted by
// hand: the name is looked up anew.
func (s *Service) forgetUnmounted(ctx context.Context, name string) error {
	v, ok := s.registry.resolve(name)
	h := s.known(v.Key)
	if !ok || h == nil || !h.recovered {
		return nil
	}
	m, err := s.mountedAt(ctx, h.rec.Target)
	if err != nil || m != nil {
		return err
	}
	s.events.add(name, "%s is not mounted any more: it is looked up anew", h.rec.Target)
	s.dropHandle(h.key)
	if strings.HasPrefix(h.key.ID, recoveredPrefix) {
		s.registry.forget(h.key)
	}
	return nil
}

// inUseUnknown refuses what would take a recovered mount away from users that
// nobody knows.
func (h *handle) inUseUnknown() error {
	if !h.recovered {
		return nil
	}
	return Errorf(ErrInUse, "%s is mounted at %s by an earlier fuxi whose records are lost: stop what uses it, unmount it by hand, then repeat the command", h.rec.Volume.Name, h.rec.Target)
}

// Stop ends the background work. Unused volumes are given back, for at most
// the time ctx leaves; used ones stay mounted and attached.
func (s *Service) Stop(ctx context.Context) error {
	if s.journal == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.detachUnused(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.stop()
	finished := make(chan struct{})
	go func() { s.work.Wait(); close(finished) }()
	select {
	case <-finished: // a cloud call that was sent has had its answer recorded
	case <-ctx.Done():
	}
	return errors.Join(s.registry.save(s.cfg.StateDir, s.origin()), s.journal.close())
}

// detachUnused ends all lingers at once.
func (s *Service) detachUnused(ctx context.Context) {
	var all []func()
	for _, h := range s.allHandles() {
		shown := h.view.Load()
		if !shown.attached || len(shown.users) > 0 || h.recovered {
			continue
		}
		all = append(all, func() {
			h.cancelLinger()
			if h.lock.acquire(ctx, "stop") != nil {
				return
			}
			defer h.lock.release()
			if len(h.rec.Users) == 0 && !h.grows() && s.of(h.key).Health.Reachable(ctx) {
				_ = s.detach(ctx, h) // what stays is in the record and is finished at the next start
			}
		})
	}
	parallel(all)
}

func parallel(all []func()) {
	done := make(chan struct{})
	for _, fn := range all {
		go func() { fn(); done <- struct{}{} }()
	}
	for range all {
		<-done
	}
}
