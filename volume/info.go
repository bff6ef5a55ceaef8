package volume

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sort"
	"time"
)

// List yields every volume of this cluster once by name, from memory. The loop
// body must be quick: the registry is read-locked meanwhile.
func (s *Service) List(ctx context.Context) (iter.Seq[Listed], error) {
	if err := s.awaitReady(ctx); err != nil {
		return nil, err
	}
	targets := map[Key]string{}
	for _, h := range s.allHandles() {
		if t := h.view.Load().target; t != "" {
			targets[h.key] = t
		}
	}
	return func(yield func(Listed) bool) {
		for v := range s.registry.names() {
			if !yield(Listed{Name: v.Name, Mountpoint: targets[v.Key], CreatedAt: v.CreatedAt}) {
				return
			}
		}
	}, nil
}

// Infos yields what List does with everything that is known of each.
func (s *Service) Infos(ctx context.Context) ([]Info, error) {
	if err := s.awaitReady(ctx); err != nil {
		return nil, err
	}
	var all []Volume
	for v := range s.registry.names() {
		all = append(all, *v)
	}
	infos := make([]Info, len(all))
	for i, v := range all {
		infos[i] = s.info(v)
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name < infos[j].Name })
	return infos, nil
}

// info puts together what the registry and the handle know.
func (s *Service) info(v Volume) Info {
	seen, stale := s.registry.age(v.Key)
	st := s.of(v.Key)
	s.mu.Lock()
	h := s.handles[v.Key]
	seen = later(seen, st.refresh.last)
	s.mu.Unlock()
	info := Info{
		Listed: Listed{Name: v.Name, CreatedAt: v.CreatedAt}, Key: v.Key,
		SizeGiB: v.SizeGiB, Type: v.Type, State: v.Status,
		FSType: formattedAs(v), Formatted: v.Marks.Formatted != nil,
		OnRemove: s.policy(v), Stale: stale,
	}
	if seen.IsZero() {
		info.Stale = true // known from the journal alone, and no cloud has confirmed it yet
	} else {
		info.Age = time.Since(seen)
		info.Stale = stale || info.Age > 3*s.cfg.Refresh
	}
	if len(v.Attachments) > 0 {
		info.AttachedTo = v.Attachments[0].holder()
	}
	for _, t := range s.registry.twins(v) {
		info.Notes = append(info.Notes, fmt.Sprintf("another volume has this name: %s (%s)", t.ID, t.Status))
	}
	if len(v.Marks.Damaged) > 0 {
		info.Notes = append(info.Notes, fmt.Sprintf("damaged marks: %v", v.Marks.Damaged))
	}
	if h != nil {
		h.describe(&info, s.cfg.Host.Name)
	}
	return info
}

// describe adds what a handle shows.
func (h *handle) describe(info *Info, host string) {
	shown := h.view.Load()
	info.Mountpoint, info.Users = shown.target, shown.users
	info.Step, info.LastError = string(shown.step), shown.lastError
	if shown.attached {
		info.AttachedTo = "host " + host
	}
	if shown.note != "" {
		info.Notes = append(info.Notes, shown.note)
	}
}

// Status tells about the whole daemon, from memory.
func (s *Service) Status(ctx context.Context) (Status, error) {
	if err := s.awaitReady(ctx); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	st := Status{
		Version: s.cfg.Version, Host: s.cfg.Host.Name, Cluster: s.cfg.Cluster, Since: s.started,
		SetAside: append([]string{}, s.setAside...), Events: s.events.list(),
		Volumes: []Info{}, Unfinished: []Unfinished{},
	}
	trouble := ""
	for _, b := range s.storages {
		health := b.Health
		trouble = first(trouble, health.LastError())
		st.Clouds = append(st.Clouds, CloudStatus{
			Cloud: b.Cloud, Provider: b.Name, Known: s.registry.count(b.Cloud, b.Name),
			Answers:    health.LastError() == "" && !health.LastAnswer().IsZero(),
			LastAnswer: health.LastAnswer(), LastError: health.LastError(), LastRefresh: b.refresh.last,
		})
	}
	for _, in := range s.intents {
		st.Unfinished = append(st.Unfinished, Unfinished{
			Name: in.Name, Step: "creating", Since: in.At, Age: time.Since(in.At),
			Why: "a create request was interrupted and the cloud has not said yet what became of it", Next: "repeat docker volume create, or wait",
		})
	}
	for o := range s.orders {
		st.Unfinished = append(st.Unfinished, Unfinished{
			Name: o.what, Step: "under way", Since: o.since, Age: time.Since(o.since),
			Why: first(trouble, "it waits for the cloud or for its turn"), Next: "repeat the command to wait for it",
		})
	}
	s.mu.Unlock()
	for _, h := range s.allHandles() {
		s.statusOf(h, &st)
	}
	sort.Slice(st.Volumes, func(i, j int) bool { return st.Volumes[i].Name < st.Volumes[j].Name })
	sort.Slice(st.Unfinished, func(i, j int) bool { return st.Unfinished[i].Name < st.Unfinished[j].Name })
	return st, nil
}

func (s *Service) statusOf(h *handle, st *Status) {
	shown := h.view.Load()
	busy := cmp.Or(h.lock.owner.Load(), h.growth.owner.Load())
	if !shown.attached && shown.target == "" && shown.step == StepIdle && busy == nil {
		return // what failed last and was undone is told by inspect
	}
	v, ok := s.registry.get(h.key)
	if !ok {
		v = Volume{Key: h.key, Name: h.key.ID}
	}
	info := s.info(v)
	st.Volumes = append(st.Volumes, info)
	u := Unfinished{Name: v.Name, ID: v.ID, Step: string(shown.step), Since: shown.since, Age: time.Since(shown.since), Why: shown.lastError}
	switch {
	case busy != nil:
		u.Step, u.Since, u.Age = busy.what, busy.since, time.Since(busy.since)
		u.Why = first(shown.note, "under way")
	case shown.growing > 0:
		u.Step = fmt.Sprintf("growing to %d GiB", shown.growing)
		u.Why, u.Next = first(shown.lastError, "half done"), fmt.Sprintf("fuxi grow %s %d finishes it, and so does the next mount", v.Name, shown.growing)
	case shown.lastError != "":
		u.Next = "it is tried again by itself while attached, and by the next docker run"
	case shown.step == StepMounted, shown.step == StepIdle, shown.step == StepConnected:
		return // connected without users lingers, and is given back by itself
	default:
		u.Why, u.Next = "half done", "it is finished by itself as soon as the cloud answers"
	}
	st.Unfinished = append(st.Unfinished, u)
}
