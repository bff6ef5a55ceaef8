package host

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/trace"
)

// align suits direct reads on every logical block size in use (512 and 4096)
// and every driver's buffer rules.
const align = 4096

// Disk reads a block device directly, past the page cache: what it returns is
// what the device says now.
type Disk struct {
	Size int64 // bytes
	fd   int
	name string
	ctx  context.Context // ends the reading between two reads
	buf  []byte
}

// ReadDisk opens a block device for direct reading and returns what read makes
// of it. A device that hangs is left behind at the end of ctx; that, like every
// error, means that nothing is known about its content.
func ReadDisk[T any](ctx context.Context, h *Host, device string, read func(*Disk) (T, error)) (T, error) {
	var none T
	found := make(chan T, 1)
	defer trace.Cross(ctx, trace.Wait, "reading "+device)()
	err := abandonable(ctx, "reading "+device, func() error {
		return h.withDevice(device, unix.O_RDONLY|unix.O_DIRECT, func(fd int) error {
			size, err := BlockSize64(fd)
			if err != nil {
				return err
			}
			value, err := read(&Disk{Size: size, fd: fd, name: device, ctx: ctx})
			found <- value
			return err
		})
	}, func(error, bool) {})
	if err != nil {
		return none, err
	}
	return <-found, nil
}

// Read returns the bytes [off, off+n) as far as they lie on the device. They
// are valid until the next Read. A short read is an error: could not read is
// never blank.
func (d *Disk) Read(off, n int64) ([]byte, error) {
	if d.ctx.Err() != nil {
		return nil, context.Cause(d.ctx)
	}
	end := min(off+n, d.Size)
	if off < 0 || off >= end {
		return nil, nil
	}
	start, stop := off/align*align, min((end+align-1)/align*align, d.Size)
	buf := d.buffer(stop - start)
	for got := int64(0); got < int64(len(buf)); {
		n, err := unix.Pread(d.fd, buf[got:], start+got)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read at offset %d: %w", start+got, err)
		}
		if n == 0 || n%512 != 0 {
			return nil, fmt.Errorf("short read at offset %d: %d of %d bytes", start+got, n, int64(len(buf))-got)
		}
		got += int64(n)
	}
	return buf[off-start : end-start], nil
}

// buffer returns n bytes whose address suits direct reads.
func (d *Disk) buffer(n int64) []byte {
	if int64(cap(d.buf)) < n {
		raw := make([]byte, n+align)
		shift := (align - int64(uintptr(unsafe.Pointer(&raw[0]))%align)) % align
		d.buf = raw[shift : shift+n : shift+n]
	}
	return d.buf[:n]
}

// Range is a part of a device, bytes.
type Range struct{ Off, Len int64 }

// Zero overwrites parts of a block device with zeros, on the medium when it
// returns. The device is open exclusively meanwhile and proved idle afterwards;
// what lies beyond its end is left out. connector.ErrBusy when it is in use.
func (h *Host) Zero(ctx context.Context, device string, parts []Range) error {
	// Not under Exclusive: writing may take long, and no process could start.
	var fd int
	err := h.patiently(ctx, func() (err error) {
		fd, err = openDevice(h.Path(device), unix.O_RDWR|unix.O_EXCL)
		return err
	})
	if err == unix.EBUSY {
		return h.Exclusive(ctx, device, nil)
	}
	if err != nil {
		return fmt.Errorf("open %s exclusively for writing: %w", device, err)
	}
	begin := time.Now()
	err = abandonable(ctx, "erasing "+device, func() error { return zero(ctx, fd, parts) },
		func(error, bool) { unix.Close(fd) })
	if err != nil {
		return fmt.Errorf("erase %s (%s): %w", device, time.Since(begin).Round(time.Millisecond), err)
	}
	return h.Exclusive(ctx, device, nil)
}

func zero(ctx context.Context, fd int, parts []Range) error {
	size, err := BlockSize64(fd)
	if err != nil {
		return err
	}
	blank := make([]byte, 1<<20)
	for _, part := range parts {
		for off, end := max(part.Off, 0), min(part.Off+part.Len, size); off < end; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := unix.Pwrite(fd, blank[:min(int64(len(blank)), end-off)], off)
			if err != nil {
				return fmt.Errorf("write at offset %d: %w", off, err)
			}
			off += int64(n)
		}
	}
	return unix.Fsync(fd)
}
