//go:build e2e

package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// census prints everything that an attached volume leaves traces in, one thing
// a line, for a host that has nothing attached. The disks of the machine itself
// are no SCSI devices.
const census = `
iscsiadm -m session 2>/dev/null | sed 's/^/session: /'
iscsiadm -m node 2>/dev/null | sed 's/^/node record: /'
ls -d /sys/class/scsi_disk/* 2>/dev/null | sed 's/^/SCSI disk: /'
dmsetup ls 2>/dev/null | grep -v '^No devices' | sed 's/^/map: /'
ls -d /sys/block/rbd* /sys/bus/rbd/devices/* 2>/dev/null | sed 's/^/Ceph image: /'
ls /sys/block/nbd*/pid 2>/dev/null | sed 's/^/NBD device: /'
ls -d /sys/block/ubd* 2>/dev/null | grep -v /ubda | sed 's/^/disk of the hypervisor: /'
grep -s ' /var/lib/fuxi/' /proc/self/mountinfo | sed 's/^/mount: /'
tail -n +2 /proc/fs/nfsfs/volumes 2>/dev/null | sed 's/^/NFS mount, of whatever namespace: /'
echo "fuxi status:"
fuxi status --json`

// leftovers lists what is left on a host, by the host's own word.
func (n *node) leftovers() []string {
	out, err := n.try(census)
	if err != nil {
		return []string{err.Error()}
	}
	things, status, _ := strings.Cut("\n"+out, "\nfuxi status:\n")
	left := strings.FieldsFunc(things, func(r rune) bool { return r == '\n' })
	var now struct{ Volumes []info }
	if err := json.Unmarshal([]byte(status), &now); err != nil {
		return append(left, fmt.Sprintf("fuxi's status %q: %v", status, err))
	}
	for _, v := range now.Volumes {
		if v.Step != "" || v.Mountpoint != "" {
			left = append(left, fmt.Sprintf("fuxi: %s is at step %q, mounted at %q: %s", v.Name, v.Step, v.Mountpoint, v.LastError))
		}
	}
	return left
}

// clean waits until nothing of any volume is left on a host.
func (n *node) clean(limit time.Duration) {
	n.t.Helper()
	eventually(n.t, limit, func() string {
		if left := n.leftovers(); len(left) > 0 {
			return fmt.Sprintf("left on %s:\n%s", n.name, strings.Join(left, "\n"))
		}
		return ""
	})
}

// leavesNothing is the last check of a run.
func (c *course) leavesNothing(t *testing.T) {
	for _, name := range c.nodes {
		(&node{t: t, lab: c.lab, name: name}).clean(30 * time.Second)
	}
	left, err := c.cloud.volumes(c.id)
	if err != nil {
		t.Fatal(err)
	}
	// A client that lost its power is shut out by the kernel that takes over its
	// lock, for an hour; its host is not.
	shut, err := c.lab.run(time.Minute, "exec", "ctl", "ceph osd blocklist ls 2>/dev/null | grep -E '^cidr|:0/0 ' || true")
	if err != nil || shut != "" {
		t.Errorf("Ceph shuts out whole hosts: %v %s", err, shut)
	}
	for _, v := range left {
		rows, err := c.cloud.attachments(v)
		t.Errorf("left in the cloud: volume %s (%s), %s, with attachments and reservations %v %v", v.Name, v.ID, v.Status, rows, err)
	}
}
