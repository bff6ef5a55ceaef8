package host

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// SCSIIdentity is who a SCSI device says it is.
type SCSIIdentity struct {
	// WWID is the kernel's name for it, "naa.6001405…": the best designator of
	// its VPD page 0x83. It is the same on every path.
	WWID string
	// Serials are the names multipath and udev may know it by, one for each
	// designator: type digit and name, "36001405…". The first is that of WWID.
	Serials []string
}

// SCSIIdentity reads who the device at an address says it is. A device that says
// nothing has no WWID, which is no error.
func (h *Host) SCSIIdentity(a SCSIAddress) (SCSIIdentity, error) {
	page, err := h.readSmall(a.sys("vpd_pg83"))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.EINVAL) {
		return SCSIIdentity{}, err
	}
	names := designators(page)
	id := SCSIIdentity{WWID: h.readWord(a.sys("wwid"))}
	if id.WWID == "" && len(names) > 0 {
		id.WWID = names[0] // a kernel older than 4.0 has no such attribute
	}
	if id.WWID != "" {
		names = slices.Insert(names, 0, id.WWID)
	}
	for _, name := range names {
		if s := SerialOf(name); s != "" && !slices.Contains(id.Serials, s) {
			id.Serials = append(id.Serials, s)
		}
	}
	return id, nil
}

// SerialOf turns a kernel WWID into the name that udev and multipath use for the
// same device; "" when it is none.
func SerialOf(wwid string) string {
	kind, rest, found := strings.Cut(wwid, ".")
	if !found || rest == "" {
		return ""
	}
	digit := map[string]string{"naa": "3", "eui": "2", "t10": "1", "name": "8"}[kind]
	if digit == "" {
		return ""
	}
	return digit + strings.Join(strings.Fields(rest), "_")
}

// designators lists the names in a device identification page (SPC-4 7.8.6)
// that mean the logical unit itself, in the kernel's notation, best first: NAA
// before EUI before a SCSI name before a vendor's own.
func designators(page []byte) []string {
	var ranked [4][]string
	if len(page) < 4 || page[1] != 0x83 {
		return nil
	}
	rest := page[4:min(len(page), 4+int(binary.BigEndian.Uint16(page[2:4])))]
	for len(rest) >= 4 && len(rest) >= 4+int(rest[3]) {
		kind, association, value := rest[1]&0x0f, rest[1]>>4&3, rest[4:4+int(rest[3])]
		rest = rest[4+int(rest[3]):]
		if association != 0 || len(value) == 0 {
			continue
		}
		text := strings.TrimRight(string(value), " \x00")
		switch kind {
		case 3:
			ranked[0] = append(ranked[0], "naa."+hex.EncodeToString(value))
		case 2:
			ranked[1] = append(ranked[1], "eui."+hex.EncodeToString(value))
		case 8:
			ranked[2] = append(ranked[2], "name."+text)
		case 1:
			ranked[3] = append(ranked[3], "t10."+text)
		}
	}
	// Of several names of one kind the longest is the most exact.
	for _, names := range ranked {
		slices.SortStableFunc(names, func(a, b string) int { return len(b) - len(a) })
	}
	return slices.Concat(ranked[:]...)
}
