package iscsi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// A crash left a half-written record with the password: the next Connect writes
// over it, the next Disconnect removes it, even when no record came of it.
func TestDraftOfACrash(t *testing.T) {
	m := pretend.New(t)
	array := m.Target(target, "192.0.2.11:3260")
	array.User, array.Password = "somebody", "s3cret-word"
	array.Export(1, m.Disk(hosttest.GiB))
	conn := given(t, `{"target_portal": "192.0.2.11:3260", "target_iqn": "`+target+`", "target_lun": 1,
		"auth_method": "CHAP", "auth_username": "somebody"}`, `{"auth_password": "s3cret-word"}`)
	c := New(m.Host, Options{Multipath: Off})
	p := portal{address: "192.0.2.11", port: 3260, iqn: target}
	crash := func() {
		old := strings.Repeat("node.session.auth.password = s3cret-word\n", 1000)
		if err := os.WriteFile(m.Host.Path("var/lib/iscsi", p.draft()), []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disconnect := func() {
		t.Helper()
		if err := c.Disconnect(hosttest.Context(t), conn); err != nil {
			t.Fatal(err)
		}
		noDraft(t, m)
	}
	crash()
	disconnect()
	crash()
	if _, err := c.Connect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	noDraft(t, m)
	files, err := c.records(p)
	if err != nil || len(files) != 1 {
		t.Fatalf("records: %v, %v", files, err)
	}
	if text, err := os.ReadFile(m.Host.Path(files[0])); err != nil || strings.Count(string(text), "s3cret-word") != 1 {
		t.Errorf("the record is %q, %v", text, err)
	}
	if st, err := os.Stat(m.Host.Path(files[0])); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the record: %v, %v", st, err)
	}
	crash()
	disconnect()
}

// noDraft expects that no half-written record lies about.
func noDraft(t *testing.T, m *pretend.Machine) {
	t.Helper()
	left, err := filepath.Glob(m.Host.Path("var/lib/iscsi") + "/.fuxi-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
