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
	b, err := s.chosen(opts)
	if err != nil {
		return err
	}
	if err := b.checkOptions(opts); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	return s.background(ctx, "creating "+name, func(ctx context.Context) error {
		return s.withName(ctx, name, "create", func() error { return s.createLocked(ctx, b, name, opts) })
	})
}

// checkOptions refuses what this daemon's configuration makes impossible.
func (st *storage) checkOptions(opts Options) error {
	if err := opts.CheckProvider(st.Name); err != nil {
		return err
	}
	if st.Shares {
		return opts.CheckMount(first(opts.ShareProto, st.Defaults.ShareProto))
	}
	fstype := first(opts.FSType, st.Defaults.FSType)
	if err := opts.CheckMkfs(fstype); err != nil {
		return err
	}
	return opts.CheckMount(fstype)
}

// withName runs fn while it owns the name: creates of one name run one after
// the other.
func (s *Service) withName(ctx context.Context, name, what string, fn func() error) error {
	s.mu.Lock()
	l, ok := s.names[name]
	if !ok {
		l = &nameLock{volumeLock: volumeLock{free: make(chan struct{}, 1)}}
		l.free <- struct{}{}
		s.names[name] = l
	}
	l.wanted++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.wanted--; l.wanted == 0 {
			delete(s.names, name)
		}
	}()
	if err := l.acquire(ctx, what); err != nil {
		return err
	}
	defer l.release()
	return fn()
}

// nameLock goes when nobody wants it any more; Service.mu guards wanted.
type nameLock struct {
	volumeLock
	wanted int
}

// createLocked: known → compare; unknown → ask; absent → make or adopt.
func (s *Service) createLocked(ctx context.Context, b *storage, name string, opts Options) error {
	if err := s.settleIntent(ctx, name); err != nil {
		return err
	}
	v, exists, err := s.existing(ctx, name)
	if err != nil {
		return err
	}
	if exists {
		return s.sameAs(ctx, v, opts)
	}
	if opts.VolumeID != "" {
		return s.adopt(ctx, b, name, opts)
	}
	req, err := s.newVolume(ctx, b, name, opts)
	if err != nil {
		return err
	}
	v, err = s.post(ctx, b, req)
	if err != nil {
		return err
	}
	v, err = s.untilCreated(ctx, v)
	if err == nil && v.Status == "error" {
		return s.failedCreate(ctx, v)
	}
	return err
}

// existing finds a volume of the name, and proves one that is only remembered.
// A list that fails means "cannot say", and then nothing is created.
func (s *Service) existing(ctx context.Context, name string) (Volume, bool, error) {
	if v, ok := s.registry.resolve(name); ok {
		fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
		switch {
		case err == nil && fresh.Usable():
			s.registry.put(fresh, time.Now())
			fresh.Name = name
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
	if err := opts.CheckProvider(v.Provider); err != nil {
		return Errorf(ErrConflict, "volume %s exists, as a %s of %s: %w", v.Name, v.noun(), v.Provider, err)
	}
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
	v, err = s.untilCreated(ctx, v)
	if err == nil && v.Status == "error" && !v.hasData() {
		return Errorf(ErrUnavailable, "%s; if nobody needs it, docker volume rm %s makes room for another try", errorText(v), v.Name)
	}
	return err
}

func errorText(v Volume) string {
	return fmt.Sprintf("the cloud could not create volume %s (%s): its status is error (openstack volume message list tells why, often no room on the backend or a bad type)", v.Name, v.ID)
}

// untilCreated polls a volume while it is being created.
func (s *Service) untilCreated(ctx context.Context, v Volume) (Volume, error) {
	for try := 0; v.Status == "creating" || v.Status == "downloading"; try++ {
		fresh, err := s.of(v.Key).Provider.Get(ctx, v.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			return v, errors.Join(Errorf(ErrNotFound, "volume %s (%s) vanished while it was being created: repeat the command", v.Name, v.ID), s.forgetGone(ctx, v))
		case err == nil:
			v = fresh
			s.registry.put(v, time.Now())
		}
		if v.Status != "creating" && v.Status != "downloading" {
			break
		}
		if err := pause(ctx, try); err != nil {
			return v, Errorf(ErrUnavailable, "volume %s (%s) is still %s after %s: it stays and can be used once it is available", v.Name, v.ID, v.Status, workLimit)
		}
	}
	return v, nil
}

// failedCreate removes what this very call made and the cloud could not
// finish, so that the name is free for another try. v is fresh.
func (s *Service) failedCreate(ctx context.Context, v Volume) error {
	text := errorText(v)
	rows, err := s.of(v.Key).Attacher.Attachments(ctx, v.ID)
	if err != nil || len(rows) > 0 || v.Marks.Formatted != nil || v.Marks.Formatting != nil || !s.neverUsed(ctx, v.Key) {
		return Errorf(ErrUnavailable, "%s; it is left as it is", text)
	}
	if err := s.of(v.Key).Provider.Delete(ctx, v.ID); err != nil {
		return Errorf(ErrUnavailable, "%s, and deleting it failed: %w", text, err)
	}
	return errors.Join(Errorf(ErrUnavailable, "%s; it was deleted, so the command can be repeated", text), s.forgetGone(ctx, v))
}

// neverUsed tells whether this host's own request made the volume and nobody
// was given it here.
func (s *Service) neverUsed(ctx context.Context, k Key) bool {
	h := s.known(k)
	if h == nil || h.lock.acquire(ctx, "create") != nil {
		return false
	}
	defer h.lock.release()
	return h.rec.CreatedHere != "" && !h.rec.Given
}
