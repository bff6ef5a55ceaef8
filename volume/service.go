// Package volume tells the story of a volume on this host: how a name becomes
// a cloud volume, how that gets here, is formatted once, mounted, counted,
// given back and removed, and how a half-done thing is finished after a
// crash. It knows neither a cloud's API nor a device: providers and connectors
// do, behind the contracts in this package and in package connector.
package volume

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/openstack/fuxi/connector"
)

// Defaults are what a create without options gets of one backend.
type Defaults struct {
	SizeGiB      int
	FSType       string // of block volumes
	Type         string // of volumes, or of shares
	Zone         string
	ShareProto   string // of shares: NFS, CEPHFS
	ShareNetwork string // of shares: id
}

// Config is what a Service needs to know. All durations are positive.
type Config struct {
	Version  string
	Cluster  string // value of the volume_from mark
	StateDir string
	MountDir string
	BootID   string
	Host     HostIdentity

	Refresh        time.Duration // between two looks for changes
	Linger         time.Duration // an unused volume stays attached for so long
	WaitForRelease time.Duration // Mount waits so long for another holder
	ReservationAge time.Duration // a reservation of ours whose id never came is deleted after so long
	UnzeroedTypes  []string      // volume types whose new volumes may hold stale bytes
}

// Health tells what is known of a cloud without asking it.
type Health interface {
	// Open is true while the circuit breaker says that asking is no use. Now
	// and then it answers false to one caller, who then asks.
	Open() bool
	// LastAnswer is when the cloud last answered anything; zero if never.
	LastAnswer() time.Time
	// LastError is the newest failure after LastAnswer, or "".
	LastError() string
	// Reachable dials the cloud without sending a request.
	Reachable(ctx context.Context) bool
}

// Backend is one kind of storage of one cloud.
type Backend struct {
	Cloud      string
	Name       string // cinder, manila
	Shares     bool   // it serves filesystems to many hosts at once, not devices to one
	Decrypted  bool   // a device holds plaintext whatever the type: the hypervisor decrypts
	Defaults   Defaults
	Origin     Origin
	Provider   Provider
	Attacher   Attacher
	Health     Health
	Connectors map[string]connector.Connector // by Connection.Driver
	// Describe adds to Config.Host.Properties what can change while fuxi runs
	// (whether multipathd runs, say), asked at each Expose; nil adds nothing. Its
	// error refuses the mount.
	Describe func(ctx context.Context) (map[string]any, error)
}

// Service does everything that is asked for. Its methods may be called from
// any number of goroutines. Get, List, Path and Status never wait for a cloud,
// a command or a lock that is held across either; they only wait, at most for
// their context, until the state directory has been read.
type Service struct {
	cfg      Config
	log      *slog.Logger
	storages []*storage // at least one; the first is what a create without volume_provider means
	fs       Filesystems

	journal  *journal
	registry *registry
	events   *events
	base     context.Context // work goes on under it when a caller has left
	stop     context.CancelFunc
	work     sync.WaitGroup
	ready    chan struct{} // closed when the state directory has been read
	started  time.Time

	mu       sync.Mutex
	loadErr  error
	handles  map[Key]*handle
	flights  map[string]*flight   // mounts under way, by name
	names    map[string]*nameLock // creates, by name
	lookups  map[string]*lookup   // unknown names being asked for
	intents  map[string]createIntent
	orders   map[*underWay]bool
	foreign  map[string]*Record // records that are not ours, by name
	setAside []string
	twin     string // set while loading: whose iSCSI name this host has, and what to do
}

// New makes a Service. It reads nothing and starts nothing: see Load and Run.
// backends are of one cloud, at least one, each of another Name; the first is
// what a create without volume_provider means.
func New(ctx context.Context, cfg Config, backends []Backend, fs Filesystems, log *slog.Logger) *Service {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	storages := make([]*storage, len(backends))
	for i, b := range backends {
		storages[i] = &storage{Backend: b}
	}
	return &Service{
		cfg: cfg, log: log, storages: storages, fs: fs,
		registry: newRegistry(), events: &events{log: log}, base: base, stop: stop,
		ready: make(chan struct{}), started: time.Now().UTC(),
		handles: map[Key]*handle{}, flights: map[string]*flight{},
		names: map[string]*nameLock{}, lookups: map[string]*lookup{},
		orders: map[*underWay]bool{}, intents: map[string]createIntent{}, foreign: map[string]*Record{},
	}
}

// workLimit bounds one operation on a volume, whoever still waits for it.
const workLimit = 10 * time.Minute

// background runs fn to its end under the service's own context, and waits for
// it no longer than ctx. When ctx ends first the work goes on and the caller
// is told so: the next call joins it by waiting for the same lock.
func (s *Service) background(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	done := make(chan error, 1)
	order := &underWay{what: what, since: time.Now().UTC()}
	s.mu.Lock()
	s.orders[order] = true
	s.mu.Unlock()
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(s.base, workLimit)
		defer cancel()
		err := fn(ctx)
		s.mu.Lock()
		delete(s.orders, order)
		s.mu.Unlock()
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return Errorf(ErrUnavailable, "%s is not finished yet and goes on; repeat the command to wait for it (fuxi status shows where it is)", what)
	}
}

// underWay is one order that is being carried out, for Status.
type underWay struct {
	what  string
	since time.Time
}

// awaitReady waits until the state directory has been read.
func (s *Service) awaitReady(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.loadErr
	default:
	}
	select {
	case <-s.ready:
		return s.loadErr
	case <-ctx.Done():
		return Errorf(ErrUnavailable, "fuxi is still reading its state directory %s", s.cfg.StateDir)
	}
}

// handle returns the handle of a key, making an idle one when there is none.
func (s *Service) handle(v Volume) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.handles[v.Key]
	if !ok {
		h = newHandle(v.Key)
		h.rec.Volume = v
		h.rec.Origin, h.rec.BootID = s.origin(), s.cfg.BootID
		s.handles[v.Key] = h
	}
	return h
}

// known returns the handle of a key if there is one.
func (s *Service) known(k Key) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handles[k]
}

func (s *Service) dropHandle(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handles, k)
}

// allHandles is a copy of the handles, in no order.
func (s *Service) allHandles() []*handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*handle, 0, len(s.handles))
	for _, h := range s.handles {
		out = append(out, h)
	}
	return out
}

// announce writes the record with a new step, before the act. The caller owns
// the handle's lock.
func (s *Service) announce(ctx context.Context, h *handle, step Step) error {
	if h.recovered {
		// Not written: at the next start its unknown users would look like none.
		h.show(recoveredNote)
		return nil
	}
	if h.rec.Step != step {
		h.rec.Step, h.rec.Since = step, time.Now().UTC()
	}
	h.rec.Origin, h.rec.BootID = s.origin(), s.cfg.BootID
	err := s.journal.put(ctx, &h.rec)
	h.show("")
	return err
}

// dropNote forgets a handle's trouble once something went well.
func (h *handle) clearError() {
	h.rec.LastError = ""
}
