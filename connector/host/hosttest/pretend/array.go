package pretend

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Disk is one volume inside an array: a sparse file, and who it says it is.
type Disk struct {
	WWID   string // NAA designator, 32 hex digits
	Serial string // unit serial number, page 0x80
	Image  string // the file
}

// Target is one iSCSI target of an array.
type Target struct {
	IQN      string
	Portals  []string // "192.0.2.1:3260"
	User     string   // CHAP; "" asks for none
	Password string

	m    *Machine
	luns map[lunKey]*Disk
}

// lunKey names a LUN as seen through one portal; "" is every portal.
type lunKey struct {
	portal string
	lun    int
}

// Disk makes a volume of so many bytes. Its WWID and serial are those of no
// other disk of this machine.
func (m *Machine) Disk(size int64) *Disk {
	m.t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("TMPDIR"), "array-")
	m.check(err)
	m.t.Cleanup(func() { os.RemoveAll(dir) })
	return m.DiskIn(dir, size)
}

// DiskIn makes a volume whose file lies in a directory of the test, which may
// be one that hangs.
func (m *Machine) DiskIn(dir string, size int64) *Disk {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disks++
	d := &Disk{
		WWID:   fmt.Sprintf("6001405%025x", m.disks),
		Serial: fmt.Sprintf("00000000-0000-4000-8000-%012x", m.disks),
		Image:  filepath.Join(dir, fmt.Sprintf("disk-%d.img", m.disks)),
	}
	f, err := os.Create(d.Image)
	m.check(err)
	defer f.Close()
	m.check(f.Truncate(size))
	return d
}

// Grow changes the size of a disk; hosts see it when they ask again.
func (d *Disk) Grow(size int64) error { return os.Truncate(d.Image, size) }

// Target makes a target that all these portals show.
func (m *Machine) Target(iqn string, portals ...string) *Target {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &Target{IQN: iqn, Portals: portals, m: m, luns: map[lunKey]*Disk{}}
	m.targets = append(m.targets, t)
	return t
}

// Export gives a LUN of the target to a disk, nil to none. A host that has the
// LUN already is not told: its paths reach the new disk and say the old name
// until they are rescanned.
func (t *Target) Export(lun int, disk *Disk) { t.ExportAt("", lun, disk) }

// ExportAt does so for one portal only.
func (t *Target) ExportAt(portal string, lun int, disk *Disk) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.luns[lunKey{portal, lun}] = disk
	for _, p := range t.m.devices {
		if p.session.target == t && p.lun == lun {
			p.reach(t.at(p.session.portal, lun))
		}
	}
}

// at returns the disk behind a LUN of one portal.
func (t *Target) at(portal string, lun int) *Disk {
	if d, ok := t.luns[lunKey{portal, lun}]; ok {
		return d
	}
	return t.luns[lunKey{"", lun}]
}

// numbers lists the LUNs that a portal shows.
func (t *Target) numbers(portal string) []int {
	var list []int
	for key := range t.luns {
		if t.at(portal, key.lun) != nil && !slices.Contains(list, key.lun) {
			list = append(list, key.lun)
		}
	}
	slices.Sort(list)
	return list
}

// target returns the one with the name that has the portal.
func (m *Machine) target(iqn, portal string) *Target {
	for _, t := range m.targets {
		if t.IQN == iqn && slices.Contains(t.Portals, portal) {
			return t
		}
	}
	return nil
}
