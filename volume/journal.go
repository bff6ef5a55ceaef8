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
	"strings"
	"syscall"
	"time"
)

// journal keeps one record for each volume this host touched, and one intent
// for each create whose volume has no id yet. Writes are atomic and durable:
// temporary file, fsync, rename, fsync of the directory.
type journal struct {
	dir  string
	lock *os.File
}

// createIntent announces a create request before it is sent.
type createIntent struct {
	Schema int       `json:"schema"`
	Origin Origin    `json:"origin"`
	Name   string    `json:"name"`
	Nonce  string    `json:"nonce"` // the whole value of the created mark
	At     time.Time `json:"at"`
}

// loaded is what openJournal found.
type loaded struct {
	records  []*Record
	intents  []createIntent
	setAside []string // sentences for Status
	foreign  []*Record
}

// openJournal takes the state directory (one daemon at a time) and reads all
// of it. A torn file is set aside and told; a newer schema refuses to start.
func openJournal(stateDir string, origin Origin) (*journal, loaded, error) {
	j := &journal{dir: filepath.Join(stateDir, "journal")}
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

func (j *journal) load(origin Origin) (loaded, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return loaded{}, Errorf(ErrUnavailable, "the journal %s cannot be read: %w", j.dir, err)
	}
	var found loaded
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasSuffix(name, ".tmp"):
			_ = os.Remove(filepath.Join(j.dir, name)) // a write that never became true
		case e.IsDir() || !strings.HasSuffix(name, ".json"):
		case strings.HasPrefix(name, "create."):
			err = j.loadIntent(name, origin, &found)
		case strings.HasPrefix(name, "volume."):
			err = j.loadRecord(name, origin, &found)
		}
		if err != nil {
			return loaded{}, err
		}
	}
	return found, nil
}

func (j *journal) loadRecord(file string, origin Origin, found *loaded) error {
	r, err := decodeRecord(j.read(file))
	switch {
	case errors.Is(err, errNewerSchema):
		return newerSchema(filepath.Join(j.dir, file))
	case err != nil:
		return j.setAside(file, "torn", fmt.Sprintf("journal file %s is damaged (%v)", file, err), found)
	}
	if diff := origin.Differs(r.Origin); diff != "" {
		found.foreign = append(found.foreign, r)
		return j.setAside(file, "foreign", fmt.Sprintf("volume %s (%s): the record is not this host's, its %s; nothing is done about it in the cloud", r.Volume.Name, r.Volume.ID, diff), found)
	}
	if r.Connection != nil {
		r.Connection.Secret = j.readSecret(r.Volume.Key)
	}
	found.records = append(found.records, r)
	return nil
}

func (j *journal) loadIntent(file string, origin Origin, found *loaded) error {
	data, err := j.read(file)
	var in createIntent
	if err == nil {
		err = json.Unmarshal(data, &in)
	}
	if err == nil && in.Schema > recordSchema {
		return newerSchema(filepath.Join(j.dir, file))
	}
	if err != nil || CheckName(in.Name) != nil {
		return j.setAside(file, "torn", fmt.Sprintf("journal file %s is damaged", file), found)
	}
	if diff := origin.Differs(in.Origin); diff != "" {
		return j.setAside(file, "foreign", fmt.Sprintf("an unfinished create of %s is not this host's, its %s", in.Name, diff), found)
	}
	found.intents = append(found.intents, in)
	return nil
}

func (j *journal) read(file string) ([]byte, error) {
	return os.ReadFile(filepath.Join(j.dir, file))
}

var errNewerSchema = errors.New("written by a newer fuxi")

func newerSchema(path string) error {
	return Errorf(ErrInvalid, "%s was written by a newer fuxi: this version does not know its format and does not start, so that nothing is misread; start the newer version", path)
}

// decodeRecord reads one journal file. It never panics, whatever the bytes.
func decodeRecord(data []byte, err error) (*Record, error) {
	if err != nil {
		return nil, err
	}
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Schema > recordSchema {
		return nil, errNewerSchema
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.Schema < 1 || r.Volume.ID == "" || !validID(r.Volume.ID) || CheckName(r.Volume.Name) != nil {
		return nil, errors.New("no volume in it")
	}
	if r.Users == nil {
		r.Users = map[string]User{}
	}
	return &r, nil
}

// setAside moves a file out of the way, keeping its bytes for an operator.
func (j *journal) setAside(file, why, sentence string, found *loaded) error {
	dir := filepath.Join(j.dir, "aside")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Errorf(ErrUnavailable, "%s cannot be set aside: %w", file, err)
	}
	to := filepath.Join(dir, fmt.Sprintf("%s.%s.%d", strings.TrimSuffix(file, ".json"), why, time.Now().UnixNano()))
	if err := os.Rename(filepath.Join(j.dir, file), to); err != nil {
		return Errorf(ErrUnavailable, "%s cannot be set aside: %w", file, err)
	}
	found.setAside = append(found.setAside, sentence+"; kept as "+to)
	return nil
}

func (j *journal) put(ctx context.Context, r *Record) error {
	r.Schema = recordSchema
	if r.Connection != nil && len(r.Connection.Secret) > 0 {
		secret, err := json.Marshal(r.Connection.Secret)
		if err != nil {
			return Errorf(ErrInvalid, "the connection of %s cannot be recorded: %w", r.Volume.Name, err)
		}
		if err := j.write(ctx, secretFile(r.Volume.Key), secret); err != nil {
			return err
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return Errorf(ErrInvalid, "the record of %s cannot be written: %w", r.Volume.Name, err)
	}
	if err := j.write(ctx, recordFile(r.Volume.Key), data); err != nil {
		return err
	}
	if r.Connection == nil {
		return j.dropSecret(r.Volume.Key)
	}
	return nil
}

func (j *journal) dropSecret(k Key) error {
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
	return j.write(ctx, intentFile(in.Name), data)
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
