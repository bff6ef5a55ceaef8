package block

import (
	"slices"
	"strings"
)

// List says which volumes to go through, and how.
type List struct {
	AllTenants bool    // every project; only an administrator has the right
	Name       *string // exactly this name; uses an index
	Marker     string  // begin after this volume, which must exist
	Newest     bool    // newest first, else oldest first
}

// Each calls fn for every volume of the list that the caller may see, ordered
// by age and id, until fn returns false. The work before the first call does
// not depend on the number of volumes.
func (b *Service) Each(c Caller, l List, fn func(*Volume) bool) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	project := c.Project
	if l.AllTenants && c.Admin {
		project = ""
	}
	places := b.places(project, l)
	if l.Marker != "" {
		v, err := b.volume(c, l.Marker)
		if err != nil {
			return err
		}
		places = after(places, place{v.Created.Unix(), v.ID}, l.Newest)
	}
	for i := range places {
		if l.Newest {
			i = len(places) - 1 - i
		}
		if !fn(b.volumes.Get(places[i].id)) {
			return nil
		}
	}
	return nil
}

func (b *Service) places(project string, l List) []place {
	if l.Name == nil {
		if o := b.index.order[project]; o != nil {
			return o.places
		}
		return nil
	}
	var places []place
	for id := range b.index.names[nameKey(project, *l.Name)] {
		places = append(places, place{b.volumes.Get(id).Created.Unix(), id})
	}
	slices.SortFunc(places, place.compare)
	return places
}

// after cuts off what comes up to the marker in the order of the list.
func after(places []place, marker place, newest bool) []place {
	i, found := slices.BinarySearchFunc(places, marker, place.compare)
	if newest {
		return places[:i]
	}
	if found {
		i++
	}
	return places[i:]
}

// Force sets whatever change does on a volume, which then stays as it is: an
// experimenter's tool that no cloud has.
func (b *Service) Force(id string, change func(*Volume)) (*Volume, error) {
	return b.Edit(Caller{Admin: true}, id, false, func(v *Volume) error {
		change(v)
		v.Status = strings.ToLower(v.Status)
		v.Stuck = true
		return nil
	})
}
