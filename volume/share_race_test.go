package volume

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// turns lets the cloud's calls of two hosts through in a given order; when that
// is used up, everything goes.
type turns struct {
	next map[string]chan struct{}
	free chan struct{}
}

func newTurns(order []string) *turns {
	u := &turns{next: map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}, free: make(chan struct{})}
	go func() {
		defer close(u.free)
		for _, host := range order {
			select {
			case u.next[host] <- struct{}{}:
			case <-time.After(15 * time.Millisecond): // it waits for something else, or is done
			}
		}
	}()
	return u
}

func (u *turns) take(host string) {
	select {
	case <-u.next[host]:
	case <-u.free:
	}
}

// orderedShares is a cloud of shares whose answers come in a given order.
type orderedShares struct {
	memoryShares
	turns *turns
}

func (c orderedShares) List(ctx context.Context, q Query, page func([]Volume) error) error {
	c.turns.take(c.host)
	return c.memoryShares.List(ctx, q, page)
}

func (c orderedShares) SetMarks(ctx context.Context, id string, change MarkChange) (map[string]string, error) {
	c.turns.take(c.host)
	return c.memoryShares.SetMarks(ctx, id, change)
}

func (c orderedShares) Get(ctx context.Context, id string) (Volume, error) {
	c.turns.take(c.host)
	return c.memoryShares.Get(ctx, id)
}

// orders are all ways in which so many calls of each host can follow each other.
func orders(a, b int) [][]string {
	if a == 0 && b == 0 {
		return [][]string{nil}
	}
	var all [][]string
	if a > 0 {
		for _, rest := range orders(a-1, b) {
			all = append(all, append([]string{"a"}, rest...))
		}
	}
	if b > 0 {
		for _, rest := range orders(a, b-1) {
			all = append(all, append([]string{"b"}, rest...))
		}
	}
	return all
}

// TestSharesOfOneNameInEveryOrder_E8: two hosts that made shares of one name in
// the same second, their calls to the cloud in every order: create, claim, list,
// mark,
// and for whoever makes way or yields the calls after that. They end on one
// share, which alone is marked as used, and no claim stays.
func TestSharesOfOneNameInEveryOrder_E8(t *testing.T) {
	t.Parallel()
	few := make(chan struct{}, 64)
	var all sync.WaitGroup
	for i, order := range orders(5, 4) {
		for lower := range 2 {
			few <- struct{}{}
			all.Go(func() {
				defer func() { <-few }()
				if why := raceOver(t, order, lower); why != "" {
					t.Errorf("order %d %v, the lower id with host %d: %s", i, order, lower, why)
				}
			})
		}
	}
	all.Wait()
}

func raceOver(t *testing.T, order []string, lower int) string {
	t.Helper()
	f, now := newFarm(), time.Now()
	var hosts []*Service
	for _, name := range []string{"a", "b"} {
		s, _ := f.host(t, name, t.TempDir())
		hosts = append(hosts, s)
	}
	inOrder := newTurns(order)
	var mounts sync.WaitGroup
	for i, s := range hosts {
		for _, st := range s.storages {
			if st.Shares {
				st.Provider = orderedShares{f.as(s.cfg.Host.Name), inOrder}
			}
		}
		mounts.Go(func() {
			inOrder.take(s.cfg.Host.Name)
			f.madeBy(s, fmt.Sprintf("s%d", (i+lower)%2), now)
			if _, err := s.Mount(context.Background(), MountRequest{Name: "n", User: "u"}); err != nil {
				t.Errorf("host %s, order %v: %v", s.cfg.Host.Name, order, err)
			}
		})
	}
	mounts.Wait()
	return f.split(hosts)
}

// madeBy is what a Create of a host leaves: its share, to which it has bound the
// name for now.
func (f *farm) madeBy(s *Service, id string, at time.Time) {
	f.shares.mu.Lock()
	f.shares.add(id, "n", "available", map[string]string{"volume_from": "cl", "fuxi:v": "1", "fuxi:created": "t,h," + id}, at)
	f.shares.mu.Unlock()
	f.as("").share(id)
	v, _ := f.shares.Get(context.Background(), id)
	s.registry.put(v, time.Now())
	s.registry.bind("n", v.Key)
	s.handle(v).rec.CreatedHere = id
}

// split says what is wrong with where the hosts have come to.
func (f *farm) split(hosts []*Service) string {
	at := map[string]bool{}
	for _, s := range hosts {
		for _, device := range f.mounted[s.cfg.Host.Name] {
			at[device] = true
		}
	}
	if len(at) != 1 {
		return fmt.Sprintf("mounted are %v", at)
	}
	f.shares.mu.Lock()
	defer f.shares.mu.Unlock()
	used := 0
	for id := range f.shares.vols {
		switch m := ParseMarks(f.shares.meta[id]); {
		case len(m.Claims) > 0:
			return fmt.Sprintf("%s is still claimed by %v", id, m.Claims)
		case m.Formatted != nil && !at["/dev/"+id]:
			return id + " is marked as used and is not"
		case m.Formatted != nil:
			used++
		}
	}
	if used != 1 {
		return "what is mounted is not marked as used"
	}
	return ""
}
