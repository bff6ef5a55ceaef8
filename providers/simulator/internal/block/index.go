package block

import (
	"cmp"
	"maps"
	"slices"
)

// index is what makes every question cheap whatever the number of volumes.
type index struct {
	loading     bool
	order       map[string]*order              // project, or "" for all, to its volumes by age
	names       map[string]map[string]struct{} // project and name to ids
	snapshots   map[string]map[string]struct{} // volume to ids
	attachments map[string]map[string]struct{} // volume to ids
	usage       map[string]*Usage              // by project
}

func newIndex() *index {
	return &index{
		loading:     true,
		order:       map[string]*order{},
		names:       map[string]map[string]struct{}{},
		snapshots:   map[string]map[string]struct{}{},
		attachments: map[string]map[string]struct{}{},
		usage:       map[string]*Usage{},
	}
}

// loaded ends the bulk phase, in which places are appended and not yet sorted.
func (x *index) loaded() {
	x.loading = false
	for _, o := range x.order {
		slices.SortFunc(o.places, place.compare)
	}
}

func (x *index) volumeChanged(before, after *Volume) {
	if before != nil {
		x.forget(before)
	}
	if after != nil {
		x.remember(after)
	}
}

func (x *index) remember(v *Volume) {
	at := place{created: v.Created.Unix(), id: v.ID}
	for _, project := range []string{"", v.Project} {
		o := x.order[project]
		if o == nil {
			o = &order{}
			x.order[project] = o
		}
		o.add(at, x.loading)
	}
	if v.Name != nil {
		link(x.names, nameKey(v.Project, *v.Name), v.ID)
		link(x.names, nameKey("", *v.Name), v.ID)
	}
	u := x.used(v.Project)
	u.Volumes++
	u.Gigabytes += v.quotaSize()
}

func (x *index) forget(v *Volume) {
	at := place{created: v.Created.Unix(), id: v.ID}
	x.order[""].remove(at)
	x.order[v.Project].remove(at)
	if v.Name != nil {
		unlink(x.names, nameKey(v.Project, *v.Name), v.ID)
		unlink(x.names, nameKey("", *v.Name), v.ID)
	}
	u := x.used(v.Project)
	u.Volumes--
	u.Gigabytes -= v.quotaSize()
}

func (x *index) attachmentChanged(before, after *Attachment) {
	if before != nil {
		unlink(x.attachments, before.VolumeID, before.ID)
	}
	if after != nil {
		link(x.attachments, after.VolumeID, after.ID)
	}
}

func (x *index) snapshotChanged(before, after *Snapshot) {
	if before != nil {
		unlink(x.snapshots, before.VolumeID, before.ID)
		u := x.used(before.Project)
		u.Snapshots--
		u.Gigabytes -= before.Size
	}
	if after != nil {
		link(x.snapshots, after.VolumeID, after.ID)
		u := x.used(after.Project)
		u.Snapshots++
		u.Gigabytes += after.Size
	}
}

func (x *index) used(project string) *Usage {
	if x.usage[project] == nil {
		x.usage[project] = &Usage{}
	}
	return x.usage[project]
}

func nameKey(project, name string) string { return project + "/" + name }

func link(m map[string]map[string]struct{}, key, id string) {
	if m[key] == nil {
		m[key] = map[string]struct{}{}
	}
	m[key][id] = struct{}{}
}

func unlink(m map[string]map[string]struct{}, key, id string) {
	delete(m[key], id)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}

func members(m map[string]map[string]struct{}, key string) []string {
	return slices.Sorted(maps.Keys(m[key]))
}

// place is where a volume stands among the others: by age, then by id.
type place struct {
	created int64
	id      string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.created, q.created), cmp.Compare(p.id, q.id))
}

// order keeps places sorted. New volumes come last, so adding is nearly always
// an append; removing moves at most the places behind.
type order struct {
	places []place
}

func (o *order) add(p place, unsorted bool) {
	if unsorted {
		o.places = append(o.places, p)
		return
	}
	i, _ := slices.BinarySearchFunc(o.places, p, place.compare)
	o.places = slices.Insert(o.places, i, p)
}

func (o *order) remove(p place) {
	if i, found := slices.BinarySearchFunc(o.places, p, place.compare); found {
		o.places = slices.Delete(o.places, i, i+1)
	}
}
