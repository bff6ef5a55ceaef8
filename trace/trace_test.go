package trace

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOwnTimeCountsOverlapsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSteps()
		ctx := WithRecorder(context.Background(), s)
		time.Sleep(time.Second) // own
		cloud := Cross(ctx, Cloud, "POST /x")
		time.Sleep(2 * time.Second)
		host := Cross(ctx, Host, "mkfs")
		time.Sleep(3 * time.Second)
		cloud()
		time.Sleep(time.Second)
		host()
		write := Cross(ctx, Journal, "rename f") // own
		time.Sleep(4 * time.Second)
		write()
		if own, total := s.Own(); own != 5*time.Second || total != 11*time.Second {
			t.Errorf("own %s of %s, want 5s of 11s", own, total)
		}
		if n := len(s.All()); n != 3 {
			t.Errorf("%d steps, want 3", n)
		}
	})
}

// What is computed while a crossing that is not the operation's own is under way
// is no own processor time, but in the sum.
func TestProcessorTime(t *testing.T) {
	s := NewSteps()
	ctx := WithRecorder(context.Background(), s)
	compute := func() {
		for begin := processTime(); processTime()-begin < 30*time.Millisecond; {
		}
	}
	wait := Cross(ctx, Wait, "outer")
	compute()
	Cross(ctx, Host, "inner")()
	compute()
	wait()
	write := Cross(ctx, Journal, "own")
	compute()
	write()
	own, all := s.CPU()
	if own < 30*time.Millisecond || all < 90*time.Millisecond || all-own < 60*time.Millisecond {
		t.Errorf("own %s of %s, want 30ms of 90ms at least", own, all)
	}
}

func TestNobodyListens(t *testing.T) {
	Cross(context.Background(), Host, "x")()
}

func TestKillSpecs(t *testing.T) {
	for spec, ok := range map[string]bool{"1:before": true, "12:after": true, "0:before": false, "x:after": false, "3": false, "3:during": false} {
		if _, err := parseKill(spec); (err == nil) != ok {
			t.Errorf("FUXI_KILL_AT=%s: %v", spec, err)
		}
	}
}

// TestKillAndTrace runs this test's own binary as the process to be killed.
func TestKillAndTrace(t *testing.T) {
	if os.Getenv("TRACE_TEST_CHILD") == "1" {
		child(t)
		return
	}
	for _, c := range []struct {
		at   string
		want []string // acts that took effect
		died bool
	}{
		{"", []string{"one", "two", "three"}, false},
		{"2:before", []string{"one"}, true},
		{"2:after", []string{"one", "two"}, true},
	} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=TestKillAndTrace$")
		cmd.Env = append(os.Environ(), "TRACE_TEST_CHILD=1", "TRACE_TEST_DIR="+dir, "FUXI_TRACE="+filepath.Join(dir, "trace"))
		if c.at != "" {
			cmd.Env = append(cmd.Env, "FUXI_KILL_AT="+c.at)
		}
		err := cmd.Run()
		var ee *exec.ExitError
		killed := errors.As(err, &ee) && ee.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != c.died {
			t.Errorf("%q: killed %v (%v), want %v", c.at, killed, err, c.died)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "acts")); strings.TrimSpace(string(got)) != strings.Join(c.want, "\n") {
			t.Errorf("%q: acts %q, want %q", c.at, got, c.want)
		}
		if c.at == "" {
			checkTrace(t, filepath.Join(dir, "trace"))
		}
	}
}

func child(t *testing.T) {
	ctx := context.Background()
	recorders, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recorders {
		ctx = WithRecorder(ctx, r)
	}
	f, err := os.OpenFile(filepath.Join(os.Getenv("TRACE_TEST_DIR"), "acts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	Cross(ctx, Wait, "not counted")()
	for _, act := range []string{"one", "two", "three"} {
		done := Cross(ctx, Journal, act)
		_, _ = f.WriteString(act + "\n")
		done()
	}
}

func checkTrace(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var numbers []int
	for in := bufio.NewScanner(f); in.Scan(); {
		var l Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, l.N)
	}
	if len(numbers) != 4 || numbers[0] != 0 || numbers[3] != 3 {
		t.Errorf("numbers %v, want the wait as 0 and the acts as 1 to 3", numbers)
	}
}
