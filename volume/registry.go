package volume

import (
	"iter"
	"sync"
	"time"
)

// registry answers Get and List from memory: what the cloud last said, by key,
// with names as an index. It never forgets by itself.
type registry struct {
	mu      sync.RWMutex
	byKey   map[Key]*entry
	byName  map[string][]*entry
	bound   map[string]Key // names this host has bound, settled or not
	boundAs map[Key]string // the same the other way round
	// absent remembers for a moment that the cloud knows no volume of a name,
	// so that Docker's Get and the Create right after it ask once.
	absent map[string]time.Time
	// gone is when a volume was forgotten, so that an answer from before, which
	// arrives late, does not bring it back.
	gone  map[Key]time.Time
	full  map[string]bool // providers of which one full refresh has succeeded in this state directory's life
	dirty bool

	saving sync.Mutex
}

// entry is one volume; vol is never changed in place.
type entry struct {
	vol   *Volume
	seen  time.Time // when the cloud last confirmed it
	stale bool      // missing from a list, kept for safety
}

func newRegistry() *registry {
	return &registry{
		byKey: map[Key]*entry{}, byName: map[string][]*entry{},
		bound: map[string]Key{}, boundAs: map[Key]string{}, absent: map[string]time.Time{}, gone: map[Key]time.Time{}, full: map[string]bool{},
	}
}

// put records the cloud's answer about one volume. Volumes that are let go or
// deleting stay only when a name is bound to them here.
func (r *registry) put(v Volume, seen time.Time) {
	v.Metadata = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if name, ok := r.boundAs[v.Key]; ok {
		v.Name = name // sticky, whatever the cloud calls it by now
	}
	if CheckName(v.Name) != nil {
		return // cannot be named in Docker, and must never become a path
	}
	if at, ok := r.gone[v.Key]; ok && seen.Before(at) {
		return
	}
	delete(r.absent, v.Name)
	r.dirty = true
	if old, ok := r.byKey[v.Key]; ok {
		if seen.Before(old.seen) {
			return // an older answer that arrived late
		}
		if old.vol.Name != v.Name {
			r.unindex(old)
			old.vol = &v
			r.index(old)
		}
		old.vol, old.seen, old.stale = &v, seen, false
		return
	}
	e := &entry{vol: &v, seen: seen}
	r.byKey[v.Key] = e
	r.index(e)
}

func (r *registry) index(e *entry) {
	r.byName[e.vol.Name] = append(r.byName[e.vol.Name], e)
}

func (r *registry) unindex(e *entry) {
	left := r.byName[e.vol.Name][:0:0]
	for _, other := range r.byName[e.vol.Name] {
		if other != e {
			left = append(left, other)
		}
	}
	if len(left) == 0 {
		delete(r.byName, e.vol.Name)
		return
	}
	r.byName[e.vol.Name] = left
}

// forget drops a volume: only after the cloud answered 404 for its id, or
// after this host removed or released it.
func (r *registry) forget(k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gone) > 1000 {
		clear(r.gone)
	}
	r.gone[k] = time.Now()
	e, ok := r.byKey[k]
	if !ok {
		return
	}
	r.dirty = true
	delete(r.byKey, k)
	r.unindex(e)
	if r.bound[e.vol.Name] == k {
		delete(r.bound, e.vol.Name)
		delete(r.boundAs, k)
	}
}

// restate notes what an act of this host's own made of a volume's status,
// until the cloud is asked again.
func (r *registry) restate(k Key, status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.byKey[k]; ok && !e.vol.Multiattach && e.vol.Share == "" {
		v := *e.vol
		v.Status = status
		e.vol = &v
	}
}

// forgottenSince tells whether k was let go after at.
func (r *registry) forgottenSince(k Key, at time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.gone[k].After(at)
}

// isBound tells whether this host has bound a name to k.
func (r *registry) isBound(k Key) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.boundAs[k]
	return ok
}

// bind makes name mean k on this host from now on.
func (r *registry) bind(name string, k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.bound[name]; ok {
		delete(r.boundAs, old)
	}
	r.bound[name], r.boundAs[k] = k, name
}

// resolve finds the volume a name means here: the bound one, else the one that
// every host would choose.
func (r *registry) resolve(name string) (Volume, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.lookup(name)
	if e == nil {
		return Volume{}, false
	}
	return *e.vol, true
}

// lookup needs the lock.
func (r *registry) lookup(name string) *entry {
	if k, ok := r.bound[name]; ok {
		if e := r.byKey[k]; e != nil {
			return e
		}
	}
	var best *entry
	for _, e := range r.byName[name] {
		if e.vol.Usable() && (best == nil || preferred(*e.vol, *best.vol)) {
			best = e
		}
	}
	return best
}

func (r *registry) get(k Key) (Volume, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.byKey[k]
	if !ok {
		return Volume{}, false
	}
	return *e.vol, true
}

// age says when the cloud last confirmed k and whether it is doubted since.
func (r *registry) age(k Key) (seen time.Time, stale bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e, ok := r.byKey[k]; ok {
		return e.seen, e.stale
	}
	return time.Time{}, true
}

// twins lists the other usable volumes of v's name.
func (r *registry) twins(v Volume) []Volume {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Volume
	for _, e := range r.byName[v.Name] {
		if e.vol.Key != v.Key && e.vol.Usable() {
			out = append(out, *e.vol)
		}
	}
	return out
}

// names yields each name once with the volume it means, holding a read lock:
// the loop body must be quick and must not call the registry.
func (r *registry) names() iter.Seq[*Volume] {
	return func(yield func(*Volume) bool) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		for name, entries := range r.byName {
			e := entries[0]
			if _, bound := r.bound[name]; bound || len(entries) > 1 || !e.vol.Usable() {
				e = r.lookup(name)
			}
			if e != nil && !yield(e.vol) {
				return
			}
		}
	}
}
