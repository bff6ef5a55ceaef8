package volume

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openstack/fuxi/trace"
)

// handle is one volume on this host. Its record is changed only by the owner
// of its lock; view is what Get shows and is read without any lock.
type handle struct {
	key  Key
	lock volumeLock
	// growth is held by one order to grow at a time, across its waiting for the
	// cloud, and taken before lock, which is not: an Unmount must not wait.
	growth volumeLock
	rec    Record // owner of lock only
	view   atomic.Pointer[view]

	timerMu sync.Mutex
	linger  *time.Timer
	backoff time.Duration // of failed detaches

	// recovered: the kernel has it mounted but no record told so. It is shown,
	// counted and never detached by itself.
	recovered bool
	// ordered: an operator named this volume by its id, whatever its name.
	ordered bool
	// mountedAt is when a mount was last asked for; owner of lock only.
	mountedAt time.Time
}

// view is an immutable copy of what a handle shows to the world.
type view struct {
	step      Step
	since     time.Time
	target    string // "" unless mounted
	users     map[string]int
	lastError string
	attached  bool
	growing   int // GiB ordered and not reached, 0 when none
	note      string
}

func newHandle(k Key) *handle {
	h := &handle{key: k, lock: volumeLock{free: unlocked()}, growth: volumeLock{free: unlocked()}}
	h.rec.Users = map[string]User{}
	h.show("")
	return h
}

// show publishes the record. The owner of the lock calls it after each change.
func (h *handle) show(note string) {
	v := &view{
		step: h.rec.Step, since: h.rec.Since, lastError: h.rec.LastError,
		users: make(map[string]int, len(h.rec.Users)), attached: h.rec.attached(), growing: h.rec.Grow, note: note,
	}
	for id, u := range h.rec.Users {
		v.users[id] = u.Count
	}
	if h.rec.Step == StepMounted {
		v.target = h.rec.Target
	}
	h.view.Store(v)
}

// grows tells that an order to grow is under way. The volume is not given back
// then: when the cloud has extended it, it sets the status that the volume had
// before, in-use, which would be wrong for good without its attachment.
func (h *handle) grows() bool { return h.growth.owner.Load() != nil }

// hasUser answers without the lock, from the last published state.
func (h *handle) hasUser(id string) bool { return h.view.Load().users[id] > 0 }

// volumeLock is held by one operation at a time. Waiting honours the context,
// and who holds it for how long can be asked.
type volumeLock struct {
	free  chan struct{}
	owner atomic.Pointer[lockOwner]
}

type lockOwner struct {
	what  string
	since time.Time
}

// unlocked is the channel of a volumeLock that nobody holds.
func unlocked() chan struct{} {
	free := make(chan struct{}, 1)
	free <- struct{}{}
	return free
}

// acquire waits for the lock until ctx ends.
func (l *volumeLock) acquire(ctx context.Context, what string) error {
	select {
	case <-l.free:
	default:
		defer trace.Cross(ctx, trace.Wait, what+" waits for its turn")()
		select {
		case <-l.free:
		case <-ctx.Done():
			return Errorf(ErrUnavailable, "%s waits for %s; try again", what, l.holder())
		}
	}
	l.owner.Store(&lockOwner{what: what, since: time.Now()})
	return nil
}

func (l *volumeLock) release() {
	l.owner.Store(nil)
	l.free <- struct{}{}
}

// holder says who has the lock, for messages.
func (l *volumeLock) holder() string {
	o := l.owner.Load()
	if o == nil {
		return "nobody"
	}
	return fmt.Sprintf("%s, which began %s ago", o.what, time.Since(o.since).Round(time.Second))
}
