package hosttest

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// AtDeath runs a shell script if this process is killed (or ends by a panic)
// before the returned function is called. The script may free what the dying
// process itself waits for: then nothing else can.
func AtDeath(t testing.TB, script string) (cancel func()) {
	t.Helper()
	NeedTools(t, "sh")
	// A shell notices a signal between two commands only.
	cmd := exec.Command("sh", "-c", `trap "$0; exit" TERM; echo ready; while :; do sleep 0.2; done`, script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, end := make(chan error), make(chan struct{})
	go func() {
		// The signal comes when the thread that forked ends: it is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-end
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatalf("sh: %v", err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		close(end)
	}
}
