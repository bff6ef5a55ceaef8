package host

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// multipathUUID begins the device-mapper uuid of every multipath map.
const multipathUUID = "mpath-"

// MultipathMap is one map of device-mapper multipath.
type MultipathMap struct {
	Name   string   // of the block device, "dm-0"
	Alias  string   // what multipath calls it: its serial, or mpatha
	Serial string   // of the device behind it: type digit and name, "36001405…"
	Paths  []string // block devices it is made of, "sda"; none is a ghost
	Ready  bool     // has a table and is not suspended
}

// Device returns the node, "/dev/dm-0".
func (m MultipathMap) Device() string { return "/dev/" + m.Name }

// MultipathMaps lists the multipath maps of this machine, as sysfs shows them.
// What cannot be read is an error, never left out.
func (h *Host) MultipathMaps() ([]MultipathMap, error) {
	names, err := h.namesIn("/sys/block")
	if err != nil {
		return nil, unlessGone(err, "the block devices of this host")
	}
	var maps []MultipathMap
	for _, name := range names {
		m, found, err := h.multipathMap(name)
		if err != nil {
			return nil, err
		}
		if found {
			maps = append(maps, m)
		}
	}
	return maps, nil
}

// MultipathOver returns the multipath map that a disk ("sda") is part of. A disk
// that is gone is part of none; one that cannot be read is an error.
func (h *Host) MultipathOver(disk string) (m MultipathMap, found bool, err error) {
	holders, err := h.namesIn("/sys/block/" + disk + "/holders")
	if err != nil {
		return m, false, unlessGone(err, "what is built on "+disk)
	}
	for _, holder := range holders {
		if m, found, err := h.multipathMap(holder); found || err != nil {
			return m, found, err
		}
	}
	return m, false, nil
}

// multipathMap reads a block device that may be a multipath map. One that goes
// meanwhile is none.
func (h *Host) multipathMap(name string) (m MultipathMap, found bool, err error) {
	dir := "/sys/block/" + name
	m.Name = name
	fail := func(err error) (MultipathMap, bool, error) {
		return MultipathMap{}, false, unlessGone(err, "the map "+name)
	}
	uuid, err := h.mapperWord(name, "uuid")
	if err != nil {
		return fail(err)
	}
	m.Serial, found = strings.CutPrefix(uuid, multipathUUID)
	if !found || m.Serial == "" {
		return MultipathMap{}, false, nil
	}
	if m.Alias, err = h.mapperWord(name, "name"); err != nil {
		return fail(err)
	}
	if m.Paths, err = h.namesIn(dir + "/slaves"); err != nil {
		return fail(err)
	}
	suspended, err := h.mapperWord(name, "suspended")
	if err != nil {
		return fail(err)
	}
	size, err := h.BlockSize(name)
	if err != nil {
		return fail(err)
	}
	m.Ready = size > 0 && suspended == "0"
	return m, true, nil
}

// mapperWord reads what device-mapper says of one of its devices; of another
// block device os.ErrNotExist, of one that is being removed unix.ENODEV.
func (h *Host) mapperWord(name, attribute string) (string, error) {
	if !strings.HasPrefix(name, "dm-") {
		return "", unix.ENOENT
	}
	word, err := h.attribute("/sys/block/" + name + "/dm/" + attribute)
	// The kernel's drivers/md/dm-sysfs.c: EIO once its name was taken from it,
	// EINVAL once it is being freed.
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) {
		err = unix.ENODEV
	}
	return word, err
}

// PartitionMaps lists the maps ("dm-1") that kpartx made of the partitions of a
// multipath map, when nothing else is built on that: none otherwise. As long as
// there is one the map itself is busy, whoever uses it.
func (h *Host) PartitionMaps(m MultipathMap) ([]string, error) {
	holders, err := h.namesIn("/sys/block/" + m.Name + "/holders")
	if err != nil {
		return nil, unlessGone(err, "what is built on "+m.Name)
	}
	partition := regexp.MustCompile(`^part[0-9]+-` + regexp.QuoteMeta(multipathUUID+m.Serial) + `$`)
	var parts []string
	for _, holder := range holders {
		uuid, err := h.mapperWord(holder, "uuid")
		switch {
		case err == nil && partition.MatchString(uuid):
			parts = append(parts, holder)
		case goneNow(err) && strings.HasPrefix(holder, "dm-"):
			// It goes this moment.
		default:
			return nil, unlessGone(err, "the map "+holder)
		}
	}
	return parts, nil
}

// MultipathKnows tells whether multipath keeps the name of a device ("36001405…")
// in its list of those that get a map even over one path.
func (h *Host) MultipathKnows(serial string) bool {
	list, _ := h.readSmall("/etc/multipath/wwids")
	for line := range strings.Lines(string(list)) {
		if strings.TrimSpace(line) == "/"+serial+"/" {
			return true
		}
	}
	return false
}

// MultipathdRuns tells whether the multipath daemon is running on this machine.
// Its processes are looked at, so it costs no command.
func (h *Host) MultipathdRuns() (bool, error) {
	const name = "multipathd"
	if pid, err := strconv.Atoi(h.readWord("/run/multipathd.pid")); err == nil && h.comm(pid) == name {
		return true, nil
	}
	pids, err := h.pids()
	for _, pid := range pids {
		if h.comm(pid) == name {
			return true, nil
		}
	}
	return false, err
}
