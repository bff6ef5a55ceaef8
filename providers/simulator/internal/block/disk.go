package block

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const gib = 1 << 30

// makeDisk makes a new volume's file, blank or with the data of its source.
func (b *Service) makeDisk(v *Volume) error {
	switch {
	case v.SnapshotID != nil:
		return copyDisk(b.snapshotPath(*v.SnapshotID), b.Path(v.ID), v.Size)
	case v.SourceID != nil:
		if err := b.ensureDisk(*v.SourceID); err != nil {
			return err
		}
		return copyDisk(b.Path(*v.SourceID), b.Path(v.ID), v.Size)
	}
	if kind := FindType(v.Type); kind != nil && kind.Unzeroed {
		return writeDisk(b.Path(v.ID), v.Size, func(f *os.File) error { return writeStale(f, v.Size) })
	}
	return b.blankDisk(v.ID, v.Size)
}

// blankDisk makes a file of at least this many GiB, or grows the one that is
// there; what is new reads as zeros. It never shrinks one.
func (b *Service) blankDisk(id string, size int) (err error) {
	b.blanks.Lock()
	defer b.blanks.Unlock()
	f, err := os.OpenFile(b.Path(id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || info.Size() >= int64(size)*gib {
		return err
	}
	return f.Truncate(int64(size) * gib)
}

// writeDisk makes a file under another name first, so that what bears a
// volume's name has all its data, whenever the process dies.
func writeDisk(path string, size int, fill func(*os.File) error) (err error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(int64(size) * gib); err != nil {
		return err
	}
	if err := fill(f); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// copyDisk copies a disk into a new one of the given size in GiB. Blocks are
// shared where the filesystem can; else only the data is copied and holes stay
// holes.
func copyDisk(from, to string, size int) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return writeDisk(to, size, func(dst *os.File) error {
		if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
			return dst.Truncate(int64(size) * gib)
		}
		return copyData(dst, src)
	})
}

func copyData(dst, src *os.File) error {
	var at int64
	for {
		start, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find data: %w", err)
		}
		if at, err = unix.Seek(int(src.Fd()), start, unix.SEEK_HOLE); err != nil {
			return fmt.Errorf("find hole: %w", err)
		}
		out := io.NewOffsetWriter(dst, start)
		if _, err := io.Copy(out, io.NewSectionReader(src, start, at-start)); err != nil {
			return fmt.Errorf("copy data: %w", err)
		}
	}
}
