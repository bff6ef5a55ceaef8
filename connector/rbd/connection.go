package rbd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// What may stand in the kernel's line, which splits at spaces and commas, and in
// paths. Pools and images may be called otherwise in Ceph; Cinder calls them so.
func isName(text string) bool { return len(text) <= 128 && connector.IsPlain(text, "_.", ":+-") }

// isWord is a cluster's or user's name, and a volume's id.
func isWord(text string) bool { return len(text) <= 64 && connector.IsPlain(text, "_.-", "") }

// volume is a checked Connection.
type volume struct {
	connector.Connection
	image    host.RBDImage
	monitors []host.CephMonitor // none: those of the cluster's configuration
	cluster  string
	user     string // "admin" where none is told
	auth     bool   // the cluster asks for a key
	keyring  string // sent by the cloud, rarely
	discard  bool   // freed blocks may be given back
}

// parse checks every field of a connection that is to be used. It comes from the
// cloud as JSON: it may have any type and say anything.
func (c *Connector) parse(conn connector.Connection) (volume, error) {
	v, err := parsePlace(conn)
	switch {
	case err != nil:
		return v, err
	case conn.SizeGiB <= 0:
		return v, fmt.Errorf("the connection has no size (%d GiB): %w", conn.SizeGiB, connector.ErrUnsafe)
	case conn.Encrypted:
		return v, fmt.Errorf("the volume is encrypted, its device holds ciphertext: %w: use a volume type without encryption", connector.ErrUnsafe)
	case conn.Access != connector.ReadWrite && conn.Access != connector.ReadOnly:
		return v, fmt.Errorf("access mode %q: %w: only %s and %s are known", conn.Access, connector.ErrUnsupported, connector.ReadWrite, connector.ReadOnly)
	}
	return v, c.checkOptions()
}

// parsePlace reads where the image is and who asks for it.
func parsePlace(conn connector.Connection) (volume, error) {
	f := fields{data: conn.Data}
	v := volume{Connection: conn, image: f.image()}
	if !isWord(conn.VolumeID) {
		f.fail("the volume's id %q is none", conn.VolumeID)
	}
	v.monitors = f.monitors()
	v.cluster = f.word("cluster_name", "ceph")
	v.user = f.word("auth_username", "admin")
	v.auth = f.flag("auth_enabled", true)
	v.discard = f.flag("discard", true)
	v.keyring, _ = conn.Secret["keyring"].(string)
	if f.err != nil {
		return v, fmt.Errorf("the cloud's connection cannot be used: %w: %w", f.err, connector.ErrUnsupported)
	}
	return v, nil
}

// fields reads a connection and remembers the first thing that was wrong.
type fields struct {
	data map[string]any
	err  error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// image reads "pool/image" or "pool/namespace/image".
func (f *fields) image() host.RBDImage {
	text, _ := f.data["name"].(string)
	parts := strings.Split(text, "/")
	for _, part := range parts {
		if !isName(part) || strings.Trim(part, ".") == "" {
			f.fail("name %q is no image", f.data["name"])
			return host.RBDImage{}
		}
	}
	switch len(parts) {
	case 2:
		return host.RBDImage{Pool: parts[0], Name: parts[1]}
	case 3:
		return host.RBDImage{Pool: parts[0], Namespace: parts[1], Name: parts[2]}
	}
	f.fail("name %q is neither pool/image nor pool/namespace/image", text)
	return host.RBDImage{}
}

// monitors pairs hosts and ports.
func (f *fields) monitors() []host.CephMonitor {
	hosts, ports := f.list("hosts"), f.list("ports")
	if len(hosts) == 0 {
		return nil
	}
	if len(ports) != 0 && len(ports) != len(hosts) {
		f.fail("it has %d monitors and %d ports", len(hosts), len(ports))
		return nil
	}
	var all []host.CephMonitor
	for i, h := range hosts {
		m := host.CephMonitor{Host: f.address(h)}
		if len(ports) > 0 {
			m.Port = f.port(ports[i])
		}
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

func (f *fields) list(key string) []any {
	switch v := f.data[key].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		f.fail("%s is not a list but %v", key, v)
		return nil
	}
}

// address reads an IP address, in brackets or not, or a host name.
func (f *fields) address(value any) string {
	text, _ := value.(string)
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil && ip.Zone() == "" {
		return ip.String()
	}
	if name := strings.ToLower(text); connector.IsHostName(name) {
		return name
	}
	f.fail("monitor %v is neither an address nor a host name", value)
	return ""
}

func (f *fields) port(value any) int {
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int:
		text = strconv.Itoa(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		f.fail("monitor port %v is none", value)
	}
	return int(n)
}

// word returns a text that is a word, or the default where there is none.
func (f *fields) word(key, otherwise string) string {
	value := f.data[key]
	if value == nil || value == "" {
		return otherwise
	}
	text, ok := value.(string)
	if !ok || !isWord(text) || strings.Trim(text, ".") == "" {
		f.fail("%s %v is no name", key, value)
		return otherwise
	}
	return text
}

func (f *fields) flag(key string, otherwise bool) bool {
	switch v := f.data[key].(type) {
	case nil:
		return otherwise
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
	}
	f.fail("%s %v is neither true nor false", key, f.data[key])
	return otherwise
}
