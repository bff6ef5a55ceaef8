package volume

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// defaultSubdir is where a new filesystem shows its data: ext4's lost+found in
// the root would disable Docker's copy-up and break programs that want an
// empty directory.
const defaultSubdir = "data"

// Create makes sure that a volume of the name exists with the options given.
// A volume that is there already and does not contradict them is success. The
// work goes on when the caller leaves; the next Create of the name joins it.
func (s *Service) Create(ctx context.Context, name string, raw map[string]string) error {
	if HelpAsked(raw) {
		return Errorf(ErrInvalid, "%s", OptionsHelp())
	}
	if err := CheckName(name); err != nil {
		return err
	}
	opts, err := ParseOptions(raw)
	if err != nil {
		return err
	}
	if err := s.checkOptions(opts); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	return s.background(ctx, "creating "+name, func(ctx context.Context) error {
		lock := s.nameLock(name)
		if err := lock.acquire(ctx, "create"); err != nil {
			return err
		}
		defer lock.release()
		return s.createLocked(ctx, name, opts)
	})
}

// checkOptions refuses what this daemon's configuration makes impossible.
func (s *Service) checkOptions(opts Options) error {
	if opts.Provider != "" && opts.Provider != s.backend.Name {
		return Errorf(ErrInvalid, "volume_provider %q is not enabled here: allowed is %q (plugin.providers in fuxi.toml)", opts.Provider, s.backend.Name)
	}
	fstype := s.wantedFS(opts)
	if err := opts.CheckMkfs(fstype); err != nil {
		return err
	}
	return opts.CheckMount(fstype)
}

func (s *Service) wantedFS(opts Options) string {
	if opts.FSType != "" {
		return opts.FSType
	}
	return s.cfg.Defaults.FSType
}

func (s *Service) nameLock(name string) *volumeLock {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.names[name]
	if !ok {
		l = &volumeLock{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		s.names[name] = l
	}
	return l
}

// createLocked: known → compare; unknown → ask; absent → make or adopt.
func (s *Service) createLocked(ctx context.Context, name string, opts Options) error {
	v, exists, err := s.existing(ctx, name)
	if err != nil {
		return err
	}
	if exists {
		return s.sameAs(ctx, v, opts)
	}
	if opts.VolumeID != "" {
		return s.adopt(ctx, name, opts)
	}
	req, err := s.newVolume(ctx, name, opts)
	if err != nil {
		return err
	}
	v, err = s.post(ctx, req)
	if err != nil {
		return err
	}
	return s.untilUsable(ctx, v)
}

// existing finds a volume of the name, and proves one that is only remembered.
// A list that fails means "cannot say", and then nothing is created.
func (s *Service) existing(ctx context.Context, name string) (Volume, bool, error) {
	if v, ok := s.registry.resolve(name); ok {
		fresh, err := s.backend.Provider.Get(ctx, v.ID)
		switch {
		case err == nil && fresh.Usable():
			s.registry.put(fresh, time.Now())
			return fresh, true, nil
		case err == nil || errors.Is(err, ErrNotFound):
			if err := s.forgetGone(ctx, v); err != nil {
				return Volume{}, false, err
			}
		default:
			return v, true, nil // the cloud is silent: what is known is enough
		}
	}
	if s.registry.absentFor(name, absentLife) {
		return Volume{}, false, nil
	}
	if err := s.patiently(ctx, func() error { return s.ask(ctx, name) }); err != nil {
		return Volume{}, false, wrap(err, "making sure that no volume named %s exists; nothing was created", name)
	}
	v, ok := s.registry.resolve(name)
	return v, ok, nil
}

// forgetGone lets go of a volume that the cloud says is gone or let go, unless
// something of it is still on this host.
func (s *Service) forgetGone(ctx context.Context, v Volume) error {
	h := s.known(v.Key)
	if h == nil {
		s.registry.forget(v.Key)
		return nil
	}
	if err := h.lock.acquire(ctx, "forget"); err != nil {
		return err
	}
	defer h.lock.release()
	if len(h.rec.Users) > 0 || h.rec.attached() || h.recovered {
		return Errorf(ErrInUse, "%s (%s) is gone from the cloud, but it is still in use on this host: stop what uses it first", v.Name, v.ID)
	}
	s.registry.forget(v.Key)
	s.dropHandle(v.Key)
	return s.journal.drop(ctx, v.Key)
}

// sameAs compares a repeated Create with what is there.
func (s *Service) sameAs(ctx context.Context, v Volume, opts Options) error {
	recorded, err := ParseRecord(v.Marks.Opts)
	if err != nil {
		s.events.add(v.Name, "the fuxi:opts mark of %s is damaged: %v", v.ID, err)
	}
	notes, err := CompareOptions(opts, v, recorded)
	if err != nil {
		return err
	}
	for _, n := range notes {
		s.events.add(v.Name, "%s", n)
	}
	return s.untilUsable(ctx, v)
}

// post sends the request once. When its answer is lost, the cloud is asked
// what became of it: the nonce in the created mark tells our own volume.
func (s *Service) post(ctx context.Context, req NewVolume) (Volume, error) {
	intent := createIntent{Origin: s.backend.Origin, Name: req.Name, Nonce: req.Metadata[markCreated], At: time.Now().UTC()}
	if err := s.journal.putIntent(ctx, intent); err != nil {
		return Volume{}, err
	}
	v, err := s.backend.Provider.Create(ctx, req)
	if err != nil && IsAmbiguous(err) {
		v, err = s.lostCreate(ctx, intent, err)
	}
	if err != nil {
		if IsAmbiguous(err) {
			return Volume{}, err // the intent stays, and a later Create or start asks again
		}
		return Volume{}, errors.Join(s.explain(ctx, req, err), s.journal.dropIntent(ctx, req.Name))
	}
	if err := s.own(ctx, v, intent.Nonce); err != nil {
		return Volume{}, err
	}
	return v, s.journal.dropIntent(ctx, req.Name)
}

// own records that this host created v and binds the name to it, for now: the
// name is settled at the first mount.
func (s *Service) own(ctx context.Context, v Volume, nonce string) error {
	s.registry.put(v, time.Now())
	s.registry.bind(v.Name, v.Key)
	h := s.handle(v)
	if err := h.lock.acquire(ctx, "create"); err != nil {
		return err
	}
	defer h.lock.release()
	h.rec.Volume, h.rec.CreatedHere = v, nonce
	h.rec.Volume.Metadata = nil
	return s.announce(ctx, h, h.rec.Step)
}

// lostCreate looks for the volume of a request that got no answer.
func (s *Service) lostCreate(ctx context.Context, in createIntent, cause error) (Volume, error) {
	for try := 0; try < 5; try++ {
		all, err := s.listName(ctx, in.Name)
		if err == nil {
			for _, v := range all {
				if v.Marks.Created == in.Nonce {
					return v, nil
				}
			}
			if try > 1 {
				// It was not done: an answer that is lost after the work shows
				// the volume at once.
				return Volume{}, &Error{Kind: ErrUnavailable, Text: cause.Error() + "; the cloud shows no volume of this request, so it was not created: repeat the command", Err: nil}
			}
		}
		if pause(ctx, try) != nil {
			break
		}
	}
	return Volume{}, cause
}

// explain adds what only the cloud knows about a refused request.
func (s *Service) explain(ctx context.Context, req NewVolume, cause error) error {
	if !errors.Is(cause, ErrInvalid) && !errors.Is(cause, ErrNotFound) {
		return cause
	}
	if better := s.backend.Provider.Check(ctx, req); errors.Is(better, ErrInvalid) {
		return better
	}
	return cause
}

// untilUsable polls a volume that is being created. One that fails was never
// used and is removed, so that the name is free for another try.
func (s *Service) untilUsable(ctx context.Context, v Volume) error {
	for try := 0; v.Status == "creating" || v.Status == "downloading"; try++ {
		fresh, err := s.backend.Provider.Get(ctx, v.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			return errors.Join(Errorf(ErrNotFound, "volume %s (%s) vanished while it was being created: repeat the command", v.Name, v.ID), s.forgetGone(ctx, v))
		case err == nil:
			v = fresh
			s.registry.put(v, time.Now())
		}
		if v.Status != "creating" && v.Status != "downloading" {
			break
		}
		if err := pause(ctx, try); err != nil {
			return Errorf(ErrUnavailable, "volume %s (%s) is still %s after %s: it stays and can be used once it is available", v.Name, v.ID, v.Status, workLimit)
		}
	}
	if v.Status == "error" {
		return s.failedCreate(ctx, v)
	}
	return nil
}

func (s *Service) failedCreate(ctx context.Context, v Volume) error {
	text := fmt.Sprintf("the cloud could not create volume %s (%s): its status is error (openstack volume message list tells why, often no room on the backend or a bad type)", v.Name, v.ID)
	h := s.known(v.Key)
	if h == nil || h.rec.CreatedHere == "" || h.rec.Given || !v.Blank() {
		return Errorf(ErrUnavailable, "%s; it is left as it is", text)
	}
	if err := s.backend.Provider.Delete(ctx, v.ID); err != nil {
		return Errorf(ErrUnavailable, "%s, and deleting it failed: %w", text, err)
	}
	return errors.Join(Errorf(ErrUnavailable, "%s; it was deleted, so the command can be repeated", text), s.forgetGone(ctx, v))
}
