package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A journal file is two slots of equal size, written in turns. Each begins with
// a line that says which write it is, how long the record after it is, and their
// checksum. Overwriting the older slot and one fdatasync make a record durable:
// no name changes and no block is allocated, so the filesystem has nothing of
// its own to write, and that is most of what a rename with two fsyncs costs. A
// write that is torn leaves the other slot, which is the record of before. What a
// loss of power makes untrue anyway is written without the fdatasync.
const (
	slotMagic = "fuxi journal slot, "
	slotLine  = slotMagic + "write %016x, %08x bytes, sum %08x\n"
	slotHead  = len(slotMagic) + len("write , ") + 16 + len(" bytes, ") + 8 + len("sum \n") + 8
	slotAlign = 4096 // no disk tears what another of its sectors holds
)

// slotFile is what is known of a file that this very process has written: which
// of its slots is durable. A file that was found, or a write that failed, leaves
// that unknown (what is read may never have reached the disk), and then the
// whole file is replaced.
type slotFile struct {
	size  int      // of each slot
	count uint64   // of the newest record; its slot is count % 2
	sum   [32]byte // SHA-256 of that record
	firm  uint64   // count of the newest durable record
	core  [32]byte // SHA-256 of what must be durable of that one
}

// next is the count of the next record: the slot of the newest durable one is
// never written to, however many records that are not follow it.
func (f slotFile) next() uint64 {
	if f.count%2 == f.firm%2 {
		return f.count + 1
	}
	return f.count + 2
}

// holds tells whether a record fits into a slot.
func (f slotFile) holds(record []byte) bool { return slotHead+len(record) <= f.size }

// encodeSlot returns a slot of the given size.
func encodeSlot(count uint64, record []byte, size int) []byte {
	slot := make([]byte, 0, size)
	slot = fmt.Appendf(slot, slotLine, count, len(record), slotSum(count, record))
	slot = append(slot, record...)
	return append(slot, bytes.Repeat([]byte("\n"), size-len(slot))...)
}

func slotSum(count uint64, record []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(binary.BigEndian.AppendUint64(nil, count), castagnoli)
	return crc32.Update(sum, castagnoli, record)
}

// decodeSlot returns the record of a slot, false when there is none or it was
// torn. It never panics, whatever the bytes.
func decodeSlot(slot []byte) (count uint64, record []byte, ok bool) {
	if len(slot) < slotHead {
		return 0, nil, false
	}
	var n, sum uint32
	if _, err := fmt.Sscanf(string(slot[:slotHead]), slotLine, &count, &n, &sum); err != nil {
		return 0, nil, false
	}
	rest := slot[slotHead:]
	if uint64(n) > uint64(len(rest)) || slotSum(count, rest[:n]) != sum {
		return 0, nil, false
	}
	return count, rest[:n], true
}

// newestSlot returns the newest whole record of a file's bytes. What has no
// slot is a record as it is.
func newestSlot(data []byte) []byte {
	half := len(data) / 2
	firstCount, first, okFirst := decodeSlot(data[:half])
	secondCount, second, okSecond := decodeSlot(data[half:])
	switch {
	case okFirst && (!okSecond || firstCount > secondCount):
		return first
	case okSecond:
		return second
	}
	return data
}

// overwrite puts a record into the slot that does not hold the newest durable
// one, and with durable waits until the disk has it. These are bare system calls:
// os.File would add five more to each write.
func (f slotFile) overwrite(path string, record []byte, durable bool) (err error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Size != 2*int64(f.size) {
		return fmt.Errorf("%s was changed by somebody else", path)
	}
	next := f.next()
	slot := encodeSlot(next, record, f.size)
	n, err := unix.Pwrite(fd, slot, int64(next%2)*int64(f.size))
	if err == nil && n < len(slot) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	if !durable {
		return nil
	}
	return unix.Fdatasync(fd)
}

// replaceFile makes a new file of two slots, the first with a record, in place
// of whatever there was: temporary file, fsync, rename, fsync of the directory.
func replaceFile(path string, record []byte) (slotFile, error) {
	size := (slotHead + len(record) + len(record)/2 + slotAlign - 1) / slotAlign * slotAlign
	both := append(encodeSlot(0, record, size), make([]byte, size)...)
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return slotFile{}, err
	}
	_, err = f.Write(both)
	if err == nil {
		err = unix.Fdatasync(int(f.Fd()))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return slotFile{}, err
	}
	return slotFile{size: size}, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
