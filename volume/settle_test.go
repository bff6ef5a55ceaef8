package volume

import (
	"testing"
	"time"
)

// The enumeration of settling a name (E8): two hosts that know nothing of each
// other create and mount the same name, every interleaving of their steps,
// every order of the two volumes, stopping for ever at any point included.
// Never may two volumes be formatted, and never may both hosts go on with
// different ones.

type settleVolume struct {
	exists, released, formatted bool
	holder                      int // host that reserved it, 0 for nobody
}

type settlePC int

const (
	pcLook settlePC = iota // the list before create
	pcCreate
	pcReserve
	pcList
	pcMkfs
	pcFormatted // the mark is written
	pcLetGo     // yielding: mark the loser
	pcRelease   // yielding: give the reservation back
	pcBack      // making way: give the reservation back and try again
	pcDelete    // yielding: delete the loser
	pcUse
	pcDone
	pcRefused
)

type settleHost struct {
	pc       settlePC
	settled  bool // it went on once with the volume it is on
	on, next int  // index of the volume it works on, and where it yields to
}

type settleState struct {
	vol  [2]settleVolume
	host [2]settleHost
	made bool // somebody created one
}

type settleModel struct {
	t       *testing.T
	created [2]time.Time
	ids     [2]string
	seen    map[settleState]bool
	used    bool // some run ended with both hosts having used the volume
}

func (m *settleModel) list(s settleState) []Volume {
	var out []Volume
	for i, v := range s.vol {
		if !v.exists {
			continue
		}
		vol := Volume{Key: Key{"c", "cinder", m.ids[i]}, Name: "n", Status: "available", CreatedAt: m.created[i], Marks: Marks{Created: "x", Released: v.released}}
		if v.holder != 0 {
			vol.Status = "reserved"
		}
		if v.formatted {
			vol.Marks.Formatted = &Stamp{FSType: "ext4", UUID: "u"}
		}
		out = append(out, vol)
	}
	return out
}

func (m *settleModel) index(v Volume) int {
	if v.ID == m.ids[0] {
		return 0
	}
	return 1
}

func (m *settleModel) best(s settleState) (int, bool) {
	found, at := false, 0
	var best Volume
	for _, v := range m.list(s) {
		if v.Usable() && (!found || preferred(v, best)) {
			found, best, at = true, v, m.index(v)
		}
	}
	return at, found
}

// step is what host n does next in state s; false when it cannot move.
func (m *settleModel) step(s settleState, n int) (settleState, bool) {
	h := &s.host[n]
	switch h.pc {
	case pcLook:
		h.on, h.pc = n, pcCreate
		if at, ok := m.best(s); ok {
			h.on, h.pc = at, pcReserve
		}
	case pcCreate:
		s.vol[n], s.made = settleVolume{exists: true}, true
		h.on, h.pc, h.settled = n, pcReserve, false
	case pcReserve:
		v := &s.vol[h.on]
		if !v.exists {
			h.pc = pcLook
			break
		}
		if v.holder != 0 {
			return s, false // waits for its release
		}
		v.holder, h.pc = n+1, pcList
	case pcList:
		m.decide(&s, n)
	case pcMkfs:
		s.vol[h.on].formatted, h.pc = true, pcFormatted
	case pcFormatted:
		h.pc = pcUse
	case pcLetGo:
		if h.on == n { // only the host that created it removes it
			s.vol[h.on].released = true
		}
		h.pc = pcRelease
	case pcRelease:
		s.vol[h.on].holder = 0
		if h.pc = pcReserve; h.on == n {
			h.pc = pcDelete
			break
		}
		h.on = h.next
	case pcBack:
		s.vol[h.on].holder, h.pc = 0, pcReserve
	case pcDelete:
		if v := &s.vol[h.on]; v.holder == 0 {
			v.exists = false
		}
		h.on, h.pc = h.next, pcReserve
	case pcUse:
		s.vol[h.on].holder, h.pc = 0, pcDone
	default:
		return s, false
	}
	return s, true
}

func (m *settleModel) decide(s *settleState, n int) {
	h := &s.host[n]
	key := Key{"c", "cinder", m.ids[h.on]}
	verdict, other, _ := settle(key, h.settled, m.list(*s))
	switch verdict {
	case goOn:
		h.pc, h.settled = pcMkfs, true
		if other.Marks.Formatted != nil {
			h.pc = pcUse
		}
	case yieldTo:
		h.next, h.pc, h.settled = m.index(other), pcLetGo, false
		if s.vol[h.on].formatted {
			m.t.Fatalf("yields a volume that carries data")
		}
	case waitFor:
		h.pc = pcBack
	case vanished:
		s.vol[h.on].holder, h.pc = 0, pcLook
	case refuse:
		h.pc = pcRefused
	}
}

func (m *settleModel) check(s settleState) {
	a, b := s.host[0], s.host[1]
	left := func(v settleVolume) bool { return v.exists && !v.released }
	if s.made && !left(s.vol[0]) && !left(s.vol[1]) {
		m.t.Fatalf("both hosts removed what they made, and none is left in %+v", s)
	}
	going := func(h settleHost) bool { return h.pc == pcMkfs || h.pc == pcFormatted || h.pc == pcUse }
	if s.vol[0].exists && s.vol[1].exists && s.vol[0].formatted && s.vol[1].formatted {
		m.t.Fatalf("split: both volumes are formatted in %+v", s)
	}
	if going(a) && going(b) && a.on != b.on {
		m.t.Fatalf("split: both hosts go on with different volumes in %+v", s)
	}
	if a.pc == pcRefused || b.pc == pcRefused {
		m.t.Fatalf("refused without two volumes with data in %+v", s)
	}
	for _, h := range s.host {
		if going(h) && (!s.vol[h.on].exists || s.vol[h.on].released) {
			m.t.Fatalf("a host goes on with a volume that was removed or let go in %+v", s)
		}
	}
	m.used = m.used || a.pc == pcDone && b.pc == pcDone && a.on == b.on
}

func (m *settleModel) explore(s settleState) {
	if m.seen[s] {
		return
	}
	m.seen[s] = true
	m.check(s)
	for n := range s.host {
		if next, ok := m.step(s, n); ok {
			m.explore(next)
		}
		if next, ok := m.fail(s, n); ok {
			m.explore(next)
		}
	}
}

// fail is a host whose exposing, connecting or mkfs fails after it has settled:
// it gives the volume back and tries again.
func (m *settleModel) fail(s settleState, n int) (settleState, bool) {
	h := &s.host[n]
	if h.pc != pcMkfs {
		return s, false
	}
	s.vol[h.on].holder, h.pc = 0, pcReserve
	return s, true
}

func TestSettleEnumerationNeverSplits_E8(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	orders := map[string]struct {
		created [2]time.Time
		ids     [2]string
	}{
		"tie, first id lower":  {[2]time.Time{now, now}, [2]string{"a", "b"}},
		"tie, first id higher": {[2]time.Time{now, now}, [2]string{"b", "a"}},
		"first is older":       {[2]time.Time{now, now.Add(time.Second)}, [2]string{"b", "a"}},
		"second is older":      {[2]time.Time{now.Add(time.Second), now}, [2]string{"a", "b"}},
	}
	for name, o := range orders {
		t.Run(name, func(t *testing.T) {
			m := &settleModel{t: t, created: o.created, ids: o.ids, seen: map[settleState]bool{}}
			m.explore(settleState{})
			if len(m.seen) < 100 || !m.used {
				t.Fatalf("only %d states explored (both used the volume: %v): the model does not move", len(m.seen), m.used)
			}
			t.Logf("%d states", len(m.seen))
		})
	}
}

func TestSettleVerdicts(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	vol := func(id, status string, formatted bool, created time.Time) Volume {
		v := Volume{Key: Key{"c", "cinder", id}, Name: "n", Status: status, CreatedAt: created, Marks: Marks{Created: "x"}}
		if formatted {
			v.Marks.Formatted = &Stamp{FSType: "ext4", UUID: "u"}
		}
		return v
	}
	mine := vol("m", "reserved", false, at)
	mineFull := vol("m", "reserved", true, at)
	lower := vol("l", "available", false, at.Add(-time.Hour))
	letGo := lower
	letGo.Marks.Released = true
	for _, c := range []struct {
		name    string
		settled bool
		all     []Volume
		want    verdict
		to      string
	}{
		{"alone", false, []Volume{mine}, goOn, "m"},
		{"lower twin", false, []Volume{mine, lower}, yieldTo, "l"},
		{"higher twin", false, []Volume{mine, vol("z", "available", false, at.Add(time.Hour))}, goOn, "m"},
		{"higher twin in use", false, []Volume{mine, vol("z", "in-use", false, at.Add(time.Hour))}, waitFor, "z"},
		{"lower twin in use", false, []Volume{mine, vol("l", "in-use", false, at.Add(-time.Hour))}, yieldTo, "l"},
		{"higher twin with data", false, []Volume{mine, vol("z", "available", true, at.Add(time.Hour))}, yieldTo, "z"},
		{"restored backup beside ours", false, []Volume{mineFull, vol("z", "available", true, at.Add(time.Hour))}, refuse, ""},
		{"restored backup, bound here", true, []Volume{mineFull, vol("z", "available", true, at.Add(time.Hour))}, goOn, "m"},
		{"two with data beside ours", false, []Volume{mine, vol("y", "available", true, at), vol("z", "available", true, at)}, refuse, ""},
		{"lower twin failed", false, []Volume{mine, vol("l", "error", false, at.Add(-time.Hour))}, goOn, "m"},
		{"lower twin let go", false, []Volume{mine, letGo}, goOn, "m"},
		{"lower twin going", false, []Volume{mine, vol("l", "deleting", false, at.Add(-time.Hour))}, goOn, "m"},
		{"ours let go", false, []Volume{letGo}, vanished, ""},
		{"listed twice", false, []Volume{mine, mine}, goOn, "m"},
	} {
		own := mine.Key
		if c.name == "ours let go" {
			own = letGo.Key
		}
		got, to, why := settle(own, c.settled, c.all)
		if got != c.want || c.to != "" && to.ID != c.to {
			t.Errorf("%s: verdict %d to %q (%s), want %d to %q", c.name, got, to.ID, why, c.want, c.to)
		}
		if got == refuse && why == "" {
			t.Errorf("%s: refuses without saying why", c.name)
		}
	}
}
