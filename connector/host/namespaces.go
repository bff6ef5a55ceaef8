package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Holder is one process that stands for a foreign mount namespace: the one with
// the lowest pid in it.
type Holder struct {
	PID    int
	Comm   string
	Mounts []Mount // the mounts that were asked for, as that process sees them
}

// String returns "dockerd[812]".
func (h Holder) String() string { return fmt.Sprintf("%s[%d]", h.Comm, h.PID) }

// Elsewhere lists the other mount namespaces of this machine that have a mount
// match says yes to. A container started while a volume was mounted, or a
// service with its own namespace, keeps a copy of that mount after it was
// unmounted here, and with it the device. Processes that end meanwhile are
// passed over. Reading only: a few microseconds for each process.
func (h *Host) Elsewhere(ctx context.Context, match func(Mount) bool) ([]Holder, error) {
	pids, err := h.pids()
	if err != nil {
		return nil, err
	}
	own, err := h.namespaceOf("self")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{own: true}
	var holders []Holder
	for _, pid := range pids {
		if ctx.Err() != nil {
			return holders, context.Cause(ctx)
		}
		ns, err := h.namespaceOf(strconv.Itoa(pid))
		if err != nil || seen[ns] {
			continue
		}
		mounts, err := h.mountsOf(strconv.Itoa(pid))
		if err != nil {
			continue // ended, or a zombie: another process of its namespace will do
		}
		seen[ns] = true
		mounts = slices.DeleteFunc(mounts, func(m Mount) bool { return !match(m) })
		if len(mounts) > 0 {
			holders = append(holders, Holder{PID: pid, Comm: h.comm(pid), Mounts: mounts})
		}
	}
	return holders, nil
}

// pids lists the processes of the machine in ascending order.
func (h *Host) pids() ([]int, error) {
	dir, err := os.Open(h.Path("proc"))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// namespaceOf returns the identity of a process's mount namespace, "mnt:[4026531841]".
func (h *Host) namespaceOf(pid string) (string, error) {
	return os.Readlink(h.Path("proc", pid, "ns", "mnt"))
}

// comm returns the kernel's short name of a process, "" when it ended.
func (h *Host) comm(pid int) string {
	name, _ := os.ReadFile(h.Path("proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(name))
}
