package docker

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// staleSocket leaves a socket file at path that nobody answers on.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func mode(t *testing.T, path string) (os.FileMode, uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return os.FileMode(st.Mode & 0o777), st.Gid
}

func TestListenMakesAPrivateSocket(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	path := filepath.Join(t.TempDir(), "plugins", "fuxi.sock")
	l, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := mode(t, path); m != 0o600 {
		t.Errorf("mode %o", m)
	}
	if m, _ := mode(t, filepath.Dir(path)); m != 0o700 {
		t.Errorf("mode %o of the directory", m)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can give a socket to a group")
	}
	l, err = Listen(path, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if m, gid := mode(t, path); m != 0o660 || gid != 4711 {
		t.Errorf("mode %o, group %d", m, gid)
	}
}

// E2: a stale socket costs Docker 15 s for each listing.
func TestListenTakesOverAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.sock")
	staleSocket(t, path)
	l, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen(path, 0)
	if err == nil || !strings.Contains(err.Error(), "another fuxi answers on "+path+" (pid "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("second start: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListenRemovesNothingButSockets(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	staleSocket(t, filepath.Join(dir, "elsewhere"))
	if err := os.Symlink("elsewhere", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir} {
		if _, err := Listen(path, 0); err == nil || !strings.Contains(err.Error(), path+" is there and is not a socket") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"fuxi.sock", "/" + strings.Repeat("x", 107)} {
		if _, err := Listen(path, 0); err == nil || !strings.Contains(err.Error(), "must be absolute") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.sock")
	ours, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	theirs, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
}

// Of many that start at once on a stale socket exactly one gets it, and keeps it.
func TestManyStarters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.sock")
	for range 20 {
		staleSocket(t, path)
		var wg sync.WaitGroup
		got := make(chan net.Listener, 8)
		for range cap(got) {
			wg.Go(func() {
				l, err := Listen(path, 0)
				if err == nil {
					got <- l
				} else if !strings.Contains(err.Error(), "another fuxi answers") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(got)
		if len(got) != 1 {
			t.Fatalf("%d starters got the socket", len(got))
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		(<-got).Close()
	}
}

// TestActivation runs itself as the child that systemd would start.
func TestActivation(t *testing.T) {
	if path := os.Getenv("FUXI_TEST_ACTIVATED"); path != "" {
		activatedChild(t, path)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "fuxi.sock")
	bound, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	fd, err := bound.File()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	other := filepath.Join(dir, "other.sock")
	link := filepath.Join(dir, "run")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{path, "SERVED"},
		{filepath.Join(link, "fuxi.sock"), "SERVED"},
		{other, "no socket for " + other + " but " + path},
	} {
		// The shell knows the child's pid before the child starts; so must LISTEN_PID.
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run=^TestActivation$ -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "FUXI_TEST_ACTIVATED="+tc.path, "LISTEN_FDS=1")
		cmd.ExtraFiles = []*os.File{fd}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v\n%s", tc.path, err, out)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Fatalf("systemd's socket was removed: %v", err)
		}
	}
}

func activatedChild(t *testing.T, path string) {
	l, err := Listen(path, 0)
	if err != nil {
		t.Log(err)
		return
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("a child of this process would believe the socket is its own")
	}
	served := make(chan error, 1)
	go func() { served <- New(&fake{}, Options{}).Serve(t.Context(), l) }()
	if _, reply, err := post(client(path), "VolumeDriver.Capabilities", ""); err != nil || !strings.Contains(reply, "global") {
		t.Error(reply, err)
	}
	l.Close()
	<-served
	t.Log("SERVED")
}
