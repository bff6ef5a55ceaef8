package pretend

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// Buses on which a hypervisor has disks.
const (
	VirtIO = "virtio" // vda, serial cut to 20 characters in sysfs
	SCSI   = "scsi"   // sda on a virtio-scsi adapter, serial in page 0x80
	UBD    = "ubd"    // ubda of user-mode Linux, whole serial in sysfs
	NVMe   = "nvme"   // nvme0n1, serial of the controller
)

// Hypervisor plugs disks into the pretend host while it runs, as Nova's does.
type Hypervisor struct {
	m     *Machine
	disks []*GuestDisk
	count int
	scans []string
}

// Plug says how a disk appears.
type Plug struct {
	Bus    string
	Serial string   // what the hypervisor was told; the bus may cut it
	WWID   string   // SCSI only; "" has none
	Links  []string // of udev, below /dev/disk/by-id
	Silent bool     // SCSI only: the guest is not told and has to scan
}

// GuestDisk is one disk that was plugged.
type GuestDisk struct {
	h      *Hypervisor
	plug   Plug
	disk   *Disk
	name   string
	unit   int
	loop   host.Loop
	number host.Number
	shown  bool
}

// Hypervisor gives the pretend host an adapter for SCSI disks and somebody who
// plugs disks into all buses.
func (m *Machine) Hypervisor() *Hypervisor {
	h := &Hypervisor{m: m}
	m.sys.file("/class/scsi_host/host90/proc_name", "virtio_scsi")
	m.sys.action("/class/scsi_host/host90/scan", h.scan)
	m.t.Cleanup(func() {
		for len(h.disks) > 0 {
			h.disks[0].Unplug()
		}
	})
	return h
}

// Plug gives the host a disk.
func (h *Hypervisor) Plug(disk *Disk, p Plug) *GuestDisk {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	d := &GuestDisk{h: h, plug: p, disk: disk, unit: h.count}
	h.count++
	h.disks = append(h.disks, d)
	if !p.Silent {
		d.appear()
	}
	return d
}

// Scans lists what was written to the adapter's scan file.
func (h *Hypervisor) Scans() []string {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return slices.Clone(h.scans)
}

// scan shows the SCSI disks that the guest does not know.
func (h *Hypervisor) scan(text string) unix.Errno {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	h.scans = append(h.scans, strings.TrimSpace(text))
	for _, d := range h.disks {
		if d.plug.Bus == SCSI && !d.shown {
			d.appear()
		}
	}
	return 0
}

// Name is what the guest calls the disk.
func (d *GuestDisk) Name() string { return d.name }

// base is the directory of what the disk is on; block the disk's own.
func (d *GuestDisk) base() string {
	switch d.plug.Bus {
	case SCSI:
		return "/devices/pci0/host90/target90:0:0/" + d.hctl()
	case NVMe:
		return fmt.Sprintf("/devices/pci0/nvme/nvme%d", d.unit)
	case UBD:
		return fmt.Sprintf("/devices/platform/uml-blkdev.%d", d.unit)
	}
	return fmt.Sprintf("/devices/pci0/virtio%d", d.unit)
}

func (d *GuestDisk) hctl() string { return fmt.Sprintf("90:0:0:%d", d.unit) }

func (d *GuestDisk) block() string {
	if d.plug.Bus == NVMe {
		return d.base() + "/" + d.name
	}
	return d.base() + "/block/" + d.name
}

func (d *GuestDisk) links() map[string]string {
	all := map[string]string{
		"/block/" + d.name:                d.block(),
		"/class/block/" + d.name:          d.block(),
		"/dev/block/" + d.number.String(): d.block(),
		d.block() + "/device":             d.base(),
	}
	switch d.plug.Bus {
	case SCSI:
		all["/class/scsi_device/"+d.hctl()] = d.base() + "/scsi_device/" + d.hctl()
		all[d.base()+"/scsi_device/"+d.hctl()+"/device"] = d.base()
		all[d.base()+"/subsystem"] = "/bus/scsi"
	case NVMe:
		all[d.base()+"/subsystem"] = "/class/nvme"
	case UBD:
		all[d.base()+"/subsystem"] = "/bus/platform"
	default:
		all[d.base()+"/subsystem"] = "/bus/virtio"
	}
	return all
}

// appear is what the guest's kernel does when it is told of the disk.
func (d *GuestDisk) appear() {
	letter := string(rune('b' + d.unit))
	d.name = map[string]string{SCSI: "sd" + letter, NVMe: fmt.Sprintf("nvme%dn1", d.unit), UBD: "ubd" + letter}[d.plug.Bus]
	if d.name == "" {
		d.name = "vd" + letter
	}
	m := d.h.m
	d.shown, d.loop = true, m.attach(d.disk.Image)
	d.number = m.numberOf(d.loop)
	m.sys.files(d.block(), map[string]string{"dev": d.number.String(), "ro": "0", "removable": "0"})
	m.sys.dir(d.block() + "/holders")
	d.identify()
	d.setSize()
	for link, to := range d.links() {
		m.sys.link(link, to)
	}
	m.node(d.name, d.number)
	for _, link := range d.plug.Links {
		m.symlink("../../"+d.name, "disk/by-id/"+link)
	}
}

// identify shows what the disk says of itself, where its bus has it.
func (d *GuestDisk) identify() {
	sys, serial := d.h.m.sys, d.plug.Serial
	cut := serial[:min(20, len(serial))]
	switch d.plug.Bus {
	case SCSI:
		sys.files(d.base(), map[string]string{"vendor": "QEMU    ", "model": "QEMU HARDDISK   ", "type": "0", "state": "running"})
		if serial != "" {
			sys.bytes(d.base()+"/vpd_pg80", string([]byte{0, 0x80, 0, byte(len(serial))})+serial)
		}
		if d.plug.WWID != "" {
			sys.file(d.base()+"/wwid", d.plug.WWID)
		}
		sys.action(d.base()+"/delete", func(string) unix.Errno { return d.act(d.vanish) })
		sys.action(d.base()+"/rescan", func(string) unix.Errno { return d.act(d.look) })
	case NVMe:
		sys.file(d.base()+"/serial", fmt.Sprintf("%-20s", cut))
	case UBD:
		sys.file(d.block()+"/serial", serial)
	default:
		sys.file(d.block()+"/serial", cut)
	}
}

func (d *GuestDisk) act(what func()) unix.Errno {
	d.h.m.mu.Lock()
	defer d.h.m.mu.Unlock()
	if d.shown {
		what()
	}
	return 0
}

func (d *GuestDisk) setSize() {
	size, err := d.h.m.real.DeviceSize(d.loop.Device)
	d.h.m.check(err)
	d.h.m.sys.file(d.block()+"/size", strconv.FormatInt(size/512, 10))
}

// look asks the disk how large it is.
func (d *GuestDisk) look() {
	d.h.m.resize(d.loop)
	d.setSize()
}

// Grow gives the disk another size. A SCSI guest has to ask for it, the others
// are told.
func (d *GuestDisk) Grow(size int64) {
	d.h.m.mu.Lock()
	defer d.h.m.mu.Unlock()
	d.h.m.check(d.disk.Grow(size))
	if d.plug.Bus != SCSI {
		d.look()
	}
}

// vanish takes the disk out of the guest's kernel; the hypervisor still has it.
func (d *GuestDisk) vanish() {
	m := d.h.m
	d.shown = false
	m.unlink(d.name)
	for _, link := range d.plug.Links {
		m.unlink("disk/by-id/" + link)
	}
	for link := range d.links() {
		m.sys.remove(link)
	}
	m.sys.remove(d.base())
	m.clear(d.loop)
}

// Unplug takes the disk away, used or not.
func (d *GuestDisk) Unplug() {
	d.h.m.mu.Lock()
	defer d.h.m.mu.Unlock()
	if d.shown {
		d.vanish()
	}
	d.h.disks = slices.DeleteFunc(d.h.disks, func(o *GuestDisk) bool { return o == d })
}
