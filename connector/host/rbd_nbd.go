package host

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// NBDMark is the variable in the environment of an rbd-nbd process that says who
// started it, and for what.
const NBDMark = "FUXI_RBD"

// NBDDevice is a network block device that an rbd-nbd process serves, whoever
// started it.
type NBDDevice struct {
	Name     string // of the block device, "nbd0"
	PID      int
	Args     []string // of the process
	Mark     string   // NBDMark's value; "" when somebody else started it
	ReadOnly bool
}

// Device returns the node, "/dev/nbd0".
func (d NBDDevice) Device() string { return "/dev/" + d.Name }

// RBDOverNBD lists the devices that rbd-nbd processes serve. The kernel says
// which process has which device, and the process's own words say the rest.
func (h *Host) RBDOverNBD() ([]NBDDevice, error) {
	entries, err := os.ReadDir(h.Path("/sys/block"))
	if err != nil {
		return nil, err
	}
	var devices []NBDDevice
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "nbd") {
			continue
		}
		pid, err := strconv.Atoi(h.readWord(filepath.Join("/sys/block", e.Name(), "pid")))
		if err != nil {
			continue // nobody serves it
		}
		args, err := h.processWords(pid, "cmdline")
		if errors.Is(err, os.ErrNotExist) || err == nil && filepath.Base(args[0]) != "rbd-nbd" {
			continue
		}
		environment, failed := h.processWords(pid, "environ")
		if err := errors.Join(err, failed); err != nil {
			return nil, err
		}
		d := NBDDevice{Name: e.Name(), PID: pid, Args: args, ReadOnly: h.readWord(filepath.Join("/sys/block", e.Name(), "ro")) == "1"}
		for _, setting := range environment {
			if value, found := strings.CutPrefix(setting, NBDMark+"="); found {
				d.Mark = value
			}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// processWords reads what the kernel keeps of a process as words that end with a
// zero byte; there is always at least one, which may be empty.
func (h *Host) processWords(pid int, file string) ([]string, error) {
	content, err := os.ReadFile(h.Path("/proc", strconv.Itoa(pid), file))
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00"), err
}
