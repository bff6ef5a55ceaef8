package pretend

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// login logs in to the portals of records, as often as each asks for.
func (m *Machine) login(ctx context.Context, records []*record) host.Result {
	var out, complaints []string
	code := 0
	for _, r := range records {
		lines, bad, c := m.loginOne(ctx, r)
		out, complaints = append(out, lines...), append(complaints, bad...)
		if c != 0 {
			code = c
		}
	}
	if code == 0 {
		return said(strings.Join(out, "\n") + "\n")
	}
	res := failed(code, append(complaints, "iscsiadm: Could not log into all portals")...)
	if len(out) > 0 {
		res.Stdout = []byte(strings.Join(out, "\n") + "\n")
	}
	return res
}

// loginOne answers what it said, what it complained of, and the code.
func (m *Machine) loginOne(ctx context.Context, r *record) (out, complaints []string, code int) {
	iqn, portal := r.get("node.name"), r.portal()
	want, _ := strconv.Atoi(r.get("node.session.nr_sessions"))
	have := len(m.matching(asked{iqn: iqn, portal: portal}))
	if have >= want {
		return nil, []string{fmt.Sprintf("iscsiadm: default: %d session requested, but %d already present.", want, have)}, codeExists
	}
	refuse := func(code int, why string) ([]string, []string, int) {
		bad := []string{"iscsiadm: Could not login to " + describe(r) + ".", fmt.Sprintf("iscsiadm: initiator reported error (%d - %s)", code, why)}
		if code == codeNoIscsid {
			bad = append([]string{"iscsiadm: can not connect to iSCSI daemon (111)!"}, bad...)
		}
		return nil, bad, code
	}
	if m.faults.IscsidDown {
		return refuse(codeNoIscsid, "could not connect to iscsid")
	}
	t := m.target(iqn, portal)
	if t == nil || slices.Contains(m.faults.DeadPortals, portal) {
		m.wait(ctx, m.patience(r))
		return refuse(codeTimeout, "connection timed out")
	}
	if t.User != "" && (r.get("node.session.auth.authmethod") != "CHAP" || r.get("node.session.auth.username") != t.User ||
		r.get("node.session.auth.password") != t.Password) {
		return refuse(codeAuth, "iSCSI login failed due to authorization failure")
	}
	for range want - have {
		if !m.wait(ctx, pace) {
			return refuse(codeTimeout, "connection timed out")
		}
		s := m.addSession(t, portal, r.get("node.session.auth.username"))
		if r.get("node.session.scan") != "manual" {
			s.find(-1)
		}
		out = append(out, "Login to "+describe(r)+" successful.")
	}
	return out, nil, 0
}

// patience is how long iscsid tries: the record says.
func (m *Machine) patience(r *record) time.Duration {
	timeout, _ := strconv.Atoi(r.get("node.conn[0].timeo.login_timeout"))
	times, _ := strconv.Atoi(r.get("node.session.initial_login_retry_max"))
	return time.Duration(max(timeout, 1)*max(times, 1)) * pace
}

// logout ends sessions and takes their disks, used or not.
func (m *Machine) logout(ctx context.Context, sessions []*session) host.Result {
	if len(sessions) == 0 {
		return failed(codeNoRecords, "iscsiadm: No matching sessions found")
	}
	var begun, done, complaints []string
	for _, s := range sessions {
		address, port, _ := net.SplitHostPort(s.portal)
		what := fmt.Sprintf("[sid: %d, target: %s, portal: %s,%s]", s.sid, s.target.IQN, address, port)
		begun = append(begun, "Logging out of session "+what)
		if m.faults.IscsidDown {
			complaints = append(complaints, "iscsiadm: can not connect to iSCSI daemon (111)!", "iscsiadm: Could not logout of "+what+".",
				"iscsiadm: initiator reported error (20 - could not connect to iscsid)")
			continue
		}
		if !m.wait(ctx, pace) {
			continue
		}
		if slices.Contains(m.sessions, s) {
			m.removeSession(s)
		}
		done = append(done, "Logout of "+what+" successful.")
	}
	res := said(strings.Join(append(begun, done...), "\n") + "\n")
	if len(complaints) > 0 {
		res.ExitCode = codeNoIscsid
		res.Stderr = []byte(strings.Join(append(complaints, "iscsiadm: Could not logout of all requested sessions"), "\n") + "\n")
	}
	return res
}

// Login makes sessions that were there before fuxi came: an administrator's.
// automatic is what iscsid does at boot: it scans for every LUN.
func (m *Machine) Login(t *Target, portal string, automatic bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.newRecord(t.IQN, portal)
	if t.User != "" {
		r.set("node.session.auth.authmethod", "CHAP")
	}
	r.set("node.session.auth.username", t.User)
	r.set("node.session.auth.password", t.Password)
	if automatic {
		r.set("node.startup", "automatic")
	}
	m.check(r.write())
	s := m.addSession(t, portal, t.User)
	if automatic {
		s.find(-1)
	}
}
