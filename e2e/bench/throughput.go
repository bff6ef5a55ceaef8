package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"golang.org/x/sys/unix"
)

const (
	mib   = 1 << 20
	block = 4096
)

// area is a part of a file or device that is read and written past the page
// cache of the mount; the loop device below is the same for both sides.
type area struct {
	fd   int
	off  int64
	size int64
	buf  []byte // 1 MiB, aligned
}

// throughput compares reading and writing through a mount with the same on a
// bare loop device on the same disk. fuxi is not in the way of the data: this
// shows what the filesystem and the mount options take.
func (b *bench) throughput(m *mounter) {
	m.create("data")
	path, _ := m.mount("data")
	size := int64(b.size.megabytes) * mib
	mounted := openArea(m.t, filepath.Join(path, "area"), unix.O_CREAT, 0, size)
	bare := openArea(m.t, bareLoop(m.t, filepath.Join(m.cloud.Dir, "volumes", "bare.img")), 0, 256*mib, size)
	for _, k := range []struct {
		what string
		run  func(*area, int) error
	}{
		{"sequential write, synced", (*area).writeAll},
		{"sequential read", (*area).readAll},
		{"random 4 KiB write, each synced", (*area).writeBlocks},
		{"random 4 KiB read", (*area).readBlocks},
	} {
		b.compare(m.t, k.what, func(a *area) error { return k.run(a, b.size.blocks) }, mounted, bare)
	}
	_ = unix.Close(mounted.fd)
	_ = unix.Close(bare.fd)
	m.detach("data")
	m.remove("data")
}

// compare runs both in turns, so that other load meets both.
func (b *bench) compare(t rig.T, what string, run func(*area) error, mounted, bare *area) {
	var through, direct []time.Duration
	timed := func(a *area) time.Duration {
		t.Helper()
		begin := time.Now()
		if err := run(a); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return time.Since(begin)
	}
	for i := range 4*b.size.rounds + 1 {
		if i%2 == 0 {
			direct = append(direct, timed(bare))
			through = append(through, timed(mounted))
		} else {
			through = append(through, timed(mounted))
			direct = append(direct, timed(bare))
		}
	}
	ratio := ms(median(through)) / ms(median(direct))
	noise := ms(quantile(direct, 0.75)) / ms(median(direct))
	b.table.most(what+": mounted / bare device", ratio, "×", max(1.1, noise), "",
		fmt.Sprintf("%s against %s, medians of %d in turns; the bare device alone is within %.2f× of its median three times in four, which is the limit if above 1.1×",
			short(median(through)), short(median(direct)), len(direct), noise))
}

// bareLoop makes a loop device as fuxi does, without anything on it.
func bareLoop(t rig.T, path string) (device string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for range 20 { // another process may be quicker
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		device = fmt.Sprintf("/dev/loop%d", n)
		dev, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{Fd: uint32(file.Fd())})
		dev.Close()
		if err == nil {
			t.Cleanup(func() { freeLoop(device) })
			return device
		}
	}
	t.Fatal("no loop device is free")
	return ""
}

func freeLoop(device string) {
	if dev, err := os.Open(device); err == nil {
		_ = unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_CLR_FD, 0)
		dev.Close()
	}
}

// openArea opens and fills an area, so that nothing is allocated later.
func openArea(t rig.T, path string, flags int, off, size int64) *area {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	buf, err := unix.Mmap(-1, 0, mib, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := range buf {
		buf[i] = byte(rand.Uint32())
	}
	a := &area{fd: fd, off: off, size: size, buf: buf}
	if err := a.writeAll(0); err != nil {
		t.Fatalf("fill %s: %v", path, err)
	}
	return a
}

func (a *area) writeAll(int) error {
	for at := int64(0); at < a.size; at += mib {
		if _, err := unix.Pwrite(a.fd, a.buf, a.off+at); err != nil {
			return err
		}
	}
	return unix.Fdatasync(a.fd)
}

func (a *area) readAll(int) error {
	for at := int64(0); at < a.size; at += mib {
		if _, err := unix.Pread(a.fd, a.buf, a.off+at); err != nil {
			return err
		}
	}
	return nil
}

func (a *area) writeBlocks(n int) error {
	for _, at := range a.places(n / 4) {
		if _, err := unix.Pwrite(a.fd, a.buf[:block], at); err != nil {
			return err
		}
		if err := unix.Fdatasync(a.fd); err != nil {
			return err
		}
	}
	return nil
}

func (a *area) readBlocks(n int) error {
	for _, at := range a.places(n) {
		if _, err := unix.Pread(a.fd, a.buf[:block], at); err != nil {
			return err
		}
	}
	return nil
}

// places are the same for both sides.
func (a *area) places(n int) []int64 {
	from := rand.New(rand.NewPCG(1, 2))
	return slices.Collect(func(yield func(int64) bool) {
		for range n {
			if !yield(a.off + from.Int64N(a.size/block)*block) {
				return
			}
		}
	})
}
