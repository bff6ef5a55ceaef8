package hosttest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host/hosttest"
)

const witness = "FUXI_TEST_AT_DEATH"

func TestAtDeath(t *testing.T) {
	if file := os.Getenv(witness); file != "" {
		defer hosttest.AtDeath(t, "echo died >"+file)()
		fmt.Println("ready")
		time.Sleep(time.Minute)
		return
	}
	file := filepath.Join(t.TempDir(), "witness")
	child := exec.Command(os.Args[0], "-test.run=^TestAtDeath$")
	child.Env = append(os.Environ(), witness+"="+file)
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Errorf("the child said %q, %v", line, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil && string(b) == "died\n" {
			return
		}
	}
	t.Error("the script did not run")
}

func TestAtDeathCancelled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "witness")
	hosttest.AtDeath(t, "touch "+file)()
	time.Sleep(500 * time.Millisecond)
	if _, err := os.Stat(file); err == nil {
		t.Error("the script ran although it was cancelled")
	}
}
