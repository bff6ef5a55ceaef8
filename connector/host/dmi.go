package host

import (
	"strings"

	"github.com/openstack/fuxi/connector"
)

// FirmwareIDs returns what this machine's firmware calls it (SMBIOS system UUID),
// likeliest first, in lower case; empty when it says nothing. libvirt sets it to
// the id of the server. The first three fields of that UUID are little-endian
// since SMBIOS 2.6 and were not before, and firmwares and kernels disagree about
// which it is: the second one has them turned round.
func (h *Host) FirmwareIDs() []string {
	id := strings.ToLower(h.readWord("/sys/class/dmi/id/product_uuid"))
	if !connector.IsUUID(id) {
		return nil
	}
	ids := []string{id}
	parts := strings.Split(id, "-")
	for i := range 3 {
		parts[i] = turned(parts[i])
	}
	if other := strings.Join(parts, "-"); other != id {
		ids = append(ids, other)
	}
	return ids
}

// turned reverses the bytes of a number in hexadecimal.
func turned(digits string) string {
	var out strings.Builder
	for i := len(digits); i >= 2; i -= 2 {
		out.WriteString(digits[i-2 : i])
	}
	return out.String()
}
