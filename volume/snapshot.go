package volume

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// The registry's file: one header line, then one line a volume. It is a cache
// of what the cloud said; losing it costs one full refresh and no data.

type snapshotHeader struct {
	Schema int       `json:"schema"`
	Origin Origin    `json:"origin"`
	Ever   bool      `json:"ever"`           // of cinder, as it was before there were several
	Full   []string  `json:"full,omitempty"` // providers of which all volumes were ever read
	At     time.Time `json:"at"`
}

type snapshotLine struct {
	Volume *Volume   `json:"v"`
	Seen   time.Time `json:"seen"`
	Stale  bool      `json:"stale,omitempty"`
}

func snapshotPath(stateDir string) string { return filepath.Join(stateDir, "registry.jsonl") }

// save writes the registry if it changed since the last save. A save that is
// under way is waited for: the process may end right after this one.
func (r *registry) save(stateDir string, origin Origin) (err error) {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	if !r.dirty {
		r.mu.Unlock()
		return nil
	}
	r.dirty = false
	r.mu.Unlock()
	defer func() {
		if err != nil {
			r.mu.Lock()
			r.dirty = true
			r.mu.Unlock()
		}
	}()
	tmp, err := os.CreateTemp(stateDir, "registry.*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	w := bufio.NewWriterSize(tmp, 64<<10)
	if err := r.encode(w, origin); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), tmp.Sync()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), snapshotPath(stateDir))
}

func (r *registry) encode(w io.Writer, origin Origin) error {
	enc := json.NewEncoder(w)
	r.mu.RLock()
	entries := make([]entry, 0, len(r.byKey))
	for _, e := range r.byKey {
		entries = append(entries, *e)
	}
	full := slices.Sorted(maps.Keys(r.full))
	r.mu.RUnlock()
	if err := enc.Encode(snapshotHeader{Schema: recordSchema, Origin: origin, Ever: slices.Contains(full, providerVolumes), Full: full, At: time.Now().UTC()}); err != nil {
		return err
	}
	for _, e := range entries {
		if err := enc.Encode(snapshotLine{Volume: e.vol, Seen: e.seen.UTC(), Stale: e.stale}); err != nil {
			return err
		}
	}
	return nil
}

// restore reads the file. A file of another host or cloud, or a damaged one,
// is no error: the registry starts with what could be read.
func (r *registry) restore(stateDir string, origin Origin) (note string, err error) {
	f, err := os.Open(snapshotPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	return r.decode(f, origin)
}

func (r *registry) decode(in io.Reader, origin Origin) (note string, err error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	var head snapshotHeader
	if json.Unmarshal(first, &head) != nil {
		return "the list of known volumes is damaged and is built anew", nil
	}
	if head.Schema > recordSchema {
		return "", newerSchema("registry.jsonl")
	}
	if diff := origin.Differs(head.Origin); diff != "" {
		return "the list of known volumes is not this host's, its " + diff + "; it is built anew", nil
	}
	for _, line := range decodeLines(rest) {
		if line.Volume == nil || !validID(line.Volume.ID) || !validID(line.Volume.Provider) {
			note = "the list of known volumes is damaged; what could be read is used"
			break
		}
		if now := time.Now(); line.Seen.After(now) {
			line.Seen = now // the clock was set back: later answers must count as later
		}
		r.put(*line.Volume, line.Seen)
		if line.Stale {
			r.doubt([]Volume{*line.Volume})
		}
	}
	r.mu.Lock()
	r.dirty = false
	if head.Ever {
		head.Full = append(head.Full, providerVolumes)
	}
	for _, provider := range head.Full {
		r.full[provider] = note == ""
	}
	r.mu.Unlock()
	return note, nil
}

// decodeLines decodes all lines at once on all processors: Docker waits for it
// after every start. A line that is no JSON has no Volume.
func decodeLines(data []byte) []snapshotLine {
	texts := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	if len(texts) == 1 && len(texts[0]) == 0 {
		return nil
	}
	lines := make([]snapshotLine, len(texts))
	workers := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < len(texts); i += workers {
				if json.Unmarshal(texts[i], &lines[i]) != nil {
					lines[i].Volume = nil
				}
			}
		})
	}
	all.Wait()
	return lines
}
