package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test program is the agent when it is asked to be: what is tested is a
// process that exits, reads its standard input and gets killed.
func TestMain(m *testing.M) {
	if os.Getenv("AGENT_UNDER_TEST") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func agent(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "AGENT_UNDER_TEST=1")
	return cmd
}

// served is the address of an agent that ends with the test.
func served(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := agent("serve", address)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	eventually(t, "the agent answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}

func TestRunIsAsIfThere(t *testing.T) {
	address := served(t)
	big := strings.Repeat("0123456789abcde\n", 1<<16) // a MiB, more than any pipe holds
	for _, tt := range []struct {
		name           string
		argv           []string
		stdin          string
		status         int
		stdout, stderr string
	}{
		{"streams are apart", []string{"echo out; echo err >&2; exit 3"}, "", 3, "out\n", "err\n"},
		{"several words are no shell", []string{"echo", "$HOME; exit 9"}, "", 0, "$HOME; exit 9\n", ""},
		{"a signal is 128 and its number", []string{"kill -9 $$"}, "", 137, "", ""},
		{"nothing to read", []string{"cat"}, "", 0, "", ""},
		{"input", []string{"-i", "cat"}, big, 0, big, ""},
		{"input nobody reads", []string{"-i", "exit 4"}, big, 4, "", ""},
		{"all that a short command wrote", []string{"-i", "cat; exit 5"}, big, 5, big, ""},
		{"a daemon that keeps the output open", []string{"setsid sleep 60 & echo started"}, "", 0, "started\n", ""},
		{"no such program", []string{"no-such-program", "x"}, "", 127, "",
			"exec: \"no-such-program\": executable file not found in $PATH\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := agent(append([]string{"run", address}, tt.argv...)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(tt.stdin), &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if stdout.String() != tt.stdout {
				t.Errorf("stdout has %d bytes, want %d: %.60q", stdout.Len(), len(tt.stdout), stdout.String())
			}
			if stderr.String() != tt.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), tt.stderr)
			}
		})
	}
}

// TestClientGone kills the asking process; the command and its children must
// end, also the one that timeout puts into a group of its own, and one that
// never reads the input that is waiting for it.
func TestClientGone(t *testing.T) {
	address := served(t)
	for _, tt := range []struct {
		name  string
		argv  []string
		stdin bool
	}{
		{"waiting", []string{"timeout 60 sleep %d & wait"}, false},
		{"not reading its input", []string{"-i", "sleep %d; true"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mark := 1_000_000 + os.Getpid()
			argv := append([]string{"run", address}, tt.argv...)
			argv[len(argv)-1] = fmt.Sprintf(argv[len(argv)-1], mark)
			client := agent(argv...)
			if tt.stdin {
				in, err := client.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.Copy(in, endless{}) }()
			}
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the command runs", func() bool { return sleeping(mark) })
			if err := client.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = client.Wait()
			eventually(t, "the command is gone", func() bool { return !sleeping(mark) })
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// sleeping finds "sleep mark" as a process.
func sleeping(mark int) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && string(text) == fmt.Sprintf("sleep\x00%d\x00", mark) {
			return true
		}
	}
	return false
}

// TestKilledInput: the input of a client that was killed is not the end of a
// complete input.
func TestKilledInput(t *testing.T) {
	address := served(t)
	dir := t.TempDir()
	client := agent("run", address, "-i", fmt.Sprintf("touch %[1]s/began; cat >/dev/null; touch %[1]s/complete", dir))
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(in, "half")
	eventually(t, "the command runs", func() bool { return exists(dir + "/began") })
	_ = client.Process.Kill()
	_ = client.Wait()
	time.Sleep(300 * time.Millisecond)
	if exists(dir + "/complete") {
		t.Error("the command took half of its input for all")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestNobodyThere(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := agent("run", address, "true")
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != noAnswer {
		t.Errorf("status %d, want %d", got, noAnswer)
	}
}
