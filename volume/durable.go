package volume

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openstack/fuxi/trace"
)

// write puts a record into a journal file: afterwards either the old or the new
// one is there whatever happens, and the new one once it returned nil. Core is
// what of the record must outlast a loss of power. While it stays the same, the
// record outlasts only the end of this process: after a loss of power an earlier
// one with the same core may be there.
func (j *journal) write(ctx context.Context, file string, record, core []byte) error {
	path, slots := filepath.Join(j.dir, file), j.written(file)
	sum, coreSum := sha256.Sum256(record), sha256.Sum256(core)
	if slots.size > 0 && slots.sum == sum {
		return nil // there already
	}
	var err error
	switch {
	case slots.holds(record) && slots.core == coreSum:
		done := trace.Cross(ctx, trace.Journal, "note "+file)
		err = slots.overwrite(path, record, false)
		slots.count = slots.next()
		done()
	case slots.holds(record):
		done := trace.Cross(ctx, trace.Journal, "write "+file)
		err = slots.overwrite(path, record, true)
		slots.count = slots.next()
		slots.firm = slots.count
		done()
	default:
		done := trace.Cross(ctx, trace.Journal, "rename "+file)
		slots, err = replaceFile(path, record)
		done()
	}
	if err != nil {
		j.note(file, slotFile{})
		return Errorf(ErrUnavailable, "the journal in %s cannot be written, so nothing was begun: %w", j.dir, err)
	}
	slots.sum, slots.core = sum, coreSum
	j.note(file, slots)
	return nil
}

// written is what is known of a file, zero when nothing is for certain.
func (j *journal) written(file string) slotFile {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.files[file]
}

func (j *journal) note(file string, slots slotFile) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slots.size == 0 {
		delete(j.files, file)
		return
	}
	j.files[file] = slots
}

func (j *journal) remove(ctx context.Context, file string) error {
	j.note(file, slotFile{})
	done := trace.Cross(ctx, trace.Journal, "unlink "+file)
	err := os.Remove(filepath.Join(j.dir, file))
	if err == nil {
		err = syncDir(j.dir)
	}
	done()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Errorf(ErrUnavailable, "the journal in %s cannot be written: %w", j.dir, err)
	}
	return nil
}
