package host

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
func (h *Host) MultipathMaps() ([]MultipathMap, error) {
	entries, err := os.ReadDir(h.Path("/sys/block"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var maps []MultipathMap
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "dm-") {
			continue
		}
		if m, ok := h.multipathMap(e.Name()); ok {
			maps = append(maps, m)
		}
	}
	return maps, err
}

// MultipathOver returns the multipath map that a disk ("sda") is part of.
func (h *Host) MultipathOver(disk string) (m MultipathMap, found bool) {
	holders, _ := filepath.Glob(h.Path("/sys/block", disk, "holders/dm-*"))
	for _, holder := range holders {
		if m, ok := h.multipathMap(filepath.Base(holder)); ok {
			return m, true
		}
	}
	return m, false
}

func (h *Host) multipathMap(name string) (MultipathMap, bool) {
	dir := "/sys/block/" + name
	serial, found := strings.CutPrefix(h.readWord(dir+"/dm/uuid"), multipathUUID)
	if !found || serial == "" {
		return MultipathMap{}, false
	}
	m := MultipathMap{Name: name, Alias: h.readWord(dir + "/dm/name"), Serial: serial}
	m.Paths, _ = filepath.Glob(h.Path(dir, "slaves/*"))
	for i := range m.Paths {
		m.Paths[i] = filepath.Base(m.Paths[i])
	}
	size, err := h.BlockSize(name)
	m.Ready = err == nil && size > 0 && h.readWord(dir+"/dm/suspended") == "0"
	return m, true
}

// MultipathKnows tells whether multipath keeps the name of a device ("36001405…")
// in its list of those that get a map even over one path.
func (h *Host) MultipathKnows(serial string) bool {
	list, _ := os.ReadFile(h.Path("/etc/multipath/wwids"))
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
