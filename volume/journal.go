package volume

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// journal keeps one record for each volume this host touched, and one intent
// for each create whose volume has no id yet. Writes are atomic and durable.
type journal struct {
	dir  string
	lock *os.File

	mu    sync.Mutex
	files map[string]slotFile // those that this process has written
}

// createIntent announces a create request before it is sent.
type createIntent struct {
	Schema int       `json:"schema"`
	Origin Origin    `json:"origin"`
	Name   string    `json:"name"`
	Nonce  string    `json:"nonce"` // the whole value of the created mark
	At     time.Time `json:"at"`
}

// openJournal takes the state directory (one daemon at a time) and reads all
// of it. A torn file is set aside and told; a newer schema refuses to start.
func openJournal(stateDir string, origin Origin) (*journal, loaded, error) {
	j := &journal{dir: filepath.Join(stateDir, "journal"), files: map[string]slotFile{}}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, loaded{}, Errorf(ErrUnavailable, "state_dir %s cannot be used: %w", stateDir, err)
	}
	lock, err := lockDir(stateDir)
	if err != nil {
		return nil, loaded{}, err
	}
	j.lock = lock
	found, err := j.load(origin)
	if err != nil {
		lock.Close()
		return nil, loaded{}, err
	}
	return j, found, nil
}

func lockDir(stateDir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(stateDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, Errorf(ErrUnavailable, "state_dir %s cannot be used: %w", stateDir, err)
	}
	// A child that inherited nothing cannot keep the lock: Go opens with O_CLOEXEC.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, Errorf(ErrConflict, "state_dir %s is used by another fuxi that is running: stop it, or give this one its own state_dir and socket", stateDir)
	}
	return lock, nil
}

func (j *journal) close() error { return j.lock.Close() }

func (j *journal) read(file string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(j.dir, file))
	return newestSlot(data), err
}

func (j *journal) put(ctx context.Context, r *Record) error {
	r.Schema = recordSchema
	if r.Connection != nil && len(r.Connection.Secret) > 0 {
		secret, err := json.Marshal(r.Connection.Secret)
		if err != nil {
			return Errorf(ErrInvalid, "the connection of %s cannot be recorded: %w", r.Volume.Name, err)
		}
		if err := j.write(ctx, secretFile(r.Volume.Key), secret, secret); err != nil {
			return err
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return Errorf(ErrInvalid, "the record of %s cannot be written: %w", r.Volume.Name, err)
	}
	core, err := json.Marshal(r.outlasting())
	if err != nil {
		return Errorf(ErrInvalid, "the record of %s cannot be written: %w", r.Volume.Name, err)
	}
	if err := j.write(ctx, recordFile(r.Volume.Key), data, core); err != nil {
		return err
	}
	if r.Connection == nil {
		return j.dropSecret(r.Volume.Key)
	}
	return nil
}

func (j *journal) dropSecret(k Key) error {
	j.note(secretFile(k), slotFile{})
	err := os.Remove(filepath.Join(j.dir, secretFile(k)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Errorf(ErrUnavailable, "the journal %s cannot be written: %w", j.dir, err)
	}
	return nil
}

func (j *journal) readSecret(k Key) map[string]any {
	data, err := j.read(secretFile(k))
	if err != nil {
		return nil
	}
	var secret map[string]any
	if json.Unmarshal(data, &secret) != nil {
		return nil
	}
	return secret
}

func (j *journal) putIntent(ctx context.Context, in createIntent) error {
	in.Schema = recordSchema
	data, err := json.Marshal(in)
	if err != nil {
		return Errorf(ErrInvalid, "the intent to create %s cannot be written: %w", in.Name, err)
	}
	return j.write(ctx, intentFile(in.Name), data, data)
}

func (j *journal) drop(ctx context.Context, k Key) error {
	if err := j.dropSecret(k); err != nil {
		return err
	}
	return j.remove(ctx, recordFile(k))
}

func (j *journal) dropIntent(ctx context.Context, name string) error {
	return j.remove(ctx, intentFile(name))
}

func recordFile(k Key) string { return "volume." + k.Provider + "." + k.ID + ".json" }
func secretFile(k Key) string { return "secret." + k.Provider + "." + k.ID + ".json" }

// validID tells whether a cloud's id may be part of a file name.
func validID(id string) bool { return validName(id) && len(id) <= 64 }

// intentFile is a digest, because a name may be as long as a file name.
func intentFile(name string) string {
	return fmt.Sprintf("create.%x.json", sha256.Sum256([]byte(name)))
}
