package host

import (
	"fmt"
	"maps"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineID returns the id of this installation (machine-id(5)). Cloned images
// may share it.
func (h *Host) MachineID() (string, error) {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id := h.readWord(path); id != "" {
			return id, nil
		}
	}
	return "", fmt.Errorf("this machine has no machine-id: run systemd-machine-id-setup")
}

// BootID returns the id of this boot; it changes with each.
func (h *Host) BootID() (string, error) {
	id := h.readWord("/proc/sys/kernel/random/boot_id")
	if id == "" {
		return "", fmt.Errorf("cannot read the boot id below %s", h.Path("proc"))
	}
	return id, nil
}

// Hostname returns the kernel's host name.
func (h *Host) Hostname() (string, error) {
	if name := h.readWord("/proc/sys/kernel/hostname"); name != "" {
		return name, nil
	}
	return os.Hostname()
}

// DefaultIP returns the address this machine uses towards the world: the source
// address of its default route, else the first global address of any interface.
// Nothing is sent.
func (h *Host) DefaultIP() (string, error) {
	// In this order, so that a host with both has the same address each time.
	for _, documentation := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		if conn, err := net.Dial("udp", documentation); err == nil {
			defer conn.Close()
			if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok && addr.IP.IsGlobalUnicast() {
				return addr.IP.String(), nil
			}
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return ip.IP.String(), nil
		}
	}
	return "", fmt.Errorf("no interface has an address: set [host] ip")
}

// Properties returns what Cinder's connectors are told about this host: the keys
// of os-brick's connector properties, as far as this host has values for them.
// name and ip come from the configuration; the caller may add to the map.
func (h *Host) Properties(name, ip string) map[string]any {
	p := map[string]any{
		"platform": machine(), "os_type": "linux",
		"host": name, "ip": ip,
		"multipath": false, "do_local_attach": true,
	}
	optional := map[string]string{
		"initiator":   h.initiator(),
		"system uuid": h.readWord("/sys/class/dmi/id/product_uuid"),
		"nqn":         h.readWord("/etc/nvme/hostnqn"),
		"nvme_hostid": h.readWord("/etc/nvme/hostid"),
	}
	maps.DeleteFunc(optional, func(_, value string) bool { return value == "" })
	for key, value := range optional {
		p[key] = value
	}
	return p
}

// initiator returns the iSCSI name of this host, "" when it has none.
func (h *Host) initiator() string {
	file, _ := os.ReadFile(h.Path("/etc/iscsi/initiatorname.iscsi"))
	for line := range strings.Lines(string(file)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "InitiatorName="); found {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// machine returns the hardware's name, as uname -m.
func machine() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Machine[:])
}

// readWord returns the trimmed content of a small file, "" when unreadable.
func (h *Host) readWord(path string) string {
	word, _ := h.attribute(path)
	return word
}
