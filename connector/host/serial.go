package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Drive is a whole disk that a bus of this machine brought: virtio, SCSI, NVMe,
// ATA, Xen, user-mode Linux. What the kernel makes itself (loop, dm, md, zram) is
// none.
type Drive struct {
	Name string // "vdb"
	// Bus is the kernel's word for the driver: virtio, sd, nvme, xvd, ubd, or the
	// letters of the name.
	Bus string
	// Size in bytes as the kernel knows it; 0 for one that is just being made.
	Size int64
	// Serials are what the disk says of itself, best source first, without
	// repetition; empty when it says nothing.
	Serials []Serial
	// SCSI is its address, nil when it is no SCSI disk.
	SCSI *SCSIAddress
}

// Serial is one thing that a disk says of itself.
type Serial struct {
	Text string // without blanks around it
	From string // where it was read: "serial", "vpd_pg80", "by-id/…"
}

// Device returns the node, "/dev/vdb".
func (d Drive) Device() string { return "/dev/" + d.Name }

// String describes the drive for messages.
func (d Drive) String() string {
	said := "no serial"
	if len(d.Serials) > 0 {
		words := make([]string, len(d.Serials))
		for i, s := range d.Serials {
			words[i] = fmt.Sprintf("%s %q", s.From, s.Text)
		}
		said = strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s (%d bytes, %s)", d.Name, d.Size, said)
}

// Drives lists the disks of this machine, by name, and what they say of
// themselves. Nothing but sysfs is read, and the links of /dev/disk/by-id for
// those disks of which sysfs knows no serial: such a link is udev's memory, and
// may be of a disk that had the name before. A disk that goes meanwhile is left
// out; what cannot be read is an error, for it is not absent.
func (h *Host) Drives() ([]Drive, error) {
	names, err := h.namesIn("/sys/block")
	if err != nil {
		return nil, fmt.Errorf("list the disks: %w", err)
	}
	var drives []Drive
	var links map[string][]Serial
	for _, name := range names {
		if _, err := os.Stat(h.Path("/sys/block", name, "device")); err != nil {
			if goneNow(err) {
				continue // the kernel's own, or gone
			}
			return nil, fmt.Errorf("list the disks: %w", err)
		}
		d, err := h.drive(name)
		if err := unlessGone(err, "what "+name+" is"); err != nil {
			return nil, err
		}
		if err != nil {
			continue
		}
		if len(d.Serials) == 0 {
			if links == nil {
				links = h.byID()
			}
			d.Serials = links[name]
		}
		drives = append(drives, d)
	}
	return drives, nil
}

func (h *Host) drive(name string) (Drive, error) {
	dir := "/sys/block/" + name
	d := Drive{Name: name, Bus: h.busOf(name)}
	size, err := h.BlockSize(name)
	if err != nil {
		return d, err
	}
	d.Size = size
	if link, err := os.Readlink(h.Path(dir, "device")); err == nil {
		if a, ok := ParseSCSIAddress(filepath.Base(link)); ok {
			d.SCSI = &a
		}
	}
	for _, file := range []string{"serial", "device/serial", "device/vpd_pg80", "device/wwid", "wwid"} {
		text, err := h.serialIn(dir + "/" + file)
		if err != nil {
			return d, err
		}
		d.add(Serial{Text: text, From: file})
	}
	return d, nil
}

func (d *Drive) add(s Serial) {
	known := slices.ContainsFunc(d.Serials, func(o Serial) bool { return o.Text == s.Text })
	if s.Text != "" && !known {
		d.Serials = append(d.Serials, s)
	}
}

// serialIn reads one file that names a disk; "" when there is none, or the disk
// has no such name.
func (h *Host) serialIn(path string) (string, error) {
	text, err := h.readSmall(path)
	switch {
	case goneNow(err) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTDIR):
		return "", nil // no such file; EINVAL is a page that the disk does not have
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if filepath.Base(path) == "vpd_pg80" {
		return unitSerial(text), nil
	}
	return strings.TrimSpace(strings.Trim(string(text), "\x00\n")), nil
}

// unitSerial takes the number out of a SCSI unit serial number page (SPC-4
// 7.8.16): four bytes of head, the last two its length.
func unitSerial(page []byte) string {
	if len(page) < 4 || page[1] != 0x80 {
		return ""
	}
	text := page[4:min(len(page), 4+int(page[2])<<8+int(page[3]))]
	return strings.Trim(string(text), " \x00\n")
}

// busOf names what brought a disk: by its subsystem where that says enough, else
// by the letters that its driver gives to all of its disks.
func (h *Host) busOf(name string) string {
	if link, err := os.Readlink(h.Path("/sys/block", name, "device/subsystem")); err == nil {
		if base := filepath.Base(link); base == "virtio" || base == "nvme" {
			return base
		}
	}
	for _, prefix := range []string{"ubd", "xvd", "sd", "vd", "hd"} {
		if strings.HasPrefix(name, prefix) {
			return prefix
		}
	}
	return name
}

// byID reads what udev's links say of each disk: the last part of their names,
// which for the hypervisors' disks is the serial ("virtio-SERIAL",
// "scsi-0QEMU_QEMU_HARDDISK_SERIAL", "wwn-0xHEX"). Where there is no udev there
// is nothing.
func (h *Host) byID() map[string][]Serial {
	all := map[string][]Serial{}
	entries, err := os.ReadDir(h.Path("/dev/disk/by-id"))
	if err != nil {
		return all
	}
	for _, e := range entries {
		to, err := os.Readlink(h.Path("/dev/disk/by-id", e.Name()))
		if err != nil {
			continue
		}
		text := e.Name()[strings.LastIndexAny(e.Name(), "_")+1:]
		if text == e.Name() {
			_, text, _ = strings.Cut(e.Name(), "-")
		}
		disk := filepath.Base(to)
		all[disk] = append(all[disk], Serial{Text: strings.TrimPrefix(text, "0x"), From: "by-id/" + e.Name()})
	}
	return all
}
