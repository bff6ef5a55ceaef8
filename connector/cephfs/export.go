package cephfs

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector"
)

// Ports of a monitor: of the first protocol and of the second.
const (
	portV1 = "6789"
	portV2 = "3300"
)

// monitor is one of "10.0.0.1:6789", "[fd00::1]:3300", "10.0.0.1".
type monitor struct {
	text, host, port string
}

// address returns what to connect to.
func (m monitor) address() string { return net.JoinHostPort(m.host, m.port) }

// split takes "mon1:6789,mon2:6789:/path" apart, at the last ":/".
func split(export string) (monitors []monitor, dir string, err error) {
	at := strings.LastIndex(export, ":/")
	if at < 0 || strings.ContainsFunc(export, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, "", fmt.Errorf("it is not MONITOR,MONITOR:/PATH: %w", connector.ErrUnsafe)
	}
	for text := range strings.SplitSeq(export[:at], ",") {
		m, err := parseMonitor(text)
		if err != nil {
			return nil, "", err
		}
		monitors = append(monitors, m)
	}
	return monitors, export[at+1:], nil
}

func parseMonitor(text string) (monitor, error) {
	m := monitor{text: text, host: text, port: portV1}
	if host, port, err := net.SplitHostPort(text); err == nil {
		m.host, m.port = host, port
	}
	bare := strings.Trim(m.host, "[]")
	addr, err := netip.ParseAddr(bare)
	named := connector.IsPlain(m.host, "", ".-")
	if n, portErr := strconv.ParseUint(m.port, 10, 16); portErr != nil || n == 0 || err != nil && !named || err == nil && addr.Is6() != strings.HasPrefix(text, "[") {
		return monitor{}, fmt.Errorf("%q is no monitor's address: %w", text, connector.ErrUnsafe)
	}
	m.host = bare
	return m, nil
}

// Check implements share.Protocol. Of a list that has both, only the monitors of
// the second protocol are taken: the kernel speaks one to all of them.
func (protocol) Check(export string) (string, error) {
	monitors, dir, err := split(export)
	if err != nil {
		return "", err
	}
	if dir = path.Clean(dir); dir == "/" {
		return "", fmt.Errorf("it is the root of the filesystem and not a share: %w", connector.ErrUnsafe)
	}
	isOld := func(m monitor) bool { return m.port != portV2 }
	if slices.ContainsFunc(monitors, func(m monitor) bool { return !isOld(m) }) {
		monitors = slices.DeleteFunc(monitors, isOld)
	}
	var texts []string
	for _, m := range monitors {
		texts = append(texts, m.text)
	}
	return strings.Join(texts, ",") + ":" + dir, nil
}

// newProtocol tells whether an export that Check returned is reached by the
// second protocol.
func newProtocol(export string) bool {
	monitors, _, err := split(export)
	return err == nil && monitors[0].port == portV2
}

// identity is as whom and of which filesystem a share is mounted.
type identity struct{ client, fs string }

// identityOf reads it from the connection, which is the cloud's JSON.
func identityOf(conn connector.Connection) (identity, error) {
	client, _ := conn.Data["client"].(string)
	fs, isText := conn.Data["fs"].(string)
	if !connector.IsPlain(client, "", "._-") {
		return identity{}, fmt.Errorf("the cloud's connection has no client but %v: %w", conn.Data["client"], connector.ErrUnsupported)
	}
	if !connector.IsPlain(fs, "", "._-") && conn.Data["fs"] != nil && (!isText || fs != "") {
		return identity{}, fmt.Errorf("the cloud's connection has the filesystem %v: %w", conn.Data["fs"], connector.ErrUnsupported)
	}
	return identity{client, fs}, nil
}
