package pretend

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// device is one SCSI disk of the pretend host: one path to one LUN.
type device struct {
	m       *Machine
	session *session
	lun     int
	name    string // sda
	disk    *Disk  // what it reaches
	loop    host.Loop
	number  host.Number
	map_    *dmMap
	claim   int // descriptor that keeps it busy below a map, -1
}

func (d *device) hctl() string { return fmt.Sprintf("%d:0:0:%d", d.session.host, d.lun) }

// base is the directory of the SCSI device.
func (d *device) base() string {
	return fmt.Sprintf("%s/%s/target%d:0:0/%s", d.session.base(), d.session.name(), d.session.host, d.hctl())
}

// block is the directory of the disk.
func (d *device) block() string { return d.base() + "/block/" + d.name }

// links returns where else sysfs shows the device, and what each leads to.
func (d *device) links() map[string]string {
	return map[string]string{
		"/block/" + d.name:                                d.block(),
		"/class/block/" + d.name:                          d.block(),
		"/dev/block/" + d.number.String():                 d.block(),
		"/bus/scsi/devices/" + d.hctl():                   d.base(),
		"/bus/scsi/drivers/sd/" + d.hctl():                d.base(),
		"/class/scsi_device/" + d.hctl():                  d.base() + "/scsi_device/" + d.hctl(),
		"/class/scsi_disk/" + d.hctl():                    d.base() + "/scsi_disk/" + d.hctl(),
		d.base() + "/scsi_device/" + d.hctl() + "/device": d.base(),
		d.base() + "/scsi_disk/" + d.hctl() + "/device":   d.base(),
		d.base() + "/subsystem":                           "/bus/scsi",
		d.base() + "/driver":                              "/bus/scsi/drivers/sd",
		d.block() + "/device":                             d.base(),
		d.block() + "/subsystem":                          "/class/block",
	}
}

// addDevice is what the kernel does when it found a LUN.
func (m *Machine) addDevice(s *session, lun int, disk *Disk) {
	d := &device{m: m, session: s, lun: lun, name: m.freeName(), disk: disk, claim: -1}
	d.loop = m.attach(disk.Image)
	d.number = m.numberOf(d.loop)
	m.devices = append(m.devices, d)
	m.sys.files(d.base(), map[string]string{"vendor": "LIO-ORG ", "model": "IBLOCK          ", "rev": "4.0 ", "type": "0", "state": "running"})
	d.inquire()
	m.sys.action(d.base()+"/delete", d.delete)
	m.sys.action(d.base()+"/rescan", d.rescan)
	m.sys.put(d.base()+"/state", &entry{mode: unix.S_IFREG | 0o644, content: "running\n", write: d.writeState})
	m.sys.files(d.block(), map[string]string{"dev": d.number.String(), "ro": "0", "removable": "0", "range": "16"})
	m.sys.dir(d.block() + "/holders")
	m.sys.dir(d.block() + "/slaves")
	m.sys.file(d.block()+"/queue/logical_block_size", "512")
	d.setSize()
	m.node(d.name, d.number)
	for link, to := range d.links() {
		m.sys.link(link, to)
	}
	m.symlink("../../"+d.name, d.byPath())
	m.daemon.uevent("add", d)
}

func (d *device) byPath() string {
	return fmt.Sprintf("disk/by-path/ip-%s-iscsi-%s-lun-%d", d.session.portal, d.session.target.IQN, d.lun)
}

// freeName returns the first unused name, as the sd driver does.
func (m *Machine) freeName() string {
	for i := 0; ; i++ {
		name := "sd" + string(rune('a'+i%26))
		if i >= 26 {
			name = "sd" + string(rune('a'+i/26-1)) + string(rune('a'+i%26))
		}
		if !slices.ContainsFunc(m.devices, func(d *device) bool { return d.name == name }) {
			return name
		}
	}
}

// inquire reads what the LUN says of itself now.
func (d *device) inquire() {
	d.m.sys.file(d.base()+"/wwid", "naa."+d.disk.WWID)
	wwid, _ := hex.DecodeString(d.disk.WWID)
	pg83 := append([]byte{1, 3, 0, byte(len(wwid))}, wwid...)
	d.m.sys.bytes(d.base()+"/vpd_pg83", string(append([]byte{0, 0x83, 0, byte(len(pg83))}, pg83...)))
	d.m.sys.bytes(d.base()+"/vpd_pg80", string([]byte{0, 0x80, 0, byte(len(d.disk.Serial) + 1)})+d.disk.Serial+"\x00")
}

// wwid is what sysfs says.
func (d *device) wwid() string {
	text := strings.TrimSpace(d.m.sys.content(d.m.sys.at(d.base() + "/wwid")))
	return "3" + strings.TrimPrefix(text, "naa.")
}

// setSize shows the capacity the loop device has.
func (d *device) setSize() {
	size, err := d.m.real.DeviceSize(d.loop.Device)
	d.m.check(err)
	d.m.sys.file(d.block()+"/size", strconv.FormatInt(size/512, 10))
}

// rescan acts on a write to the rescan file: who are you, and how large?
func (d *device) rescan(string) unix.Errno {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.gone() || d.state() != "running" || d.disk == nil {
		return 0 // the kernel asks in vain and keeps what it knew
	}
	d.inquire()
	d.m.resize(d.loop)
	d.setSize()
	d.m.daemon.uevent("change", d)
	return 0
}

// reach lets the device read and write another disk, as far as nobody has it
// open; nil is none.
func (d *device) reach(disk *Disk) {
	if disk == d.disk {
		return
	}
	d.disk = disk
	if disk == nil {
		return
	}
	f, err := os.OpenFile(disk.Image, os.O_RDWR, 0)
	d.m.check(err)
	defer f.Close()
	d.loop = d.m.swap(d.loop, f)
}

func (d *device) delete(string) unix.Errno {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if hang := d.m.faults.HangDelete; hang != nil {
		d.m.mu.Unlock()
		<-hang
		d.m.mu.Lock()
	}
	if !d.gone() {
		d.m.removeDevice(d)
	}
	return 0
}

func (d *device) writeState(text string) unix.Errno {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	text = strings.TrimSpace(text)
	if text != "running" && text != "offline" {
		return unix.EINVAL
	}
	d.setState(text)
	return 0
}

func (d *device) state() string {
	if e := d.m.sys.at(d.base() + "/state"); e != nil {
		return strings.TrimSpace(d.m.sys.content(e))
	}
	return "deleted"
}

func (d *device) setState(state string) {
	d.m.sys.mu.Lock()
	defer d.m.sys.mu.Unlock()
	if e := d.m.sys.walk(d.base() + "/state"); e != nil {
		e.content = state + "\n"
	}
}

func (d *device) gone() bool { return !slices.Contains(d.m.devices, d) }

// removeDevice takes a disk away, in use or not: who has it open keeps a loop
// device that goes at the last close.
func (m *Machine) removeDevice(d *device) {
	m.devices = slices.DeleteFunc(m.devices, func(o *device) bool { return o == d })
	m.unlink(d.name)
	m.unlink(d.byPath())
	for link := range d.links() {
		m.sys.remove(link)
	}
	m.sys.remove(fmt.Sprintf("%s/%s/target%d:0:0/%s", d.session.base(), d.session.name(), d.session.host, d.hctl()))
	if !slices.ContainsFunc(m.devices, func(o *device) bool { return o.session == d.session }) {
		m.sys.remove(fmt.Sprintf("%s/%s/target%d:0:0", d.session.base(), d.session.name(), d.session.host))
	}
	d.unclaim()
	m.clear(d.loop)
	m.daemon.uevent("remove", d)
}

// claimIt keeps the device busy, as a map on it does. False when somebody else
// has it.
func (d *device) claimIt(by *dmMap) bool {
	fd, err := unix.Open(d.loop.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	d.claim, d.map_ = fd, by
	return true
}

func (d *device) unclaim() {
	if d.claim >= 0 {
		unix.Close(d.claim)
	}
	d.claim, d.map_ = -1, nil
}
