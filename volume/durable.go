package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openstack/fuxi/trace"
	"golang.org/x/sys/unix"
)

// write replaces one journal file: afterwards either the old or the new bytes
// are there whatever happens, and the new ones once it returned nil.
func (j *journal) write(ctx context.Context, file string, data []byte) error {
	done := trace.Cross(ctx, trace.Journal, "rename "+file)
	err := writeDurably(filepath.Join(j.dir, file), data)
	done()
	if err != nil {
		return Errorf(ErrUnavailable, "the journal in %s cannot be written, so nothing was begun: %w", j.dir, err)
	}
	return nil
}

func (j *journal) remove(ctx context.Context, file string) error {
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

func writeDurably(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
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
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
