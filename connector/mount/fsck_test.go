package mount_test

import (
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// G5: the kernel would mount this, and go on spoiling it: what fsck could not
// repair is refused by fsck's word, not only when mount(2) notices.
func TestDamageThatWouldMountIsRefused_G5(t *testing.T) {
	hosttest.NeedTools(t, "debugfs")
	r := newRig(t)
	r.format("ext4")
	r.mount()
	r.unmount()
	hosttest.Tool(t, "debugfs", "-w", "-R", "sif <11> mode 0", r.src.Device)
	hosttest.Tool(t, "debugfs", "-w", "-R", "ssv state 2", r.src.Device)
	r.refused(connector.ErrUnsafe)
}
