package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// RescanBuses has the SCSI adapters of the (virtual) machine itself look for new
// disks, for hypervisors that do not tell the guest. Adapters of networks are
// left out: a scan there would bring in whatever else their targets export. It
// is no wildcard over all addresses, which takes seconds on an adapter with 256
// targets: virtio-scsi has its disks as units of target 0, all others as unit 0
// of a target.
func (h *Host) RescanBuses(ctx context.Context) error {
	names, err := h.namesIn("/sys/class/scsi_host")
	if err := unlessGone(err, "list the SCSI adapters"); err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		if h.isNetworked(name) {
			continue
		}
		where := "0 - 0"
		if h.readWord("/sys/class/scsi_host/"+name+"/proc_name") == "virtio_scsi" {
			where = "0 0 -"
		}
		failed = append(failed, h.writeSys(ctx, fmt.Sprintf("/sys/class/scsi_host/%s/scan", name), where))
	}
	return errors.Join(failed...)
}

// isNetworked tells whether a SCSI adapter reaches targets over a network.
func (h *Host) isNetworked(adapter string) bool {
	for _, class := range []string{"iscsi_host", "fc_host", "srp_host"} {
		names, err := h.namesIn("/sys/class/" + class)
		for _, name := range names {
			if name == adapter {
				return true
			}
		}
		if unlessGone(err, class) != nil {
			return true // not known: better no disk than somebody else's
		}
	}
	return strings.Contains(h.readWord("/sys/class/scsi_host/"+adapter+"/proc_name"), "iscsi")
}
