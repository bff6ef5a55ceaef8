package volume

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzMarks: whatever a project member writes into metadata, reading it
// neither panics nor turns a damaged value into a trusted one.
func FuzzMarks(f *testing.F) {
	f.Add("fuxi:formatted", "ext4,5a3f5a5e-8a0a-4a52-9d52-0a8e2f6f9a51", "fuxi:subdir", "data")
	f.Add("fuxi:formatting", "ext4,,", "fuxi:v", "-1")
	f.Add("fuxi:name", "../../etc", "fuxi:on-remove", "never")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		m := ParseMarks(map[string]string{k1: v1, k2: v2, "fuxi:subdir": v1, "fuxi:name": v2, "fuxi:formatted": v1})
		if m.Subdir != "" && CheckSubdir(m.Subdir) != nil {
			t.Errorf("subdir %q is trusted", m.Subdir)
		}
		if strings.Contains(m.Subdir, "..") {
			t.Errorf("subdir %q leaves the filesystem", m.Subdir)
		}
		if m.Name != "" && CheckName(m.Name) != nil {
			t.Errorf("name %q is trusted", m.Name)
		}
		if m.OnRemove != "" && m.OnRemove != OnRemoveDelete && m.OnRemove != OnRemoveRetain {
			t.Errorf("policy %q is trusted", m.OnRemove)
		}
		if m.Formatted == nil {
			t.Error("a formatted mark was overlooked: whatever its value, the volume must not be formatted")
		} else if len(m.Damaged) == 0 && (!isFSType(m.Formatted.FSType) || !isUUID(m.Formatted.UUID)) {
			t.Errorf("the formatted mark %q is neither valid nor damaged", v1)
		}
	})
}

// FuzzJournalFile: a torn or hostile journal file gives an error, never a
// panic and never a record whose names could leave the journal directory.
func FuzzJournalFile(f *testing.F) {
	good, err := json.Marshal(Record{Schema: 1, Volume: Volume{Key: Key{"c", "cinder", "id"}, Name: "n"}, Users: map[string]User{"u": {Count: 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"schema":2}`))
	f.Add([]byte(`{"schema":1,"volume":{"id":"../x","name":"n"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data, nil)
		if err != nil {
			return
		}
		if strings.ContainsAny(recordFile(r.Volume.Key), "/\x00") {
			t.Errorf("record of file %q was believed", recordFile(r.Volume.Key))
		}
		if CheckName(r.Volume.Name) != nil || r.Users == nil {
			t.Errorf("record %+v was believed", r)
		}
	})
}

// FuzzRegistryFile: the cache of what the cloud said may be lost or damaged;
// what can be read is used.
func FuzzRegistryFile(f *testing.F) {
	origin := Origin{MachineID: "m", Host: "h"}
	r := newRegistry()
	r.put(Volume{Key: Key{"c", "cinder", "id"}, Name: "n", Status: "available"}, time.Now())
	var out bytes.Buffer
	if err := r.encode(&out, origin); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:out.Len()-5])
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newRegistry()
		if _, err := r.decode(bytes.NewReader(data), origin); err != nil && KindOf(err) != ErrInvalid {
			t.Errorf("a damaged cache is an error: %v", err)
		}
		for v := range r.names() {
			if v.ID == "" {
				t.Error("a volume without an id was believed")
			}
		}
	})
}
