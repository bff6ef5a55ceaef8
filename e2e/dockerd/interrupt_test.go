package dockerd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const hangEnv = "FUXI_TEST_HANG"

// TestInterrupted kills a test in the middle and looks for what it left.
func TestInterrupted(t *testing.T) {
	if os.Getenv(hangEnv) != "" {
		hang(t)
		return
	}
	Require(t)
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestInterrupted$")
	cmd.Env = append(os.Environ(), hangEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var dir, loop string
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "hanging "); ok {
			dir, loop, _ = strings.Cut(text, " ")
			break
		}
		t.Log(lines.Text())
	}
	if there := traces(dir, loop); dir != "" && len(there) < 6 {
		t.Errorf("too little is seen of what runs: %v", there)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if dir == "" {
		t.Fatal("the test to interrupt did not get far enough")
	}
	var left []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if left = traces(dir, loop); len(left) == 0 {
			return
		}
	}
	t.Errorf("left behind: %s", strings.Join(left, ", "))
}

// hang makes one of everything and waits to be killed.
func hang(t *testing.T) {
	e, _, docker := start(t, Options{})
	docker("run", "-d", "--network", "none", "--volume-driver", "probe", "-v", "v1:/data", "busybox", "sleep", "1000")
	file := filepath.Join(e.Dir, "disk")
	if err := os.WriteFile(file, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		out, err := e.Command(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	loop := run("losetup", "-f", "--show", file)
	run("mkfs.ext4", "-q", loop)
	run("mkdir", "/run/fuxi-test")
	run("mount", loop, "/run/fuxi-test")
	os.Stdout.WriteString("hanging " + e.Dir + " " + loop + "\n")
	select {}
}

// traces lists what is still there of an environment in dir.
func traces(dir, loop string) []string {
	left, _ := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(dir))
	if _, err := os.Lstat(dir); err == nil {
		left = append(left, dir)
	}
	backing, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
	if err == nil && strings.HasPrefix(string(backing), dir+"/") {
		left = append(left, loop)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range commands {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), dir) {
			left = append(left, f)
		}
	}
	return left
}
