package volume

import (
	"fmt"
	"strings"
)

// verdict of settling a name.
type verdict int

const (
	goOn     verdict = iota // ours it is
	yieldTo                 // give ours back and use the other
	refuse                  // two volumes with data: only people can decide
	vanished                // ours is gone or let go: look the name up anew
	waitFor                 // give ours back, keep it, and look again
)

// settle decides, for a host that holds a reservation of `mine`, whether it
// may go on to make a filesystem there. `all` is a fresh list of every volume
// of the name, read after the reservation was made.
//
// Cloud names are not unique: two hosts that create one name at once make two
// volumes. Reserving is how a host raises its hand, and it looks around only
// afterwards; a hand raised elsewhere makes it take its own down. Of two
// hosts that both went on, one reserved later and therefore looked when the
// other's reservation, or its formatted mark, was there to be seen: so never
// two go on. (A single look after the reservation replaces one before and one
// after: it decides by the same evidence and costs a call less.)
//
// A host yields for good, and removes what it made, only to a volume with data
// or one that sorts lower: an order that both see alike, so the lowest always
// stays. To one that sorts higher and is taken it only makes way: its host
// either finds ours and yields, or had looked before ours was there and will
// show its formatted mark. Were both to yield for good, no volume would be left.
//
// settled says that this host already bound the name to mine for good, which
// counts only once there is data on it: a host that settled and then failed
// before its mkfs gave the volume back, and others may have gone on since.
func settle(mine Key, settled bool, all []Volume) (verdict, Volume, string) {
	var own *Volume
	var others []Volume
	seen := map[Key]bool{}
	for i, v := range all {
		switch {
		case seen[v.Key] || !v.Usable():
		case v.Key == mine:
			own = &all[i]
		case contender(v):
			others = append(others, v)
		}
		seen[v.Key] = true
	}
	if own == nil {
		return vanished, Volume{}, "it was deleted or let go meanwhile"
	}
	if settled && own.hasData() {
		return goOn, *own, ""
	}
	formatted := withData(others)
	switch {
	case own.hasData() && len(formatted) > 0, len(formatted) > 1:
		return refuse, Volume{}, twinsText(*own, formatted)
	case own.hasData():
		return goOn, *own, ""
	case len(formatted) == 1:
		return yieldTo, formatted[0], "it carries the data of this name"
	}
	if best, why := strongest(*own, others); best != nil {
		if preferred(*own, *best) || best.Status == "creating" { // which may fail yet
			return waitFor, *best, why
		}
		return yieldTo, *best, why
	}
	return goOn, *own, ""
}

// contender tells whether a twin may be the volume of the name at all: one
// that failed and carries no data is not.
func contender(v Volume) bool {
	return v.hasData() || !strings.HasPrefix(v.Status, "error")
}

func withData(volumes []Volume) []Volume {
	var out []Volume
	for _, v := range volumes {
		if v.hasData() {
			out = append(out, v)
		}
	}
	return out
}

// hasData tells whether a volume must be taken to carry data: formatted by
// fuxi, or not made by it. A copy of a snapshot or volume carries its source's
// and counts as new until it was used.
func (v Volume) hasData() bool {
	return v.Marks.Formatted != nil || v.Marks.Adopted != "" || v.Marks.Created == ""
}

// strongest picks the twin to yield to, if any: one that somebody has taken,
// else one that sorts before ours. A later one that is still being created
// yields to us when its host looks.
func strongest(own Volume, others []Volume) (*Volume, string) {
	var taken, lower *Volume
	for i, v := range others {
		switch {
		case v.Status != "available" && v.Status != "creating", len(v.Marks.Claims) > 0:
			if taken == nil || preferred(v, *taken) {
				taken = &others[i]
			}
		case preferred(v, own):
			if lower == nil || preferred(v, *lower) {
				lower = &others[i]
			}
		}
	}
	if taken != nil {
		return taken, "another host has taken it (" + taken.Status + ")"
	}
	if lower != nil {
		return lower, "it was created first"
	}
	return nil, ""
}

func twinsText(own Volume, others []Volume) string {
	ids := []string{own.ID}
	for _, v := range others {
		ids = append(ids, v.ID)
	}
	return fmt.Sprintf("%d volumes are named %s and carry data (%s), and this host has used none of them: look at them and rename or delete all but one (openstack volume set --name …), or use one by -o volume_id under another name",
		len(ids), own.Name, strings.Join(ids, ", "))
}
