package mount_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
	"github.com/openstack/fuxi/trace"
)

// cycleMode makes the test binary run one volume's life and print its host
// crossings.
const cycleMode = "FUXI_TEST_CYCLE"

func TestMain(m *testing.M) {
	if image := os.Getenv(cycleMode); image != "" {
		if err := cycle(image); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(hosttest.Main(m))
}

func cycle(image string) error {
	steps := &hosttest.Crossings{}
	ctx := trace.WithRecorder(context.Background(), steps)
	h := host.New()
	m := mount.New(h)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	loop, err := h.LoopAttach(ctx, f, "cycle", false)
	if err != nil {
		return err
	}
	src := connector.Source{Device: loop.Device}
	dir := filepath.Dir(image)
	spec := connector.MountSpec{FSType: "ext4", Target: filepath.Join(dir, "target"), Staging: filepath.Join(dir, "staging"), Subdir: "data"}
	_, err = m.Probe(ctx, src)
	err = errors.Join(err, m.Format(ctx, src, connector.FormatSpec{FSType: "ext4", UUID: uuid}))
	err = errors.Join(err, m.Mount(ctx, src, spec), m.Unmount(ctx, spec.Target, spec.Staging), h.LoopDetach(ctx, loop))
	for _, step := range steps.Host() {
		fmt.Println(step)
	}
	return err
}

// Every effect on the system is one crossing, and every crossing is one: counted
// from outside.
func TestCrossingsAreWhatTheKernelSees(t *testing.T) {
	hosttest.NeedRoot(t)
	if _, err := exec.LookPath("strace"); err != nil {
		hosttest.Skip(t, "needs strace; without it the crossings of a mount are tested by name only")
	}
	log := filepath.Join(t.TempDir(), "strace")
	child := exec.Command("strace", "-f", "-qq", "-o", log, "-e", "trace=execve,mount,umount2,move_mount,ioctl", os.Args[0])
	child.Env = append(os.Environ(), cycleMode+"="+hosttest.Image(t, hosttest.GiB))
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	effects := regexp.MustCompile(`(?m)^\d+ +(execve\(|mount\(|umount2\(|move_mount\(|ioctl\(.*LOOP_(CONFIGURE|CLR_FD)|ioctl\(.*0x4c, 0xa)`)
	const theChildItself = 1
	seen := effects.FindAllString(string(calls), -1)
	crossed := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(seen)-theChildItself != len(crossed) {
		t.Errorf("strace saw %d effects: %q\n%d crossings: %q", len(seen)-theChildItself, seen, len(crossed), crossed)
	}
}
