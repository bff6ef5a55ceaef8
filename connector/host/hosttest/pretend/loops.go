package pretend

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// clearPatience is how long a removed device may stay open before the test is
// told that somebody keeps it.
const clearPatience = 10 * time.Second

// attach puts a file behind a loop device.
func (m *Machine) attach(file string) host.Loop {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	m.check(err)
	defer f.Close()
	loop, err := m.real.LoopAttach(context.Background(), f, "pretend", false)
	m.check(err)
	return loop
}

func (m *Machine) numberOf(loop host.Loop) host.Number {
	n, err := m.real.DeviceNumber(loop.Device)
	m.check(err)
	return n
}

// resize lets a loop device see the size that its file has now.
func (m *Machine) resize(loop host.Loop) {
	m.check(m.real.LoopResize(context.Background(), loop.Device))
}

// clear takes a loop device from its file, at the last close if it is open. It
// may hang as long as the file does, so it goes on beside.
func (m *Machine) clear(loop host.Loop) {
	m.held.Go(func() {
		if fd, err := unix.Open(loop.Device, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			// Write protection would stay with the device, for whoever has it next.
			_ = unix.IoctlSetPointerInt(fd, unix.BLKROSET, 0)
			_ = unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0)
			unix.Close(fd)
		}
		for end := time.Now().Add(clearPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			now, err := m.real.LoopStatus(loop.Device)
			if errors.Is(err, unix.ENXIO) || err == nil && now.Inode != loop.Inode {
				return
			}
		}
		m.t.Errorf("%s was removed %s ago and is still open", loop.Device, clearPatience)
	})
}

// swap puts another file behind the same loop device, unless it is in use.
func (m *Machine) swap(loop host.Loop, f *os.File) host.Loop {
	fd, err := unix.Open(loop.Device, unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		return loop // in use: keeps the bytes it has
	}
	_ = unix.Fsync(fd)
	_ = unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0)
	unix.Close(fd)
	config := unix.LoopConfig{Fd: uint32(f.Fd())}
	copy(config.Info.File_name[:], "pretend")
	for range 500 {
		fd, err := unix.Open(loop.Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.IoctlLoopConfigure(fd, &config)
			unix.Close(fd)
		}
		if err == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	now, err := m.real.LoopStatus(loop.Device)
	m.check(err)
	return now
}
