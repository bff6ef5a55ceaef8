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
// one is there whatever happens, and the new one once it returned nil.
func (j *journal) write(ctx context.Context, file string, record []byte) error {
	path, slots := filepath.Join(j.dir, file), j.written(file)
	sum := sha256.Sum256(record)
	if slots.size > 0 && slots.sum == sum {
		return nil // durable already
	}
	var err error
	if slots.holds(record) {
		done := trace.Cross(ctx, trace.Journal, "write "+file)
		err = slots.overwrite(path, record)
		slots.count++
		done()
	} else {
		done := trace.Cross(ctx, trace.Journal, "rename "+file)
		slots, err = replaceFile(path, record)
		done()
	}
	if err != nil {
		j.note(file, slotFile{})
		return Errorf(ErrUnavailable, "the journal in %s cannot be written, so nothing was begun: %w", j.dir, err)
	}
	slots.sum = sum
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
