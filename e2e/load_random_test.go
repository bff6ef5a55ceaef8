package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// owner does random things with one volume and remembers what must be true of
// it. It is the only one who uses it, so what it remembers is the truth; what a
// crash interrupts it repeats, as Docker and its users do.
type owner struct {
	*trial
	name   string
	random *rand.Rand
	gate   *sync.RWMutex // held while the daemon is killed and started

	exists bool
	data   string // synced last
	uuid   string // of the filesystem that data is on
	path   string
	users  []string
	ids    int
	done   map[string]int
}

// until repeats an operation that a crash may interrupt. What fails for half a
// minute fails for good.
func (o *owner) until(what string, op func() error) bool {
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if err = op(); err == nil {
			o.done[what]++
			return true
		}
		o.awaitDaemon()
		time.Sleep(50 * time.Millisecond)
	}
	o.t.Errorf("%s: %s: %v", o.name, what, err)
	return false
}

// awaitDaemon waits while a killed daemon is replaced.
func (o *owner) awaitDaemon() {
	o.gate.RLock()
	defer o.gate.RUnlock()
}

func (o *owner) step() {
	switch n := o.random.IntN(10); {
	case !o.exists:
		o.exists = o.until("create", func() error { return o.d.Create(o.name, map[string]string{"size": "1"}) })
	case len(o.users) == 0 && n == 0:
		if o.until("remove", func() error { return o.remove(o.name) }) {
			o.exists, o.data, o.uuid, o.path = false, "", "", ""
		}
	case len(o.users) == 0 || len(o.users) < 3 && n < 3:
		o.mount()
	case n < 7:
		o.write()
	default:
		o.unmount()
	}
	o.check()
}

func (o *owner) mount() {
	o.until("mount", func() error {
		o.ids++ // Docker takes a new id for each try
		id := fmt.Sprintf("%s-%d", o.name, o.ids)
		path, err := o.d.Mount(o.name, id)
		if err == nil {
			o.path, o.users = path, append(o.users, id)
		}
		return err
	})
}

// write needs no daemon: the container goes on while there is none.
func (o *owner) write() {
	data := fmt.Sprintf("%s %d", o.name, o.random.Uint64())
	if err := writeSynced(filepath.Join(o.path, "f"), data); err != nil {
		o.t.Errorf("%s: write: %v", o.name, err)
		return
	}
	o.data = data
	o.done["write"]++
}

func (o *owner) unmount() {
	i := o.random.IntN(len(o.users))
	id := o.users[i]
	if o.until("unmount", func() error { return o.d.Unmount(o.name, id) }) {
		o.users = append(o.users[:i], o.users[i+1:]...)
	}
}

// check compares the world with what is remembered.
func (o *owner) check() {
	if len(o.users) > 0 && o.data != "" {
		if got, err := os.ReadFile(filepath.Join(o.path, "f")); err != nil || string(got) != o.data {
			o.t.Errorf("%s: synced %q, found %q, %v", o.name, o.data, got, err)
		}
	}
	volumes := o.cloud.Volumes(o.name)
	switch {
	case len(volumes) > 1:
		o.t.Errorf("%s: %d volumes of the name", o.name, len(volumes))
	case len(volumes) == 0 && o.exists:
		o.t.Errorf("%s: its volume is gone", o.name)
	case len(volumes) == 1 && o.data != "":
		mark := volumes[0].Metadata["fuxi:formatted"]
		if o.uuid == "" {
			o.uuid = mark
		}
		if mark == "" || mark != o.uuid {
			o.t.Errorf("%s: formatted again: the mark was %q and is %q", o.name, o.uuid, mark)
		}
	}
}

// TestRandomLifeWithCrashes_E6: six owners do random things for 10 s while the
// daemon is killed at random moments. Synced data is there whenever the volume
// is mounted, each name has one volume, formatted once, and at the end
// everything is given back.
func TestRandomLifeWithCrashes_E6(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	const seed, volumes = 4711, 6
	t.Logf("seed %d", seed)
	s := newTrial(t, simulator.Options{}, nil)
	var gate sync.RWMutex
	owners := make([]*owner, volumes)
	names := make([]string, volumes)
	end := time.Now().Add(10 * time.Second)
	var all sync.WaitGroup
	for i := range owners {
		names[i] = fmt.Sprint("random", i)
		owners[i] = &owner{trial: s, name: names[i], random: rand.New(rand.NewPCG(seed, uint64(i))), gate: &gate, done: map[string]int{}}
		all.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				owners[i].step()
			}
		})
	}
	crashes, random := 0, rand.New(rand.NewPCG(seed, 99))
	for time.Now().Before(end) && !t.Failed() {
		time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond)
		gate.Lock()
		s.d.Kill9()
		s.start()
		gate.Unlock()
		crashes++
	}
	all.Wait()
	done := map[string]int{}
	for _, o := range owners {
		o.finish()
		for what, n := range o.done {
			done[what] += n
		}
	}
	t.Logf("%d crashes under %v", crashes, done)
	s.clean(names...)
	if left := rig.MountsBelow(s.d.Dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s.d.Stop()
}

// finish lets go of everything, as the last container and a prune do.
func (o *owner) finish() {
	for len(o.users) > 0 && !o.t.Failed() {
		o.unmount()
	}
	if o.data != "" && !o.t.Failed() {
		o.mount()
		o.check()
		o.unmount()
	}
	o.until("remove", func() error { return o.remove(o.name) })
}
