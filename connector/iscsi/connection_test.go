package iscsi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
)

const target = "iqn.2010-10.org.openstack:volume-6a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001"

// given is a connection as the cloud's JSON says it.
func given(t *testing.T, data, secret string) connector.Connection {
	t.Helper()
	conn := connector.Connection{Driver: Driver, VolumeID: "6a7a1bd5", SizeGiB: 1, Access: connector.ReadWrite}
	if err := errors.Join(json.Unmarshal([]byte(data), &conn.Data), json.Unmarshal([]byte(secret), &conn.Secret)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestPortals(t *testing.T) {
	for data, want := range map[string]string{
		`{"target_portal": "10.0.0.1:3260", "target_iqn": "` + target + `", "target_lun": 1}`:                                                                          "10.0.0.1:3260/1",
		`{"target_portal": "10.0.0.1", "target_iqn": "` + target + `", "target_lun": "1"}`:                                                                             "10.0.0.1:3260/1",
		`{"target_portal": "10.0.0.1:3261,1", "target_iqn": "` + target + `", "target_lun": 0}`:                                                                        "10.0.0.1:3261/0",
		`{"target_portal": "[FD00::1]:3260", "target_iqn": "` + target + `", "target_lun": 16383}`:                                                                     "[fd00::1]:3260/16383",
		`{"target_portal": "[fd00:0::1]", "target_iqn": "` + target + `", "target_lun": 0}`:                                                                            "[fd00::1]:3260/0",
		`{"target_portal": "fd00::1", "target_iqn": "` + target + `", "target_lun": 0}`:                                                                                "[fd00::1]:3260/0",
		`{"target_portal": "[fe80::1%eth0]:3260", "target_iqn": "` + target + `", "target_lun": 0}`:                                                                    "[fe80::1%eth0]:3260/0",
		`{"target_portal": "Storage-1.example.org:3260", "target_iqn": "` + target + `", "target_lun": 0}`:                                                             "storage-1.example.org:3260/0",
		`{"target_portal": "10.0.0.1:3260", "target_iqn": "` + target + `", "target_lun": 5, "addressing_mode": "SAM2"}`:                                               "10.0.0.1:3260/5",
		`{"target_portal": "10.0.0.1:3260", "target_iqn": "` + target + `", "target_lun": 256, "addressing_mode": "SAM2"}`:                                             "10.0.0.1:3260/16640",
		`{"target_portal": "10.0.0.1:3260", "target_iqn": "` + target + `", "target_lun": 5, "addressing_mode": "SAM3-flat"}`:                                          "10.0.0.1:3260/16389",
		`{"target_portals": ["10.0.0.1:3260", "10.0.1.1:3260"], "target_iqns": ["` + target + `", "` + target + `"], "target_luns": [1, 2]}`:                           "10.0.0.1:3260/1 10.0.1.1:3260/2",
		`{"target_portals": ["10.0.0.1:3260", "10.0.1.1:3260"], "target_iqns": ["` + target + `", "` + target + `"], "target_lun": 3}`:                                 "10.0.0.1:3260/3 10.0.1.1:3260/3",
		`{"target_portals": ["10.0.0.1:3260", "10.0.0.1:3260"], "target_iqns": ["` + target + `", "` + target + `"], "target_luns": [1, 1], "target_portal": "other"}`: "10.0.0.1:3260/1",
	} {
		v, err := parse(given(t, data, "{}"))
		if err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		var got []string
		for _, p := range v.portals {
			lun, _ := json.Marshal(p.lun)
			got = append(got, p.String()+"/"+string(lun))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", data, got, want)
		}
	}
}

func TestOddConnectionsAreRefused(t *testing.T) {
	good := map[string]any{"target_portal": "10.0.0.1:3260", "target_iqn": target, "target_lun": 1.0}
	for key, values := range map[string][]any{
		"target_portal": {nil, 1.0, "", ":3260", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "10.0.0.1:3260,x", "[10.0.0.1]:3260", "fd00::1]:3260",
			"[fd00::1:3260", "[fe80::1%../x]:3260", "../../etc:3260", "-p:3260", "host name:3260", "10.0.0.1:3260\n", "a\x00b:3260", "--portal"},
		"target_iqn": {nil, 1.0, "", "iqn", "iqn.2010-10.org:../../x", "iqn.2010-10.org:a/b", "iqn.2010-10.org:a b", "iqn.2010-10.org:a\n", "--login",
			"iqn.2010-10.org:" + strings.Repeat("a", 230), "naa.123", "eui.xyz"},
		"target_lun":      {nil, "", -1.0, 1.5, 16384.0, "x", "-1", true, []any{1.0}},
		"target_luns":     {"1"},
		"target_portals":  {"10.0.0.1:3260", []any{}, []any{"10.0.0.1:3260"}},
		"target_iqns":     {target, []any{target, target}},
		"addressing_mode": {"other", 1.0},
		"auth_method":     {"KRB5", 1.0, "CHAP"},
	} {
		for _, value := range values {
			conn := connector.Connection{Driver: Driver, VolumeID: "v", SizeGiB: 1, Access: connector.ReadWrite, Data: map[string]any{}}
			for k, v := range good {
				conn.Data[k] = v
			}
			conn.Data[key] = value
			if v, err := parse(conn); !errors.Is(err, connector.ErrUnsupported) {
				t.Errorf("%s=%v: got %+v, %v", key, value, v.portals, err)
			}
		}
	}
	for _, conn := range []connector.Connection{
		{VolumeID: "v", SizeGiB: 1, Access: connector.ReadWrite, Data: good, Encrypted: true},
		{VolumeID: "v", Access: connector.ReadWrite, Data: good},
		{SizeGiB: 1, Access: connector.ReadWrite, Data: good},
		{VolumeID: "v", SizeGiB: 1, Access: "any", Data: good},
	} {
		if _, err := parse(conn); err == nil {
			t.Errorf("%+v is accepted", conn)
		}
	}
}

func TestCredentials(t *testing.T) {
	data := `{"target_portal": "10.0.0.1:3260", "target_iqn": "` + target + `", "target_lun": 1, "auth_method": "CHAP", "auth_username": "u1"`
	v, err := parse(given(t, data+`, "auth_username_in": "t1"}`, `{"auth_password": "pass one", "auth_password_in": "p2"}`))
	if err != nil || v.auth != (chap{"u1", "pass one", "t1", "p2"}) {
		t.Errorf("both ways: %+v, %v", v.auth, err)
	}
	for _, secret := range []string{`{}`, `{"auth_password": ""}`, `{"auth_password": 1}`, `{"auth_password": "p\nnode.startup = automatic"}`, `{"auth_password": " p"}`, `{"auth_password": "p\u00e4"}`} {
		v, err := parse(given(t, data+"}", secret))
		if !errors.Is(err, connector.ErrUnsupported) || !strings.Contains(err.Error(), "auth_password") || strings.Contains(err.Error(), "automatic") {
			t.Errorf("%s: %+v, %v", secret, v.auth, err)
		}
	}
	if v, err := parse(given(t, strings.Replace(data, "CHAP", "None", 1)+"}", `{}`)); err != nil || v.auth.user != "" {
		t.Errorf("without CHAP: %+v, %v", v.auth, err)
	}
}

func TestEditRecord(t *testing.T) {
	record := "# BEGIN RECORD 2.1.11\nnode.name = x\nnode.session.auth.authmethod = None\nnode.session.scan = auto\nnode.startup = automatic\n# END RECORD\n"
	v := volume{auth: chap{user: "u", password: "p"}}
	got := edit(record, v.settings())
	for _, line := range []string{"node.name = x", "node.session.auth.authmethod = CHAP", "node.session.auth.username = u", "node.session.auth.password = p",
		"node.session.scan = manual", "node.startup = manual", "node.session.initial_login_retry_max = 1", "node.conn[0].timeo.login_timeout = 10"} {
		if strings.Count("\n"+got, "\n"+line+"\n") != 1 {
			t.Errorf("%q is not there once:\n%s", line, got)
		}
	}
	if !strings.HasSuffix(got, "# END RECORD\n") || edit(got, v.settings()) != got {
		t.Errorf("the end is lost, or editing twice differs:\n%s", got)
	}
	if old := edit("node.name = x\n# END RECORD\n", v.settings()); strings.Contains(old, "node.session.scan") {
		t.Errorf("an open-iscsi without manual scans gets the setting:\n%s", old)
	}
}
