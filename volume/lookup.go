package volume

import (
	"context"
	"errors"
	"time"
)

// lookupLimit bounds asking the cloud for a name that Docker wants to know of:
// Docker asks every driver about every unknown name, so this is on the path of
// other drivers' volumes.
const lookupLimit = 2 * time.Second

// absentLife is how long the cloud's "no such volume" is believed. It lets the
// Create that Docker sends right after its Get go without a second list.
const absentLife = 2 * time.Second

// lookup is one question to the cloud about a name, shared by all who ask.
type lookup struct {
	done chan struct{}
	err  error
}

// listName reads every volume of a name, fresh, of all providers: a name is one
// name, whoever stores what it means.
func (s *Service) listName(ctx context.Context, name string) ([]Volume, error) {
	var all []Volume
	for _, st := range s.storages {
		some, err := st.listName(ctx, name)
		if err != nil {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (st *storage) listName(ctx context.Context, name string) (all []Volume, err error) {
	err = st.Provider.List(ctx, Query{Name: name}, func(page []Volume) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// listTwins lists a volume's name. A provider that is silent keeps no volume with
// data, which that name means for certain in its own, from being used: a database
// moves to another host while Manila is down.
func (s *Service) listTwins(ctx context.Context, v Volume) ([]Volume, error) {
	var all []Volume
	for _, st := range s.storages {
		some, err := st.listName(ctx, v.Name)
		if err != nil && (st.Name == v.Provider || !v.hasData() || !errors.Is(err, ErrUnavailable)) {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// ask has the cloud asked about a name and the registry told, waiting no
// longer than ctx. A nil error means that the registry now knows the truth.
func (s *Service) ask(ctx context.Context, name string) error {
	s.mu.Lock()
	l, running := s.lookups[name]
	if !running {
		l = &lookup{done: make(chan struct{})}
		s.lookups[name] = l
		s.work.Go(func() { s.answer(name, l) })
	}
	s.mu.Unlock()
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return Errorf(ErrUnavailable, "the cloud has not answered yet whether volume %s exists", name)
	}
}

func (s *Service) answer(name string, l *lookup) {
	ctx, cancel := context.WithTimeout(s.base, 30*time.Second)
	defer cancel()
	asked := time.Now()
	all, err := s.listName(ctx, name)
	l.err = err
	if err == nil {
		s.learn(name, all, asked)
	}
	s.mu.Lock()
	delete(s.lookups, name)
	s.mu.Unlock()
	close(l.done)
}

// learn puts a fresh list of a name, asked for at asked, into the registry.
func (s *Service) learn(name string, all []Volume, asked time.Time) {
	usable := false
	for _, v := range all {
		if v.Usable() {
			s.registry.put(v, asked)
			usable = usable || v.Name == name
		}
	}
	if !usable {
		s.registry.noteAbsent(name)
	}
}

// find returns the volume a name means, asking the cloud when it is not known
// here. The cloud being silent is waited out within ctx and s.cfg's patience.
func (s *Service) find(ctx context.Context, name string) (Volume, error) {
	if v, ok := s.registry.resolve(name); ok {
		return v, nil
	}
	if err := s.patiently(ctx, func() error { return s.ask(ctx, name) }); err != nil {
		return Volume{}, wrap(err, "looking for volume %s", name)
	}
	if v, ok := s.registry.resolve(name); ok {
		return v, nil
	}
	return Volume{}, Errorf(ErrNotFound, "no volume named %s is known to cluster %s: create it with docker volume create --driver fuxi --name %s", name, s.cfg.Cluster, name)
}

// patience is how long a mount or a create waits for a cloud that does not
// answer: Docker starts containers once at boot and does not try again, so
// failing at once would leave them down.
const patience = 90 * time.Second

// patiently repeats what fails because the cloud is away, never what may have
// been done.
func (s *Service) patiently(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for n := 0; ; n++ {
		err := try()
		if err == nil || !errors.Is(err, ErrUnavailable) || IsAmbiguous(err) {
			return err
		}
		if pause(ctx, n) != nil {
			return err
		}
	}
}

// Get tells about a volume from memory. A known volume never gets an error,
// whatever the cloud does. An unknown name is asked for, for at most two
// seconds; ErrUnavailable means "cannot say", which is not "no".
func (s *Service) Get(ctx context.Context, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, Errorf(ErrNotFound, "no such volume: %w", err)
	}
	if err := s.awaitReady(ctx); err != nil {
		return Info{}, err
	}
	if v, ok := s.registry.resolve(name); ok {
		return s.info(v), nil
	}
	if s.registry.absentFor(name, absentLife) {
		return Info{}, noSuchVolume(name)
	}
	why, open := s.silence()
	err := error(Errorf(ErrUnavailable, "the cloud does not answer: %s", why))
	if !open {
		ctx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		err = s.ask(ctx, name)
	}
	if v, ok := s.registry.resolve(name); ok {
		return s.info(v), nil
	}
	// This state directory never answered for the name. After one full refresh
	// ever, not knowing it is as good as its not being ours, and every other
	// driver's new volume waits for this answer.
	if err == nil || s.anyRead() {
		return Info{}, noSuchVolume(name)
	}
	return Info{}, err
}

func noSuchVolume(name string) error { return Errorf(ErrNotFound, "no such volume: %s", name) }

// Path is Get's mount point; "" when the volume is not mounted here.
func (s *Service) Path(ctx context.Context, name string) (string, error) {
	info, err := s.Get(ctx, name)
	return info.Mountpoint, err
}
