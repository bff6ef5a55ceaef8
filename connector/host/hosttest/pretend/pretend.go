// Package pretend is a host that has no disks and no network: a sysfs, an
// iscsid, a multipathd and the arrays they reach, all of them inside the test
// process, so that what a lab cannot show on demand (a LUN that is another disk
// since a moment ago, a uevent that comes late, a logout that hangs) happens
// when a test says so.
//
// Its sysfs is a file system of its own (FUSE): a write to scan, delete or
// rescan has acted when it returns. Its disks are loop devices over sparse
// files, below names of their own: exclusive opens, sizes and flushes are those
// of the real kernel. What its commands say, and what its directories hold, was
// recorded on a real host (testdata) and is compared with it by tests.
//
// Not like a real host: a map reads and writes the file below its first path
// and not through the paths; a path that is open when its LUN becomes another
// disk keeps the bytes of the old one.
package pretend

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// Initiator is the name a pretend host logs in with, Address where it lives.
const (
	Initiator = "iqn.2024-01.org.example:pretend"
	Address   = "192.0.2.13"
)

// Machine is one pretend host and the world it can reach.
type Machine struct {
	// Host is how fuxi sees it: a root directory and a Runner.
	Host *host.Host

	t    testing.TB
	real *host.Host // where the loop devices live

	mu       sync.Mutex // guards all below
	faults   Faults
	sys      *tree
	targets  []*Target
	sessions []*session
	devices  []*device
	maps     []*dmMap
	daemon   *daemon
	rbd      *RBD // nil as long as its module is not loaded
	lastSID  int
	lastHost int
	disks    int
	scanned  []string
	commands []string
	held     sync.WaitGroup // work of the kernel that goes on beside
}

// New starts a pretend host that ends with the test. It needs root, loop devices
// and FUSE, and skips loudly without.
func New(t testing.TB) *Machine {
	t.Helper()
	hosttest.NeedRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		hosttest.Skip(t, "needs FUSE: "+err.Error())
	}
	root, err := os.MkdirTemp(os.Getenv("TMPDIR"), "pretend-")
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{t: t, real: host.New(), Host: host.New(), sys: newTree()}
	m.Host.Root, m.Host.Runner = root, runner{m}
	m.furnish()
	m.sys.file("/poll", "")
	server, err := serve(m.sys, m.Host.Path("sys"))
	if err != nil {
		hosttest.Skip(t, "needs FUSE: "+err.Error())
	}
	m.sys.remove("/poll")
	// A process that is killed while it waits for its own server dies only when
	// somebody else ends that.
	alive := hosttest.AtDeath(t, "umount -f "+m.Host.Path("sys"))
	m.daemon = startDaemon(m)
	t.Cleanup(func() {
		m.end()
		if err := server.close(m.Host.Path("sys")); err != nil {
			t.Error(err)
		}
		alive()
		os.RemoveAll(root)
	})
	return m
}

// furnish makes the directories and files that every host has.
func (m *Machine) furnish() {
	for _, dir := range []string{"sys", "dev/mapper", "dev/disk/by-path", "dev/disk/by-id", "proc", "tmp", "run/lock/iscsi",
		"etc/iscsi", "etc/multipath", "var/lib/iscsi/nodes", "var/lib/iscsi/ifaces"} {
		m.check(os.MkdirAll(m.Host.Path(dir), 0o755))
	}
	m.check(os.WriteFile(m.Host.Path("etc/iscsi/initiatorname.iscsi"), []byte("InitiatorName="+Initiator+"\n"), 0o600))
	m.check(os.WriteFile(m.Host.Path("etc/iscsi/iscsid.conf"), nil, 0o600))
	for _, name := range []string{"self", "swaps", "filesystems", "sys", "1", strconv.Itoa(os.Getpid())} {
		to := "/proc/" + name
		if name == "self" {
			to = "/proc/" + strconv.Itoa(os.Getpid())
		}
		m.check(os.Symlink(to, m.Host.Path("proc", name)))
	}
	for _, dir := range []string{"/block", "/class/block", "/class/scsi_device", "/class/scsi_disk", "/class/scsi_host", "/class/iscsi_host",
		"/class/iscsi_session", "/class/iscsi_connection", "/bus/scsi/devices", "/bus/scsi/drivers/sd", "/dev/block", "/devices/platform",
		"/devices/virtual/block"} {
		m.sys.dir(dir)
	}
}

func (m *Machine) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// end takes everything away, used or not.
func (m *Machine) end() {
	m.daemon.stop()
	m.mu.Lock()
	for len(m.maps) > 0 {
		m.dropMap(m.maps[0])
	}
	for len(m.sessions) > 0 {
		m.removeSession(m.sessions[0])
	}
	m.mu.Unlock()
	m.held.Wait()
}

// Set changes the faults from now on.
func (m *Machine) Set(change func(f *Faults)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.faults)
	m.daemon.settle(m.faults.MultipathdDown)
}

// Leftovers lists the sessions, disks, maps, known WWIDs, node records, locks
// and device nodes there are.
func (m *Machine) Leftovers() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var left []string
	for _, s := range m.sessions {
		left = append(left, "session "+strconv.Itoa(s.sid)+" to "+s.target.IQN+" at "+s.portal)
	}
	for _, p := range m.devices {
		left = append(left, "disk "+p.name+" at "+p.hctl())
	}
	for _, d := range m.maps {
		left = append(left, "map "+d.name+" ("+d.node()+")")
	}
	for _, wwid := range m.daemon.wwids() {
		left = append(left, "WWID "+wwid+" in /etc/multipath/wwids")
	}
	for _, pattern := range []string{"run/fuxi/*.lock", "var/lib/iscsi/.*", "etc/iscsi/.*", "dev/sd*", "dev/dm-*"} {
		found, _ := filepath.Glob(m.Host.Path(pattern))
		for _, file := range found {
			left = append(left, "file "+strings.TrimPrefix(file, m.Host.Root))
		}
	}
	for _, file := range m.records() {
		left = append(left, "node record "+strings.TrimPrefix(file, m.Host.Root))
	}
	return left
}

// Command runs one command on the pretend host, for tests that play its admin.
// Its words are split at spaces.
func (m *Machine) Command(ctx context.Context, words string) (host.Result, error) {
	fields := strings.Fields(words)
	return m.Host.Run(ctx, host.Command{Name: fields[0], Args: fields[1:]})
}

// later runs what the kernel does after a while, under its lock.
func (m *Machine) later(after time.Duration, act func()) {
	if after == 0 {
		act()
		return
	}
	m.held.Go(func() {
		time.Sleep(after)
		m.mu.Lock()
		defer m.mu.Unlock()
		act()
	})
}

// node makes a device node below the pretend /dev.
func (m *Machine) node(name string, n host.Number) {
	m.check(unix.Mknod(m.Host.Path("dev", name), unix.S_IFBLK|0o660, int(unix.Mkdev(n.Major, n.Minor))))
}

func (m *Machine) symlink(to, name string) {
	_ = os.Remove(m.Host.Path("dev", name))
	_ = os.Symlink(to, m.Host.Path("dev", name))
}

func (m *Machine) unlink(name string) { _ = os.Remove(filepath.Join(m.Host.Path("dev"), name)) }
