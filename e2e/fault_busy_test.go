package e2e

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// letGoOfOthers is what the holder does first: a new mount namespace has every
// mount, those of other tests too.
const letGoOfOthers = `while read -r dev dir rest; do
case $dir in "$0"/*) ;; */fuxi-*/*) umount "$dir" ;; esac
done </proc/self/mounts
echo ready; read x`

// holdElsewhere starts a process in a mount namespace of its own, which keeps
// what is mounted below dir now, as containers and stray services do. The
// returned function ends it.
func holdElsewhere(t *testing.T, dir string) (letGo func()) {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", letGoOfOthers, dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a process in another mount namespace: %v", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	done := false
	letGo = func() {
		if !done {
			done = true
			in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(letGo)
	return letGo
}

// TestHeldInAnotherNamespace_C3: umount succeeds, yet a process elsewhere still
// has the filesystem. The container's stop succeeds, nothing is detached or
// deleted, whoever asks is told the holder, the volume can be used again
// meanwhile, and the detach follows by itself. Protocols 0.8, G 5. Not parallel,
// because for a moment the holder has the mounts of all tests.
func TestHeldInAnotherNamespace_C3(t *testing.T) {
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	path, err := s.d.Mount("vol", "c1")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSynced(filepath.Join(path, "f"), "held"); err != nil {
		t.Fatal(err)
	}
	letGo := holdElsewhere(t, s.d.Dir)
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Errorf("unmounting: %v", err)
	}
	if mountedAt(path) {
		t.Error("still mounted here")
	}
	kept := func(when string) {
		t.Helper()
		if len(s.cloud.Attachments()) != 1 || len(rig.LoopsOf(s.d.StateDir())) != 1 {
			t.Fatalf("%s: attachments %v, loop devices %v", when, s.cloud.Attachments(), rig.LoopsOf(s.d.StateDir()))
		}
	}
	for range 8 { // many lingers and the first tries again
		time.Sleep(200 * time.Millisecond)
		kept("while it is held")
	}
	if err := s.d.Remove("vol"); err == nil || !strings.Contains(err.Error(), "held by [sh[") {
		t.Errorf("removing what is held must fail and name the holder: %v", err)
	}
	kept("after the removal was refused")
	if deletes := s.cloud.Counters()["DELETE /v3/{project}/volumes/{id}"]; deletes != 0 {
		t.Error("the cloud was asked to delete a volume that is held")
	}
	if _, err := s.d.Mount("vol", "c2"); err != nil || s.users("vol")["c2"] != 1.0 {
		t.Errorf("using it again meanwhile: %v", err)
	}
	if err := s.d.Unmount("vol", "c2"); err != nil {
		t.Error(err)
	}
	time.Sleep(300 * time.Millisecond)
	kept("after it was used again")
	letGo()
	s.detached("vol")
	if left := s.cloud.Attachments(); len(left) > 0 || len(rig.LoopsOf(s.d.StateDir())) > 0 {
		t.Errorf("left: %v, %v", left, rig.LoopsOf(s.d.StateDir()))
	}
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}

// TestBusyHere_E6: a process of this very namespace works in the mount, so
// umount itself is refused. The stop of the container succeeds all the same,
// and the unmount follows when the process is gone. Protocols A.6.
func TestBusyHere_E6(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	path, err := s.d.Mount("vol", "c1")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "read x")
	cmd.Dir = path
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Unmount("vol", "c1"); err != nil {
		t.Errorf("unmounting: %v", err)
	}
	time.Sleep(time.Second)
	if !mountedAt(path) || len(s.cloud.Attachments()) != 1 {
		t.Errorf("mounted=%v, attachments %v", mountedAt(path), s.cloud.Attachments())
	}
	if err := s.d.Remove("vol"); err == nil || len(s.cloud.Volumes("vol")) != 1 {
		t.Errorf("removed while a process works in it: %v", err)
	}
	in.Close()
	_ = cmd.Wait()
	s.detached("vol")
	if err := s.remove("vol"); err != nil {
		t.Error(err)
	}
	s.clean("vol")
	s.d.Stop()
}
