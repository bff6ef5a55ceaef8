package volume

import (
	"context"
	"errors"
	"slices"

	"github.com/openstack/fuxi/connector"
)

// storage is one backend and how far it was read.
type storage struct {
	Backend
	refresh refreshState
}

// of returns the backend that a volume belongs to. What an earlier daemon had of
// a provider that is switched off now is still unmounted and shown; the cloud is
// not asked for it.
func (s *Service) of(k Key) *storage {
	for _, st := range s.storages {
		if st.Name == k.Provider {
			return st
		}
	}
	off := switchedOff{k.Provider}
	return &storage{Backend: Backend{Cloud: k.Cloud, Name: k.Provider, Origin: s.origin(), Provider: off, Attacher: off, Health: s.storages[0].Health}}
}

// here tells whether an attachment that nobody journalled is this host's, as far
// as the backend knows hosts by other than their names.
func (st *storage) here(a Attachment) bool {
	l, ok := st.Attacher.(Locator)
	return ok && l.Here(a)
}

// chosen is the backend that a create means: the one named, else the first.
func (s *Service) chosen(opts Options) (*storage, error) {
	if opts.Provider == "" {
		return s.storages[0], nil
	}
	var names []string
	for _, st := range s.storages {
		if st.Name == opts.Provider {
			return st, nil
		}
		names = append(names, st.Name)
	}
	return nil, Errorf(ErrInvalid, "volume_provider %q is not enabled here: allowed is %s (plugin.providers in fuxi.toml)", opts.Provider, orWords(names))
}

// origin is whose records and requests these are: all backends are one cloud's.
func (s *Service) origin() Origin { return s.storages[0].Origin }

// silence is what is known of a backend that does not answer, "" when all do.
// Asking is no use while any breaker is open: a name is absent only when none
// of the providers has it.
func (s *Service) silence() (why string, open bool) {
	for _, st := range s.storages {
		if now := st.Health.LastError(); now != "" {
			why = now
		}
		open = st.Health.Open() || open
	}
	return why, open
}

// anyRead tells whether this state directory's daemons ever read all volumes of
// a provider. Of one that was enabled later and never answered since, Docker knows
// no name from here.
func (s *Service) anyRead() bool {
	return slices.ContainsFunc(s.storages, func(st *storage) bool { return s.registry.everFull(st.Name) })
}

// switchedOff stands for a provider that this daemon's configuration does not
// name.
type switchedOff struct{ name string }

func (o switchedOff) why() error {
	return Errorf(ErrInvalid, "provider %s is not enabled here: add it to plugin.providers in fuxi.toml", o.name)
}

func (o switchedOff) Create(context.Context, NewVolume) (Volume, error) { return Volume{}, o.why() }
func (o switchedOff) Get(context.Context, string) (Volume, error)       { return Volume{}, o.why() }
func (o switchedOff) Delete(context.Context, string) error              { return o.why() }
func (o switchedOff) Check(context.Context, NewVolume) error            { return o.why() }

func (o switchedOff) List(context.Context, Query, func([]Volume) error) error { return o.why() }
func (o switchedOff) Origin(context.Context, string) (string, error)          { return "", o.why() }

func (o switchedOff) SetMarks(context.Context, string, MarkChange) (map[string]string, error) {
	return nil, o.why()
}

func (o switchedOff) Reserve(context.Context, string, bool) (string, error) { return "", o.why() }
func (o switchedOff) Complete(context.Context, string) error                { return o.why() }
func (o switchedOff) Release(context.Context, string) error                 { return o.why() }

func (o switchedOff) Expose(context.Context, Volume, string, HostIdentity) (connector.Connection, error) {
	return connector.Connection{}, o.why()
}

func (o switchedOff) Attachments(context.Context, string) ([]Attachment, error) {
	return nil, o.why()
}

// cloudIsAway tells whether err came of a cloud that did not answer, and is no
// question of having been done or not.
func (s *Service) cloudIsAway(err error) bool {
	return errors.Is(err, ErrUnavailable) && !IsAmbiguous(err) &&
		slices.ContainsFunc(s.storages, func(st *storage) bool { return st.Health.LastError() != "" })
}
