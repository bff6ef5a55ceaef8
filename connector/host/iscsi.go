package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
	names, err := h.namesIn("/sys/class/iscsi_session")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the module is not loaded
	}
	if err != nil {
		return nil, err
	}
	var sessions []ISCSISession
	for _, name := range names {
		id, err := strconv.Atoi(strings.TrimPrefix(name, "session"))
		if err != nil {
			continue
		}
		s := ISCSISession{ID: id}
		theirs, err := h.attribute(s.sys("targetname"))
		if err == nil && theirs == target {
			s, err = h.iscsiSession(s, target)
		}
		switch {
		case goneNow(err) || err == nil && theirs != target:
		case err != nil:
			// Not to be taken for absent: what is not seen would not be detached.
			return nil, fmt.Errorf("iSCSI session %d: %w", id, err)
		default:
			sessions = append(sessions, s)
		}
	}
	slices.SortFunc(sessions, func(a, b ISCSISession) int { return a.ID - b.ID })
	return sessions, nil
}

// iscsiSession reads the rest of a session. An error for which goneNow is true
// says that it went meanwhile.
func (h *Host) iscsiSession(s ISCSISession, target string) (ISCSISession, error) {
	// "../../devices/platform/host3/session7/iscsi_session/session7", below any
	// adapter; each step of the way need not be walked.
	real, err := os.Readlink(h.Path(s.sys()))
	if err != nil {
		return s, err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "host")); err == nil {
			s.Host = n
			break
		}
		if dir == "/" || dir == "." {
			return s, fmt.Errorf("%s is below no SCSI host", real)
		}
	}
	conn := fmt.Sprintf("/sys/class/iscsi_connection/connection%d:0/", s.ID)
	words := map[string]string{}
	for _, path := range []string{s.sys("state"), s.sys("target_id"), conn + "persistent_address", conn + "persistent_port"} {
		if words[path], err = h.attribute(path); err != nil {
			return s, err
		}
	}
	s.Target, s.State = target, words[s.sys("state")]
	s.Address, s.Port = words[conn+"persistent_address"], words[conn+"persistent_port"]
	s.Number, err = strconv.Atoi(words[s.sys("target_id")])
	if err != nil || s.Number < 0 {
		return s, os.ErrNotExist // it has no target yet, or no more
	}
	return s, nil
}

// attribute reads a small file of sysfs; unlike readWord it tells unreadable
// from empty.
func (h *Host) attribute(path string) (string, error) {
	b, err := h.readSmall(path)
	return strings.TrimSpace(string(b)), err
}

// ISCSIUnits lists the SCSI addresses below a session, whatever is there, save
// what an array shows of itself (its controller, a place without a unit).
func (h *Host) ISCSIUnits(s ISCSISession) ([]SCSIAddress, error) {
	// Not filepath.Glob, which takes what it cannot read for absent: a session
	// that seems to have no unit is ended.
	targets, err := h.namesIn(s.sys("device"))
	var names []string
	for _, target := range targets {
		if !strings.HasPrefix(target, "target") || err != nil {
			continue
		}
		var below []string
		below, err = h.namesIn(s.sys("device", target))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		names = append(names, below...)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("iSCSI session %d: %w", s.ID, err)
	}
	var units []SCSIAddress
	for _, name := range names {
		a, ok := ParseSCSIAddress(name)
		if !ok {
			continue
		}
		const controller, nothing = "12", "31"
		if kind := h.readWord(a.sys("type")); kind == controller || kind == nothing {
			continue
		}
		units = append(units, a)
	}
	return units, nil
}

// Where open-iscsi locks its database: iscsiadm makes the second a hard link of
// the first, and waits up to 30 s for one that is there (open-iscsi's idbm.c).
const iscsiLock = "/run/lock/iscsi/lock.write"

// deadLockAge is how old the lock of a process that is gone must be.
const deadLockAge = 300 * time.Millisecond

// FreeISCSIDatabase takes away a lock of open-iscsi's database whose owner is
// gone: nothing in it says whose it is, and iscsiadm, which makes it for a moment
// with each command, leaves it behind for ever when it is killed, by the end of
// this daemon too. It is dead when no iscsiadm runs and it stayed for a moment
// nevertheless. freed tells that there was one.
func (h *Host) FreeISCSIDatabase() (freed bool, err error) {
	path := h.Path(iscsiLock)
	for {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return false, nil // nobody has it
		}
		running, err := h.running("iscsiadm")
		if err != nil || running {
			return false, err
		}
		age := time.Since(time.Unix(st.Ctim.Unix()))
		if age >= deadLockAge || age < 0 {
			err := os.Remove(path)
			return err == nil, err
		}
		time.Sleep(deadLockAge - age)
	}
}

// running tells whether a process of that name runs on this host.
func (h *Host) running(name string) (bool, error) {
	entries, err := os.ReadDir(h.Path("/proc"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil && h.readWord(filepath.Join("/proc", e.Name(), "comm")) == name {
			return true, nil
		}
	}
	return false, nil
}
