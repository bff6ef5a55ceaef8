package rig

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// NewProgram starts a cloud as the shipped fuxi-sim, a process of its own with
// these further arguments. It ends with the test.
func NewProgram(t T, args ...string) *Cloud {
	t.Helper()
	c := &Cloud{t: t, Dir: TempDir(t, "cloud"), addr: "127.0.0.1:0", program: append([]string{}, args...)}
	t.Cleanup(c.Stop)
	c.Start()
	return c
}

// launch runs fuxi-sim until it has printed its address.
func (c *Cloud) launch() (stop func()) {
	c.t.Helper()
	args := append([]string{"serve", "--dir", c.Dir, "--listen", c.addr}, c.program...)
	cmd := exec.Command(Binary(c.t, "fuxi-sim"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatalf("start fuxi-sim: %v", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		c.t.Fatalf("fuxi-sim did not start: %v", err)
	}
	_, addr, _ := strings.Cut(strings.TrimSpace(line), "://")
	c.addr, _, _ = strings.Cut(addr, "/")
	return stop
}

var binaries struct {
	sync.Once
	dir string
	err error
}

// Binary builds a command of this project once and returns its path.
func Binary(t T, name string) string {
	if dir := os.Getenv("FUXI_TEST_BIN"); dir != "" {
		return filepath.Join(dir, name)
	}
	t.Helper()
	binaries.Do(func() {
		binaries.dir, binaries.err = os.MkdirTemp("", "fuxi-bin-")
		if binaries.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", binaries.dir+"/", "github.com/openstack/fuxi/cmd/...")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			binaries.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	return filepath.Join(binaries.dir, name)
}

// RemoveBinaries is for TestMain, after all tests.
func RemoveBinaries() {
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
}

// NeedRoot skips a test that mounts when it is not run as root; with CI=true
// that is a failure.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root, and in CI it must not be skipped")
	}
	t.Skip("NEEDS ROOT: this test mounts; run it with sudo")
}
