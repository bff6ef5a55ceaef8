package host_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// TestDatabaseLockOfAKilledCommand_D1: iscsiadm leaves its lock behind when it is
// killed; one that runs keeps its own.
func TestDatabaseLockOfAKilledCommand_D1(t *testing.T) {
	h := host.New()
	h.Root = t.TempDir()
	lock := h.Path("/run/lock/iscsi/lock.write")
	comm := h.Path("/proc/4711/comm")
	for _, dir := range []string{filepath.Dir(lock), filepath.Dir(comm)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if freed, err := h.FreeISCSIDatabase(); freed || err != nil {
		t.Errorf("no lock: %v, %v", freed, err)
	}
	write(lock, "")
	write(comm, "iscsiadm\n")
	time.Sleep(400 * time.Millisecond)
	if freed, err := h.FreeISCSIDatabase(); freed || err != nil {
		t.Errorf("iscsiadm runs: %v, %v", freed, err)
	}
	write(comm, "iscsid\n")
	if freed, err := h.FreeISCSIDatabase(); !freed || err != nil {
		t.Errorf("iscsiadm is gone: %v, %v", freed, err)
	}
	if _, err := os.Lstat(lock); !os.IsNotExist(err) {
		t.Errorf("the lock is there: %v", err)
	}
}
