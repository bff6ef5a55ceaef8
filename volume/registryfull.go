package volume

import (
	"sort"
	"time"
)

// noteAbsent remembers that the cloud just answered "none" for a name.
func (r *registry) noteAbsent(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.absent) > 1000 {
		clear(r.absent)
	}
	r.absent[name] = time.Now()
}

// absentFor tells whether the cloud answered "none" at most d ago.
func (r *registry) absentFor(name string, d time.Duration) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, ok := r.absent[name]
	return ok && time.Since(at) <= d
}

// markFull ends a full refresh of one backend that began at `began`: every
// volume of it that was not seen since is missing.
func (r *registry) markFull(cloud, provider string, began time.Time) (missing []Volume, known int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full[provider], r.dirty = true, true
	for k, e := range r.byKey {
		if k.Cloud != cloud || k.Provider != provider {
			continue
		}
		known++
		if e.seen.Before(began) {
			missing = append(missing, *e.vol)
		}
	}
	sort.Slice(missing, func(i, j int) bool { return missing[i].ID < missing[j].ID })
	return missing, known
}

// doubt marks volumes as missing from the cloud's list but kept.
func (r *registry) doubt(volumes []Volume) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range volumes {
		if e, ok := r.byKey[v.Key]; ok {
			e.stale = true
		}
	}
}

// everFull tells whether all volumes of a provider were ever read.
func (r *registry) everFull(provider string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.full[provider]
}

func (r *registry) count(cloud, provider string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for k := range r.byKey {
		if k.Cloud == cloud && k.Provider == provider {
			n++
		}
	}
	return n
}

// preferred orders volumes of one name as every host orders them: formatted
// ones first, then by creation time and id.
func preferred(a, b Volume) bool {
	if fa, fb := a.Marks.Formatted != nil, b.Marks.Formatted != nil; fa != fb {
		return fa
	}
	if !a.CreatedAt.Equal(b.CreatedAt) {
		return a.CreatedAt.Before(b.CreatedAt)
	}
	return a.ID < b.ID
}
