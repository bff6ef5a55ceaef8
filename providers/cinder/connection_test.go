package cinder

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
)

func TestParseConnection(t *testing.T) {
	const iscsi = `{"driver_volume_type": "iscsi", "access_mode": "ro", "encrypted": "True", "target_iqn": "iqn.x", "target_lun": 1,
		"target_portal": "192.0.2.9:3260", "auth_method": "CHAP", "auth_username": "u", "auth_password": "p1", "discovery_auth_password": "p2",
		"deep": {"keyring": "p3", "path": "/x"}, "replicas": [{"dhchap_key": "p4"}], "target_portals": ["a", "b"], "qos_specs": null}`
	c, err := parseConnection([]byte(iscsi))
	if err != nil {
		t.Fatal(err)
	}
	want := connector.Connection{Driver: "iscsi", Access: connector.ReadOnly, Encrypted: true,
		Data: map[string]any{"access_mode": "ro", "encrypted": "True", "target_iqn": "iqn.x", "target_lun": 1.0, "target_portal": "192.0.2.9:3260",
			"auth_method": "CHAP", "auth_username": "u", "deep": map[string]any{"path": "/x"}, "target_portals": []any{"a", "b"}, "qos_specs": nil},
		Secret: map[string]any{"auth_password": "p1", "discovery_auth_password": "p2",
			"deep": map[string]any{"keyring": "p3"}, "replicas": []any{map[string]any{"dhchap_key": "p4"}}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v", c)
	}
	shown, _ := json.Marshal(c)
	for _, secret := range []string{"p1", "p2", "p3", "p4"} {
		if strings.Contains(string(shown), `"`+secret+`"`) {
			t.Errorf("%s is shown: %s", secret, shown)
		}
	}
	legacy, err := parseConnection([]byte(`{"driver_volume_type": "rbd", "data": {"name": "pool/vol", "access_mode": "ro", "secret_uuid": "s"}}`))
	if err != nil || legacy.Data["name"] != "pool/vol" || legacy.Access != connector.ReadOnly || legacy.Secret["secret_uuid"] != "s" {
		t.Errorf("%v: %+v", err, legacy)
	}
	for _, bad := range []string{``, `null`, `[]`, `"x"`, `{}`, `{"driver_volume_type": null}`} {
		if _, err := parseConnection([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func FuzzConnection(f *testing.F) {
	f.Add([]byte(`{"driver_volume_type": "iscsi", "data": {"auth_password": "x", "a": [{"key": 1}]}, "password": {"a": 1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseConnection(raw)
		if err != nil {
			return
		}
		if c.Driver == "" || c.Access != connector.ReadWrite && c.Access != connector.ReadOnly {
			t.Errorf("%+v", c)
		}
		if _, secret := split(c.Data); len(secret) != 0 {
			t.Errorf("secrets left in the open: %v", fmt.Sprint(secret))
		}
	})
}

func FuzzVolume(f *testing.F) {
	f.Add([]byte(`{"id": "a", "size": "1", "metadata": {"volume_from": 1}, "attachments": [{"device": "fuxi:h"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w volumeJSON
		var object map[string]json.RawMessage
		whole := json.Unmarshal(raw, &object) == nil
		if err := json.Unmarshal(raw, &w); err != nil {
			if whole {
				t.Errorf("an object does not decode: %v", err)
			}
			return
		}
		v := (&Provider{}).volume(&w)
		if v.ID != string(w.ID) || len(v.Attachments) != len(w.Attachments) {
			t.Errorf("%+v", v)
		}
	})
}
