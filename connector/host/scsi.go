package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SCSIAddress is the place of a device in the kernel's SCSI layer. Numbers are
// given out anew after a device is gone: an address says where, never who.
type SCSIAddress struct {
	Host, Channel, Target int
	LUN                   uint64
}

// String returns the kernel's notation, "0:0:0:1".
func (a SCSIAddress) String() string {
	return fmt.Sprintf("%d:%d:%d:%d", a.Host, a.Channel, a.Target, a.LUN)
}

// ParseSCSIAddress reads the kernel's notation.
func ParseSCSIAddress(s string) (a SCSIAddress, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 4 {
		return a, false
	}
	for i, to := range []*int{&a.Host, &a.Channel, &a.Target} {
		n, err := strconv.ParseUint(parts[i], 10, 31)
		if err != nil {
			return a, false
		}
		*to = int(n)
	}
	lun, err := strconv.ParseUint(parts[3], 10, 64)
	a.LUN = lun
	return a, err == nil
}

// SCSIDisk is one block device of the SCSI layer.
type SCSIDisk struct {
	Address SCSIAddress
	Name    string // "sda"
	State   string // running; blocked, offline, transport-offline … are not usable now
}

// Device returns the node, "/dev/sda".
func (d SCSIDisk) Device() string { return "/dev/" + d.Name }

func (a SCSIAddress) sys(elem ...string) string {
	return filepath.Join(append([]string{"/sys/class/scsi_device", a.String(), "device"}, elem...)...)
}

// ScanSCSI asks the kernel to look at exactly one address; never a wildcard,
// which would bring in whatever else the target exports. The disk appears, if
// at all, soon afterwards.
func (h *Host) ScanSCSI(ctx context.Context, a SCSIAddress) error {
	return h.writeSys(ctx, fmt.Sprintf("/sys/class/scsi_host/host%d/scan", a.Host),
		fmt.Sprintf("%d %d %d", a.Channel, a.Target, a.LUN))
}

// RescanSCSI lets the kernel ask a device again who it is and how large.
func (h *Host) RescanSCSI(ctx context.Context, a SCSIAddress) error {
	return h.writeSys(ctx, a.sys("rescan"), "1")
}

// SCSIDiskAt returns the disk at an address. found is false as long as there is
// none, or its block device is not made yet.
func (h *Host) SCSIDiskAt(a SCSIAddress) (d SCSIDisk, found bool, err error) {
	names, err := h.namesIn(a.sys("block"))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(names) == 0 {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	return SCSIDisk{Address: a, Name: names[0], State: h.readWord(a.sys("state"))}, true, nil
}

// SCSIUnitAt tells whether the kernel has a device at an address, be it one whose
// block device is not made yet.
func (h *Host) SCSIUnitAt(a SCSIAddress) bool {
	_, err := os.Stat(h.Path(a.sys()))
	return err == nil
}

// RemoveSCSIUnit takes a device that has no block device, so nobody can use it,
// out of the kernel.
func (h *Host) RemoveSCSIUnit(ctx context.Context, a SCSIAddress) error {
	if _, found, err := h.SCSIDiskAt(a); err != nil || found {
		return errors.Join(err, fmt.Errorf("%s has a block device", a))
	}
	if err := h.deleteSCSI(ctx, a, false); err != nil {
		return err
	}
	return h.Poll(ctx, a.String()+" to go", func() (bool, error) { return !h.SCSIUnitAt(a), nil })
}

// SCSIDisks lists all disks of the SCSI layer, whatever brought them.
func (h *Host) SCSIDisks() ([]SCSIDisk, error) {
	names, err := h.namesIn("/sys/class/scsi_device")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var disks []SCSIDisk
	for _, name := range names {
		a, ok := ParseSCSIAddress(name)
		if !ok {
			continue
		}
		d, found, failed := h.SCSIDiskAt(a)
		if failed != nil {
			return nil, failed
		}
		if found {
			disks = append(disks, d)
		}
	}
	return disks, err
}

// RemoveSCSIDisk proves that nobody uses a disk and takes it out of the kernel;
// it returns when the disk is gone. The device is open exclusively meanwhile,
// so that nobody can begin to use it. Of a disk whose transport is dead (dead)
// nothing more is expected: otherwise the kernel would wait minutes for an
// answer to its last flush. connector.ErrBusy when in use, and then it stays.
// Gone already is success.
func (h *Host) RemoveSCSIDisk(ctx context.Context, d SCSIDisk, dead bool) error {
	now, found, err := h.SCSIDiskAt(d.Address)
	if err != nil || !found || now.Name != d.Name {
		return err
	}
	// A container with a static /dev may lack the node, or have another disk's:
	// what cannot be opened is not proved idle.
	if _, err := h.BlockNode(d.Name); err != nil {
		return err
	}
	if err := h.answers(ctx, d.Device()); err != nil {
		return err
	}
	fd := -1
	err = h.patiently(ctx, func() (err error) {
		fd, err = openDevice(h.Path(d.Device()), unix.O_RDONLY|unix.O_EXCL)
		return err
	})
	switch {
	case err == unix.EBUSY:
		return h.Exclusive(ctx, d.Device(), nil)
	case err == nil:
		defer unix.Close(fd)
	case !goneNow(err) || h.runs(d):
		// A disk that is offline refuses every open, after the claim was tried.
		return fmt.Errorf("open %s exclusively: %w", d.Device(), err)
	}
	if err := h.deleteSCSI(ctx, d.Address, dead); err != nil {
		return err
	}
	return h.awaitRemoved(ctx, d)
}

// runs tells whether a disk is there and, as far as the kernel knows, works.
func (h *Host) runs(d SCSIDisk) bool {
	now, found, err := h.SCSIDiskAt(d.Address)
	return err != nil || found && now.Name == d.Name && now.State == "running"
}

// deleteSCSI has the kernel delete a device, as one crossing: between going
// offline and being deleted it would be of no use to anybody.
func (h *Host) deleteSCSI(ctx context.Context, a SCSIAddress, dead bool) error {
	path := a.sys("delete")
	err := h.bounded(ctx, path, "write 1 to "+path, func() error {
		if dead {
			// Refused for one whose transport is offline already: as good.
			_ = writeAttribute(h.Path(a.sys("state")), "offline")
		}
		return writeAttribute(h.Path(path), "1")
	}, nil)
	if err != nil && !goneNow(err) {
		return fmt.Errorf("delete SCSI device %s: %w", a, err)
	}
	return nil
}

// goneNow tells whether an error only says that the device went meanwhile.
func goneNow(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

func (h *Host) awaitRemoved(ctx context.Context, d SCSIDisk) error {
	patience, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := h.Poll(patience, d.Device()+" to go", func() (bool, error) {
		now, found, err := h.SCSIDiskAt(d.Address)
		return err == nil && (!found || now.Name != d.Name), err
	})
	if err != nil {
		return fmt.Errorf("%s (%s) was deleted and does not go: %w", d.Device(), d.Address, err)
	}
	return nil
}

// writeSys writes one value to an attribute of sysfs, as one crossing. The
// kernel does the work inside the call, which may hang on a dead device: it is
// left behind at the end of ctx.
func (h *Host) writeSys(ctx context.Context, path, value string) error {
	err := h.bounded(ctx, path, "write "+value+" to "+path, func() error { return writeAttribute(h.Path(path), value) }, nil)
	if err != nil {
		return fmt.Errorf("write %q to %s: %w", value, path, err)
	}
	return nil
}

// writeAttribute writes without making the file: sysfs has it, or the device is
// gone.
func writeAttribute(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value+"\n"))
	return err
}
