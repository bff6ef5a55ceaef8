package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// loaded is what openJournal found.
type loaded struct {
	records  []*Record
	intents  []createIntent
	setAside []string // sentences for Status
	foreign  []*Record
}

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
		found.setAside = append(found.setAside, fmt.Sprintf("volume %s (%s): the record is not this host's, its %s; nothing is done about it in the cloud, and %s is left as it is", r.Volume.Name, r.Volume.ID, diff, filepath.Join(j.dir, file)))
		return nil
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
		found.setAside = append(found.setAside, fmt.Sprintf("an unfinished create of %s is not this host's, its %s; %s is left as it is", in.Name, diff, filepath.Join(j.dir, file)))
		return nil
	}
	found.intents = append(found.intents, in)
	return nil
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
	if r.Schema < 1 || !validID(r.Volume.ID) || !validID(r.Volume.Provider) || CheckName(r.Volume.Name) != nil {
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
