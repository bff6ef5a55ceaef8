package iscsi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector"
)

// defaultPort is IANA's for iSCSI.
const defaultPort = 3260

// largestLUN is what 14 bits of a logical unit number hold.
const largestLUN = 16383

// portal is one way to the volume: where to log in, to which target, and which
// unit it is there.
type portal struct {
	address string // without brackets
	port    int
	iqn     string
	lun     uint64 // as the kernel counts
}

// String returns "10.0.0.1:3260" or "[fd00::1]:3260", as iscsiadm wants it.
func (p portal) String() string {
	if strings.Contains(p.address, ":") {
		return fmt.Sprintf("[%s]:%d", p.address, p.port)
	}
	return fmt.Sprintf("%s:%d", p.address, p.port)
}

// volume is a checked Connection.
type volume struct {
	connector.Connection
	portals []portal
	auth    chap
}

// parse checks every field of a connection that is to be used. It comes from the
// cloud as JSON: it may have any type and say anything.
func parse(conn connector.Connection) (volume, error) {
	v := volume{Connection: conn}
	if conn.VolumeID == "" || conn.SizeGiB <= 0 {
		return v, fmt.Errorf("the connection has no volume id or no size (%d GiB): %w", conn.SizeGiB, connector.ErrUnsafe)
	}
	if conn.Encrypted {
		return v, fmt.Errorf("the volume is encrypted, its device holds ciphertext: %w: use a volume type without encryption", connector.ErrUnsafe)
	}
	if conn.Access != connector.ReadWrite && conn.Access != connector.ReadOnly {
		return v, fmt.Errorf("access mode %q: %w: only %s and %s are known", conn.Access, connector.ErrUnsupported, connector.ReadWrite, connector.ReadOnly)
	}
	f := fields{data: conn.Data, secret: conn.Secret}
	v.portals, v.auth = f.portals(), f.chap()
	return v, f.verdict()
}

// parsePlace reads only where the volume is: all that is needed to take it away.
func parsePlace(conn connector.Connection) (volume, error) {
	f := fields{data: conn.Data}
	v := volume{Connection: conn, portals: f.portals()}
	return v, f.verdict()
}

// fields reads a connection and remembers the first thing that was wrong.
type fields struct {
	data, secret map[string]any
	err          error
}

func (f *fields) verdict() error {
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("the cloud's connection cannot be used: %w: %w", f.err, connector.ErrUnsupported)
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// portals reads the lists, or the single target when there are none. The unit
// may be told once for all.
func (f *fields) portals() []portal {
	addresses, iqns := f.list("target_portals"), f.list("target_iqns")
	luns := f.list("target_luns")
	if addresses == nil && iqns == nil {
		addresses, iqns, luns = []any{f.data["target_portal"]}, []any{f.data["target_iqn"]}, nil
	}
	if luns == nil {
		luns = slices.Repeat([]any{f.data["target_lun"]}, len(addresses))
	}
	if len(addresses) == 0 || len(addresses) != len(iqns) || len(addresses) != len(luns) {
		f.fail("it has %d portals, %d targets and %d units", len(addresses), len(iqns), len(luns))
		return nil
	}
	var all []portal
	for i := range addresses {
		p := portal{iqn: f.iqn(iqns[i]), lun: f.lun(luns[i])}
		p.address, p.port = f.address(addresses[i])
		if slices.ContainsFunc(all, func(o portal) bool { return o.iqn == p.iqn && o.String() == p.String() }) {
			continue // said twice
		}
		all = append(all, p)
	}
	return all
}

// list returns a list, nil when there is none.
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

// address reads "10.0.0.1:3260", "[fd00::1]:3260" or a host name; some drivers
// append ",1", the portal group.
func (f *fields) address(value any) (address string, port int) {
	text, ok := value.(string)
	if !ok {
		f.fail("a portal is not a text but %v", value)
		return "", 0
	}
	text, group, grouped := strings.Cut(strings.ToLower(text), ",")
	if _, err := strconv.ParseUint(group, 10, 16); grouped && err != nil {
		f.fail("portal %q has an odd portal group", value)
	}
	address, port = text, defaultPort
	if at := strings.LastIndexByte(text, ':'); at >= 0 && (strings.HasSuffix(text[:at], "]") || !strings.Contains(text[:at], ":")) {
		n, err := strconv.ParseUint(text[at+1:], 10, 16)
		if err != nil || n == 0 {
			f.fail("portal %q has no good port", value)
		}
		address, port = text[:at], int(n)
	}
	bare, bracketed := strings.CutPrefix(address, "[")
	bare, closed := strings.CutSuffix(bare, "]")
	ip, err := netip.ParseAddr(bare)
	zoned := ip.Zone() == "" || connector.IsPlain(ip.Zone(), "._-", "")
	switch {
	case err == nil && zoned && bracketed == closed && (!bracketed || ip.Is6()):
		return ip.String(), port
	case err != nil && !bracketed && !closed && connector.IsHostName(bare):
		return bare, port
	}
	f.fail("portal %q is neither address:port nor [address]:port", value)
	return "", 0
}

func (f *fields) iqn(value any) string {
	name, ok := value.(string)
	if !ok || !isTargetName(name) {
		f.fail("%v is not the name of an iSCSI target", value)
		return ""
	}
	return name
}

// lun reads a unit number and turns it into the kernel's counting, as
// addressing_mode wants it.
func (f *fields) lun(value any) uint64 {
	n := -1.0
	switch v := value.(type) {
	case float64:
		n = v
	case int:
		n = float64(v)
	case json.Number:
		n, _ = v.Float64()
	case string:
		if u, err := strconv.ParseUint(v, 10, 16); err == nil {
			n = float64(u)
		}
	}
	if n < 0 || n > largestLUN || n != math.Trunc(n) {
		f.fail("%v is not a unit number from 0 to %d", value, largestLUN)
		return 0
	}
	const flat = 1 << 14
	switch mode := f.data["addressing_mode"]; mode {
	case nil, "", "SAM", "transparent":
	case "SAM2":
		if n > 255 {
			n += flat
		}
	case "SAM3-flat":
		n += flat
	default:
		f.fail("addressing mode %v is not known", mode)
	}
	return uint64(n)
}
