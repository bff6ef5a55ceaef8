package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ISCSISession is one session of the kernel's initiator, whoever made it.
type ISCSISession struct {
	ID      int
	Target  string // the target's name (IQN)
	Address string // of the portal that was asked for, as text; a login may have been redirected
	Port    string
	State   string // LOGGED_IN when it works; FAILED while it recovers; FREE
	Host    int    // SCSI host
	Number  int    // SCSI target number
}

// Alive tells whether commands go through now, as far as the kernel noticed.
func (s ISCSISession) Alive() bool { return s.State == "LOGGED_IN" }

// SCSI returns the address of a logical unit of this session.
func (s ISCSISession) SCSI(lun uint64) SCSIAddress {
	return SCSIAddress{Host: s.Host, Target: s.Number, LUN: lun}
}

func (s ISCSISession) sys(elem ...string) string {
	return filepath.Join(append([]string{"/sys/class/iscsi_session", "session" + strconv.Itoa(s.ID)}, elem...)...)
}

// ISCSISessions lists the sessions with one target, oldest first, as sysfs shows
// them: no daemon is asked. There may be several with one portal.
func (h *Host) ISCSISessions(target string) ([]ISCSISession, error) {
	entries, err := os.ReadDir(h.Path("/sys/class/iscsi_session"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the module is not loaded
	}
	if err != nil {
		return nil, err
	}
	var sessions []ISCSISession
	for _, e := range entries {
		id, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "session"))
		if err != nil {
			continue
		}
		s := ISCSISession{ID: id}
		if h.readWord(s.sys("targetname")) != target {
			continue
		}
		if s, ok := h.iscsiSession(s, target); ok {
			sessions = append(sessions, s)
		}
	}
	slices.SortFunc(sessions, func(a, b ISCSISession) int { return a.ID - b.ID })
	return sessions, nil
}

// iscsiSession reads the rest of a session; false when it went meanwhile.
func (h *Host) iscsiSession(s ISCSISession, target string) (ISCSISession, bool) {
	real, err := filepath.EvalSymlinks(h.Path(s.sys("device")))
	if err != nil {
		return s, false
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "host")); err == nil {
			s.Host = n
			break
		}
		if dir == "/" || dir == "." {
			return s, false
		}
	}
	conn := fmt.Sprintf("/sys/class/iscsi_connection/connection%d:0/", s.ID)
	s.Target, s.State = target, h.readWord(s.sys("state"))
	s.Address, s.Port = h.readWord(conn+"persistent_address"), h.readWord(conn+"persistent_port")
	s.Number, err = strconv.Atoi(h.readWord(s.sys("target_id")))
	return s, err == nil && s.Number >= 0
}

// ISCSIUnits lists the SCSI addresses below a session, whatever is there, save
// what an array shows of itself (its controller, a place without a unit).
func (h *Host) ISCSIUnits(s ISCSISession) ([]SCSIAddress, error) {
	names, err := filepath.Glob(h.Path(s.sys("device/target*/*:*:*:*")))
	var units []SCSIAddress
	for _, name := range names {
		a, ok := ParseSCSIAddress(filepath.Base(name))
		if !ok {
			continue
		}
		const controller, nothing = "12", "31"
		if kind := h.readWord(a.sys("type")); kind == controller || kind == nothing {
			continue
		}
		units = append(units, a)
	}
	return units, err
}
