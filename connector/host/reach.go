package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrNotReached says that a mount made here is not seen by the Docker daemon.
var ErrNotReached = errors.New("mount does not reach the Docker daemon")

// dockers remembers the Docker daemons found last, so that a mount need not look
// at every process.
type dockers struct {
	mu   sync.Mutex
	pids []int
}

// MountReaches proves that the Docker daemon sees a mount that was made here.
// Without that a container gets the empty directory below and writes to the
// root disk.
//
// It refuses only on positive proof. A process in PID 1's namespace is where
// everybody expects mounts to be made, and is believed; a dockerd elsewhere is
// somebody's experiment. In a namespace of its own fuxi is refused when a dockerd
// is running, none shares that namespace, and none shows the mount in its own
// table (a propagated mount, as of a managed plugin, does show). Without any
// dockerd only a process that systemd itself started is refused: anybody may run
// fuxi in a namespace of his own making.
func (h *Host) MountReaches(m Mount) error {
	own, err := h.namespaceOf("self")
	if err != nil {
		return err
	}
	if h.sees(1, own, m) {
		return nil
	}
	pids := h.dockerds()
	for _, pid := range pids {
		if h.sees(pid, own, m) {
			return nil
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("%w: dockerd (pid %d) has another mount namespace and %s does not appear there: %s",
			ErrNotReached, pids[0], m.Point, h.unitAdvice())
	}
	if !h.isService() {
		return nil
	}
	return fmt.Errorf("%w: this service has a mount namespace of its own and %s does not appear in that of PID 1: %s",
		ErrNotReached, m.Point, h.unitAdvice())
}

// isService tells whether systemd itself started this process: it is PID 1's
// child and knows the id of its start.
func (h *Host) isService() bool {
	_, rest, _ := strings.Cut(h.readWord("/proc/self/stat"), ") ")
	fields := strings.Fields(rest)
	return len(fields) > 1 && fields[1] == "1" && h.comm(1) == "systemd" && os.Getenv("INVOCATION_ID") != ""
}

// sees tells whether a process shares our namespace or shows the mount. Who
// cannot be read is given the benefit of the doubt.
func (h *Host) sees(pid int, own string, m Mount) bool {
	ns, err := h.namespaceOf(strconv.Itoa(pid))
	if err != nil || ns == own {
		return true
	}
	mounts, err := h.mountsOf(strconv.Itoa(pid))
	return err != nil || slices.ContainsFunc(mounts, func(o Mount) bool { return o.Dev == m.Dev && o.Root == m.Root })
}

// dockerds returns the pids of the running Docker daemons. Known ones are asked
// again by name; only when one is gone are all processes read anew.
func (h *Host) dockerds() []int {
	h.dockers.mu.Lock()
	defer h.dockers.mu.Unlock()
	isDocker := func(pid int) bool { return h.comm(pid) == "dockerd" }
	known := h.dockers.pids
	if len(known) > 0 && !slices.ContainsFunc(known, func(pid int) bool { return !isDocker(pid) }) {
		return known
	}
	pids, _ := h.pids()
	h.dockers.pids = slices.DeleteFunc(pids, func(pid int) bool { return !isDocker(pid) })
	return h.dockers.pids
}

// unitAdvice names the unit settings that gave this process its own mount
// namespace, by the traces they leave in its mount table.
func (h *Host) unitAdvice() string {
	signs := []struct {
		setting string
		left    func(Mount) bool
	}{
		{"PrivateTmp=", func(m Mount) bool { return strings.Contains(m.Root, "systemd-private-") }},
		{"ProtectSystem=", func(m Mount) bool { return m.Point == "/usr" && hasOption(m.Options, "ro") }},
		{"ProtectHome=", func(m Mount) bool { return m.Point == "/home" && strings.Contains(m.Root, "inaccessible") }},
		{"PrivateDevices=", func(m Mount) bool { return m.Point == "/dev" && m.FSType == "tmpfs" }},
		{"ProtectKernelTunables=", func(m Mount) bool { return m.Point == "/proc/sys" && hasOption(m.Options, "ro") }},
		{"ProtectKernelModules=", func(m Mount) bool { return strings.HasSuffix(m.Point, "/lib/modules") }},
		{"ProtectControlGroups=", func(m Mount) bool { return m.Point == "/sys/fs/cgroup" && hasOption(m.Options, "ro") }},
	}
	var found []string
	mounts, _ := h.Mounts()
	for _, s := range signs {
		if slices.ContainsFunc(mounts, s.left) {
			found = append(found, s.setting)
		}
	}
	if len(found) == 0 {
		return "remove PrivateMounts=, PrivateTmp=, PrivateDevices=, ProtectSystem=, ProtectHome=, ProtectKernel*= and ReadWritePaths= from the unit of fuxi and restart it"
	}
	return "remove " + strings.Join(found, ", ") + " from the unit of fuxi and restart it"
}
