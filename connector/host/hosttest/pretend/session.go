package pretend

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// session is one login to one portal; iscsi_tcp makes a SCSI host of its own
// for each.
type session struct {
	m         *Machine
	sid, host int
	target    *Target
	portal    string
	user      string
}

func (s *session) name() string     { return "session" + strconv.Itoa(s.sid) }
func (s *session) hostName() string { return "host" + strconv.Itoa(s.host) }
func (s *session) base() string     { return "/devices/platform/" + s.hostName() }

// connection is the name of the session's only connection.
func (s *session) connection() string { return fmt.Sprintf("connection%d:0", s.sid) }

// dirs returns where the session's classes have their directories.
func (s *session) dirs() map[string]string {
	return map[string]string{
		"/class/scsi_host/" + s.hostName():          s.base() + "/scsi_host/" + s.hostName(),
		"/class/iscsi_host/" + s.hostName():         s.base() + "/iscsi_host/" + s.hostName(),
		"/class/iscsi_session/" + s.name():          s.base() + "/" + s.name() + "/iscsi_session/" + s.name(),
		"/class/iscsi_connection/" + s.connection(): s.base() + "/" + s.name() + "/" + s.connection() + "/iscsi_connection/" + s.connection(),
	}
}

// addSession is what the kernel does at a login.
func (m *Machine) addSession(t *Target, portal, user string) *session {
	m.lastSID++
	s := &session{m: m, sid: m.lastSID, host: m.lastHost, target: t, portal: portal, user: user}
	m.lastHost++
	address, port, _ := net.SplitHostPort(portal)
	dirs := s.dirs()
	m.sys.link(s.base()+"/subsystem", "/bus/scsi")
	host := dirs["/class/scsi_host/"+s.hostName()]
	m.sys.files(host, map[string]string{"proc_name": "iscsi_tcp", "state": "running", "unique_id": strconv.Itoa(s.host)})
	m.sys.action(host+"/scan", s.scan)
	m.sys.files(dirs["/class/iscsi_host/"+s.hostName()], map[string]string{"initiatorname": "(null)", "ipaddress": Address, "hwaddress": "(null)"})
	m.sys.files(dirs["/class/iscsi_session/"+s.name()], map[string]string{"targetname": t.IQN, "state": "LOGGED_IN", "tpgt": "1", "target_id": "0",
		"recovery_tmo": "120", "initiatorname": Initiator, "username": user, "ifacename": "default", "target_state": "scanned"})
	m.sys.files(dirs["/class/iscsi_connection/"+s.connection()], map[string]string{"address": address, "port": port,
		"persistent_address": address, "persistent_port": port, "state": "up"})
	for link, dir := range dirs {
		m.sys.link(dir+"/subsystem", path.Dir(link))
		m.sys.link(dir+"/device", path.Dir(path.Dir(dir)))
		m.sys.link(link, dir)
	}
	m.sys.link("/bus/scsi/devices/"+s.hostName(), s.base())
	m.sessions = append(m.sessions, s)
	return s
}

// removeSession is what the kernel does at a logout: the disks go with it, in
// use or not.
func (m *Machine) removeSession(s *session) {
	for _, p := range slices.Clone(m.devices) {
		if p.session == s {
			m.removeDevice(p)
		}
	}
	for link := range s.dirs() {
		m.sys.remove(link)
	}
	m.sys.remove("/bus/scsi/devices/" + s.hostName())
	m.sys.remove(s.base())
	m.sessions = slices.DeleteFunc(m.sessions, func(o *session) bool { return o == s })
}

// scan acts on "c t l", each a number or "-", as the kernel's store_scan does.
func (s *session) scan(text string) unix.Errno {
	words := strings.Fields(text)
	if len(words) != 3 {
		return unix.EINVAL
	}
	var want [3]int
	for i, word := range words {
		n, err := strconv.Atoi(word)
		switch {
		case word == "-":
			n = -1
		case err != nil || n < 0:
			return unix.EINVAL
		}
		want[i] = n
	}
	if want[0] > 0 || want[1] > 0 {
		return 0 // no such channel or target: nothing is found, and that is no error
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.scanned = append(s.m.scanned, strings.Join(words, " "))
	s.find(want[2])
	return 0
}

// find adds what the target shows under a LUN, or under any of them (-1). What
// is there already stays as it is.
func (s *session) find(lun int) {
	if s.state() != "LOGGED_IN" {
		return
	}
	for _, n := range s.target.numbers(s.portal) {
		if (lun < 0 || lun == n) && !slices.ContainsFunc(s.m.devices, func(p *device) bool { return p.session == s && p.lun == n }) {
			s.m.later(s.m.faults.Late, func() { s.add(n) })
		}
	}
}

// add makes the disk, if there still is something to make it of.
func (s *session) add(lun int) {
	disk := s.target.at(s.portal, lun)
	if disk == nil || !slices.Contains(s.m.sessions, s) ||
		slices.ContainsFunc(s.m.devices, func(p *device) bool { return p.session == s && p.lun == lun }) {
		return
	}
	s.m.addDevice(s, lun, disk)
}

func (s *session) file(name string) string {
	return s.dirs()["/class/iscsi_session/"+s.name()] + "/" + name
}

func (s *session) state() string {
	if e := s.m.sys.at(s.file("state")); e != nil {
		return strings.TrimSpace(s.m.sys.content(e))
	}
	return "FREE"
}

// Break makes the sessions at a portal lose their connection: FAILED, and the
// disks behind it hang or fail until Mend.
func (m *Machine) Break(portal string) { m.setState(portal, "FAILED", "transport-offline") }

// Mend brings them back.
func (m *Machine) Mend(portal string) { m.setState(portal, "LOGGED_IN", "running") }

func (m *Machine) setState(portal, state, device string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.portal != portal {
			continue
		}
		m.sys.file(s.file("state"), state)
		for _, p := range m.devices {
			if p.session == s {
				p.setState(device)
			}
		}
	}
}

// Scans lists what was asked of the scan files so far, "0 0 1".
func (m *Machine) Scans() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.scanned)
}
