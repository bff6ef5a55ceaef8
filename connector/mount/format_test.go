package mount_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/mount"
)

func TestFormatRefuses(t *testing.T) {
	r := newRig(t)
	ctx := hosttest.Context(t)
	if err := r.m.Format(ctx, r.src, connector.FormatSpec{FSType: "zfs", UUID: uuid}); !errors.Is(err, connector.ErrUnsupported) {
		t.Errorf("zfs: %v", err)
	}
	fd, err := unix.Open(r.src.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, erase := range []bool{false, true} {
		err := r.m.Format(ctx, r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid, Erase: erase})
		if !errors.Is(err, connector.ErrBusy) {
			t.Errorf("busy device, erase %v: %v", erase, err)
		}
	}
	unix.Close(fd)
	err = r.m.Format(ctx, r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid, Options: []string{"-O", "no_such_feature"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_feature") {
		t.Errorf("the tool's last words are missing: %v", err)
	}
	if c := r.probe(); !c.Blank {
		t.Errorf("refused formats left %+v", c)
	}
	r.format("ext4")
	if err := r.m.Format(ctx, r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid}); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("second format: %v, want ErrUnsafe", err)
	}
}

func TestFormatErases(t *testing.T) {
	types := []string{"ext4", "xfs", "btrfs", "ext4", "btrfs", "xfs", "ext4"}
	r := newRig(t)
	for i, fsType := range types {
		hosttest.NeedTools(t, "mkfs."+fsType)
		id := fmt.Sprintf("3f1c7a52-64a1-4d38-9b6e-1c0f3a5d7e%02x", i)
		if err := r.m.Format(hosttest.Context(t), r.src, connector.FormatSpec{FSType: fsType, UUID: id, Erase: true}); err != nil {
			t.Fatalf("%s: %v", fsType, err)
		}
		if c := r.probe(); c.Kind != fsType || c.UUID != id {
			t.Errorf("%s: got %+v", fsType, c)
		}
		r.spec.FSType = fsType
		r.mount()
		r.unmount()
	}
}

func TestFormatOptions(t *testing.T) {
	r := newRig(t)
	options := []string{"-E", "stride=16", "-i", "65536"}
	if err := r.m.Format(hosttest.Context(t), r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid, Options: options}); err != nil {
		t.Fatal(err)
	}
	out := hosttest.Tool(t, "dumpe2fs", "-h", r.src.Device)
	for _, want := range []string{"RAID stride:              16", "Reserved block count:     0"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// An mkfs that is killed leaves something that is never taken for a finished
// filesystem, and that can be formatted again.
func TestFormatKilledMidway(t *testing.T) {
	filesystems(t, func(r *rig, fsType string) {
		for i := range 20 {
			spec := connector.FormatSpec{FSType: fsType, UUID: uuid, Erase: true}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*2*time.Millisecond)
			err := r.m.Format(ctx, r.src, spec)
			cancel()
			c, probeErr := r.m.Probe(hosttest.Context(r), r.src)
			if probeErr != nil {
				r.Fatal(probeErr)
			}
			if err == nil && c.Kind != fsType {
				r.Errorf("formatted, but probed %+v", c)
			}
			if c.Kind == fsType && c.UUID == uuid && !c.Unfinished {
				r.mount()
				r.unmount()
			}
		}
		if err := r.m.Format(hosttest.Context(r), r.src, connector.FormatSpec{FSType: fsType, UUID: uuid, Erase: true}); err != nil {
			r.Fatal(err)
		}
		r.mount()
	})
}

// 13 of 640 parallel mkfs failed ("apparently in use") while exclusive
// descriptors leaked into children that were just being started.
func TestFormatManyAtOnce(t *testing.T) {
	hosttest.NeedRoot(t)
	const devices, rounds = 16, 10
	h := host.New()
	m := mount.New(h)
	var all sync.WaitGroup
	for i := range devices {
		src := connector.Source{Device: hosttest.Loop(t, h, hosttest.Image(t, hosttest.GiB)), SizeBytes: hosttest.GiB}
		all.Go(func() {
			for round := range rounds {
				ctx := hosttest.Context(t)
				if _, err := m.Probe(ctx, src); err != nil {
					t.Errorf("device %d round %d: %v", i, round, err)
				}
				if err := m.Format(ctx, src, connector.FormatSpec{FSType: "ext4", UUID: uuid, Erase: round > 0}); err != nil {
					t.Errorf("device %d round %d: %v", i, round, err)
				}
			}
		})
	}
	all.Wait()
}

func TestXFSTwins(t *testing.T) {
	hosttest.NeedTools(t, "mkfs.xfs", "cp")
	r := newRig(t)
	r.format("xfs")
	clone := newRig(t)
	if out, err := exec.Command("cp", "--sparse=always", r.image, clone.image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	clone.spec.FSType = "xfs"
	r.mount()
	if err := clone.m.Mount(hosttest.Context(t), clone.src, clone.spec); err == nil {
		t.Error("a twin was mounted without being asked for")
	}
	clone.idle()
	clone.spec.NoUUID = true
	clone.mount()
	clone.unmount()
}
