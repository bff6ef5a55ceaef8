package nova

import "github.com/openstack/fuxi/connector/host"

// Room is how many disks this virtual machine can have and has.
type Room struct {
	Bus   string // the bus that new disks come on, in the kernel's words; "" when it is not known
	Slots int    // disks the bus can have; 0 when it is not known
	Used  int    // disks on it now, the machine's own included
}

// Limit tells how much room this machine has for volumes, by the bus that its
// disks are on: Nova puts volumes where the image's own disk is
// (hw_disk_bus). Each virtio disk takes a PCI slot, of which a libvirt machine
// has about 26 to give; a virtio-scsi adapter has 256 units, user-mode Linux 16
// disks. It is what can be learned from inside: the cloud may allow less
// (max_disk_devices_to_attach).
func Limit(h *host.Host) (Room, error) {
	drives, err := h.Drives()
	if err != nil {
		return Room{}, err
	}
	count := map[string]int{}
	var room Room
	for _, d := range drives {
		if slots(d.Bus) == 0 {
			continue
		}
		count[d.Bus]++
		if room.Bus == "" || count[d.Bus] > count[room.Bus] {
			room.Bus = d.Bus
		}
	}
	room.Slots, room.Used = slots(room.Bus), count[room.Bus]
	return room, nil
}

func slots(bus string) int {
	return map[string]int{"virtio": 26, "sd": 256, "ubd": 16, "xvd": 26}[bus]
}
