package pretend

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// Exit codes of iscsiadm(8).
const (
	codeDatabase  = 6
	codeInvalid   = 7
	codeTimeout   = 8
	codeExists    = 15
	codeNoIscsid  = 20
	codeNoRecords = 21
	codeSysfs     = 22
	codeAuth      = 24
)

// pace is how long the pretend iscsid waits for one second of a time-out.
const pace = 10 * time.Millisecond

// asked is a parsed command line of iscsiadm.
type asked struct {
	mode, iqn, portal, op, sid, print string
	login, logout, show, rescan       bool
	names, values                     []string
}

// parseIscsiadm reads the options that are modelled.
func parseIscsiadm(args []string) (a asked, ok bool) {
	texts := map[string]*string{"-m": &a.mode, "--mode": &a.mode, "-T": &a.iqn, "--targetname": &a.iqn, "-p": &a.portal, "--portal": &a.portal,
		"-o": &a.op, "--op": &a.op, "-r": &a.sid, "--sid": &a.sid, "-P": &a.print, "--print": &a.print, "-I": new(string), "--interface": new(string)}
	flags := map[string]*bool{"-l": &a.login, "--login": &a.login, "-u": &a.logout, "--logout": &a.logout, "-S": &a.show, "--show": &a.show,
		"-R": &a.rescan, "--rescan": &a.rescan}
	lists := map[string]*[]string{"-n": &a.names, "--name": &a.names, "-v": &a.values, "--value": &a.values}
	for i := 0; i < len(args); i++ {
		if flag := flags[args[i]]; flag != nil {
			*flag = true
			continue
		}
		if i+1 == len(args) {
			return a, false
		}
		if text := texts[args[i]]; text != nil {
			*text = args[i+1]
		} else if list := lists[args[i]]; list != nil {
			*list = append(*list, args[i+1])
		} else {
			return a, false
		}
		i++
	}
	if a.portal != "" && !strings.Contains(strings.TrimPrefix(a.portal, "["), ":") {
		a.portal = net.JoinHostPort(a.portal, "3260")
	}
	return a, len(a.names) == len(a.values) && (a.mode == "node" || a.mode == "session")
}

func (m *Machine) iscsiadm(ctx context.Context, args []string) host.Result {
	a, ok := parseIscsiadm(args)
	switch {
	case !ok:
		return m.unknown("iscsiadm " + strings.Join(args, " "))
	case a.mode == "session":
		return m.sessionMode(ctx, a)
	case a.op == "new":
		return m.nodeNew(ctx, a)
	case a.logout:
		return m.logout(ctx, m.matching(a))
	}
	if m.databaseBusy(ctx) {
		return failed(codeDatabase, "iscsiadm: Timeout on acquiring lock on DB: /run/lock/iscsi/lock.write: 17: File exists",
			"iscsiadm: Could not execute operation on all records: encountered iSCSI database failure")
	}
	var found []*record
	for _, file := range m.records() {
		r, err := readRecord(file)
		if err == nil && (a.iqn == "" || r.get("node.name") == a.iqn) && (a.portal == "" || strings.EqualFold(r.portal(), a.portal)) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return failed(codeNoRecords, "iscsiadm: No records found")
	}
	switch {
	case a.login:
		return m.login(ctx, found)
	case a.op == "update":
		return m.nodeUpdate(found, a)
	case a.op == "delete":
		return m.nodeDelete(found)
	case a.op == "" || a.op == "show":
		return m.nodeShow(found, a)
	}
	return m.unknown("iscsiadm " + strings.Join(args, " "))
}

// databaseBusy waits for the database's lock as iscsiadm does, and then for the
// faults.
func (m *Machine) databaseBusy(ctx context.Context) bool {
	if _, err := os.Stat(m.Host.Path("run/lock/iscsi/lock.write")); err == nil {
		m.wait(ctx, 30*pace)
		return true
	}
	if m.faults.DatabaseBusy == 0 {
		return false
	}
	m.faults.DatabaseBusy--
	return true
}

func (m *Machine) nodeNew(ctx context.Context, a asked) host.Result {
	if m.databaseBusy(ctx) {
		return failed(codeDatabase, "iscsiadm: Timeout on acquiring lock on DB: /run/lock/iscsi/lock.write: 17: File exists",
			"iscsiadm: Could not read iface . Error 6", "iscsiadm: Error while adding record: encountered iSCSI database failure")
	}
	r := m.newRecord(a.iqn, a.portal)
	if err := r.write(); err != nil {
		return failed(codeDatabase, "iscsiadm: "+err.Error())
	}
	return said(fmt.Sprintf("New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] %s,%s,-1 %s] added\n",
		r.get("node.conn[0].address"), r.get("node.conn[0].port"), a.iqn))
}

func (m *Machine) nodeUpdate(found []*record, a asked) host.Result {
	for _, r := range found {
		for i, name := range a.names {
			if !r.set(name, a.values[i]) {
				return failed(codeInvalid, "iscsiadm: Cannot modify "+name+". Invalid param name.",
					"iscsiadm: Could not execute operation on all records: invalid parameter")
			}
		}
		if err := r.write(); err != nil {
			return failed(codeDatabase, "iscsiadm: "+err.Error())
		}
	}
	return host.Result{}
}

func (m *Machine) nodeDelete(found []*record) host.Result {
	for _, r := range found {
		for _, s := range m.sessions {
			if s.target.IQN == r.get("node.name") && s.portal == r.portal() {
				return failed(codeExists, "iscsiadm: This command will remove the record "+describe(r)+
					", but a session is using it. Logout session then rerun command to remove record.",
					"iscsiadm: Could not execute operation on all records: session exists")
			}
		}
		r.remove()
	}
	return host.Result{}
}

func (m *Machine) nodeShow(found []*record, a asked) host.Result {
	var b strings.Builder
	for _, r := range found {
		if a.iqn == "" {
			fmt.Fprintf(&b, "%s,4294967295 %s\n", r.portal(), r.get("node.name"))
			continue
		}
		b.WriteString(r.text(true, a.show))
	}
	return said(b.String())
}

// describe is how iscsiadm names a record: "[iface: default, target: …]".
func describe(r *record) string {
	return fmt.Sprintf("[iface: default, target: %s, portal: %s,%s]", r.get("node.name"), r.get("node.conn[0].address"), r.get("node.conn[0].port"))
}

// matching returns the sessions that a command means.
func (m *Machine) matching(a asked) []*session {
	return slices.DeleteFunc(slices.Clone(m.sessions), func(s *session) bool {
		return a.iqn != "" && s.target.IQN != a.iqn || a.portal != "" && !strings.EqualFold(s.portal, a.portal)
	})
}

func (m *Machine) sessionMode(ctx context.Context, a asked) host.Result {
	if a.sid != "" {
		id := a.sid[strings.LastIndex(a.sid, "/")+1:]
		n, _ := strconv.Atoi(strings.TrimPrefix(id, "session"))
		i := slices.IndexFunc(m.sessions, func(s *session) bool { return s.sid == n })
		if i < 0 {
			return failed(codeSysfs, "iscsiadm: could not read session targetname: 5", "iscsiadm: Could not get session info for sid "+a.sid)
		}
		if a.logout {
			return m.logout(ctx, m.sessions[i:i+1:i+1])
		}
		return m.unknown("iscsiadm -m session -r with nothing to do")
	}
	if len(m.sessions) == 0 {
		return failed(codeNoRecords, "iscsiadm: No active sessions.")
	}
	var b strings.Builder
	for _, s := range m.sessions {
		fmt.Fprintf(&b, "tcp: [%d] %s,1 %s (non-flash)\n", s.sid, s.portal, s.target.IQN)
		if a.rescan {
			s.find(-1)
		}
	}
	return said(b.String())
}
