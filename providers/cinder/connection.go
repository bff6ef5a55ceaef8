package cinder

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/providers/openstack"
)

// parseConnection reads the connection_info of an attachment. It is flat: the
// driver's fields lie beside driver_volume_type, access_mode and encrypted. The
// older form, with the driver's fields below data, is read as well. Numbers are
// float64, as they are again after the journal: connectors see one form only.
func parseConnection(raw json.RawMessage) (connector.Connection, error) {
	var info struct {
		Driver    openstack.Text  `json:"driver_volume_type"`
		Access    openstack.Text  `json:"access_mode"`
		Encrypted openstack.Flag  `json:"encrypted"`
		Data      json.RawMessage `json:"data"`
	}
	var fields map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &fields) != nil || json.Unmarshal(raw, &info) != nil {
		return connector.Connection{}, errors.New("connection_info is not an object")
	}
	if info.Driver == "" {
		return connector.Connection{}, errors.New("connection_info has no driver_volume_type")
	}
	if nested, ok := fields["data"].(map[string]any); ok {
		below := info
		if json.Unmarshal(info.Data, &below) == nil && below.Access != "" {
			info.Access = below.Access
		}
		info.Encrypted = info.Encrypted || below.Encrypted
		fields = nested
	}
	delete(fields, "driver_volume_type")
	conn := connector.Connection{Driver: string(info.Driver), Access: access(string(info.Access)), Encrypted: bool(info.Encrypted)}
	conn.Data, conn.Secret = split(fields)
	return conn, nil
}

// access takes what it does not know for read-only: writing is the act that
// needs permission.
func access(mode string) string {
	if mode == "" || mode == connector.ReadWrite {
		return connector.ReadWrite
	}
	return connector.ReadOnly
}

// split moves the secret fields, at any depth, into a map of the same shape. A
// list with a secret anywhere in it is secret as a whole.
func split(fields map[string]any) (open, secret map[string]any) {
	open = make(map[string]any, len(fields))
	for key, value := range fields {
		if isSecret(key) {
			secret = put(secret, key, value)
			continue
		}
		switch v := value.(type) {
		case map[string]any:
			inner, hidden := split(v)
			open[key] = inner
			if len(hidden) > 0 {
				secret = put(secret, key, hidden)
			}
		case []any:
			if holdsSecret(v) {
				secret = put(secret, key, value)
			} else {
				open[key] = value
			}
		default:
			open[key] = value
		}
	}
	return open, secret
}

func put(m map[string]any, key string, value any) map[string]any {
	if m == nil {
		m = map[string]any{}
	}
	m[key] = value
	return m
}

// isSecret knows a secret by its name: auth_password, discovery_auth_password,
// keyring, secret_uuid, dhchap_key … User names are not secret: a message that
// says who was refused needs them.
func isSecret(key string) bool {
	key = strings.ToLower(key)
	for _, part := range []string{"password", "passphrase", "passwd", "secret", "keyring", "token", "credential"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return key == "key" || strings.HasSuffix(key, "_key") || strings.HasSuffix(key, "-key")
}

func holdsSecret(list []any) bool {
	for _, element := range list {
		switch v := element.(type) {
		case map[string]any:
			if _, secret := split(v); len(secret) > 0 {
				return true
			}
		case []any:
			if holdsSecret(v) {
				return true
			}
		}
	}
	return false
}
