package volume

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestJournal(t *testing.T) *journal {
	t.Helper()
	j, _, err := openJournal(t.TempDir(), Origin{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() })
	return j
}

// A power cut may leave any part of a write on the disk, in any order of its
// sectors. Whatever it leaves, the file reads as the old record or the new one.
func TestTornWriteLeavesOldOrNew(t *testing.T) {
	j := newTestJournal(t)
	path := filepath.Join(j.dir, "volume.a.json")
	record := func(n int) []byte {
		return []byte(fmt.Sprintf(`{"n":%d,"fill":%q}`, n, bytes.Repeat([]byte("x"), 3*n)))
	}
	read := func() []byte {
		t.Helper()
		data, err := j.read("volume.a.json")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for n := range 5 {
		var before []byte
		if n > 0 {
			before = mustRead(t, path)
		}
		if err := j.write(context.Background(), "volume.a.json", record(n), record(n)); err != nil {
			t.Fatal(err)
		}
		after := mustRead(t, path)
		if !bytes.Equal(read(), record(n)) {
			t.Fatalf("write %d reads as %q", n, read())
		}
		if n == 0 || len(before) != len(after) {
			continue
		}
		for cut := range len(after) {
			for _, torn := range [][]byte{
				append(bytes.Clone(after[:cut]), before[cut:]...),
				append(bytes.Clone(before[:cut]), after[cut:]...),
			} {
				if got := newestSlot(torn); !bytes.Equal(got, record(n)) && !bytes.Equal(got, record(n-1)) {
					t.Fatalf("write %d torn at %d reads as %q", n, cut, got)
				}
			}
		}
	}
}

// The slot that holds the newest durable record is never written to, and a file
// of which that is not certain is replaced as a whole.
func TestOnlyTheOlderSlotIsOverwritten(t *testing.T) {
	j := newTestJournal(t)
	const file = "volume.a.json"
	path := filepath.Join(j.dir, file)
	write := func(record string) {
		t.Helper()
		if err := j.write(context.Background(), file, []byte(record), []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	inode := func() os.FileInfo {
		t.Helper()
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	write("0")
	for n := 1; n < 6; n++ {
		before, old := mustRead(t, path), inode()
		write(fmt.Sprint(n))
		half := len(before) / 2
		newest := before[half:]
		if n%2 == 1 {
			newest = before[:half]
		}
		after := mustRead(t, path)
		if (n%2 == 1 && !bytes.Equal(after[:half], newest)) || (n%2 == 0 && !bytes.Equal(after[half:], newest)) {
			t.Fatalf("write %d touched the newest record", n)
		}
		if !os.SameFile(old, inode()) {
			t.Fatalf("write %d made a new file", n)
		}
	}
	if inode().Mode().Perm() != 0o600 {
		t.Errorf("mode %v", inode().Mode())
	}
	replaced := func(why string, record string) {
		t.Helper()
		old := inode()
		write(record)
		if os.SameFile(old, inode()) {
			t.Errorf("%s: the file was overwritten in place", why)
		}
		if got, _ := j.read(file); string(got) != record {
			t.Errorf("%s: reads as %q", why, got)
		}
	}
	replaced("a record that does not fit", string(bytes.Repeat([]byte("y"), 9000)))
	j.files = map[string]slotFile{}
	replaced("a file of another process", "found")
	if err := os.WriteFile(path, []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.write(context.Background(), file, []byte("over it"), nil); err == nil {
		t.Error("a file that somebody changed was written into")
	}
	replaced("after a failure", "again")
}

// Whatever a loss of power does to records that need not outlast it, the file
// reads as one with the newest durable core. The end of the process alone loses
// none of them.
func TestLossOfPowerKeepsTheCore(t *testing.T) {
	j := newTestJournal(t)
	const file = "volume.a.json"
	path := filepath.Join(j.dir, file)
	durable, n := []byte(nil), 0
	for _, core := range strings.Fields("a b b b b c d d e e e f") {
		n++
		record := []byte(fmt.Sprintf("core %s, record %d", core, n))
		lasts := durable == nil || !bytes.Contains(durable, []byte("core "+core+","))
		before := durable
		if err := j.write(context.Background(), file, record, []byte(core)); err != nil {
			t.Fatal(err)
		}
		if got, _ := j.read(file); !bytes.Equal(got, record) {
			t.Fatalf("record %d reads as %q", n, got)
		}
		if lasts {
			durable = record
		}
		data := mustRead(t, path)
		half := len(data) / 2
		firm := bytes.Index(data, durable) / half
		for cut := 0; cut <= half; cut += 64 {
			torn := bytes.Clone(data)
			clear(torn[(1-firm)*half+cut : (1-firm)*half+half])
			if got := string(newestSlot(torn)); !strings.HasPrefix(got, "core "+core+",") {
				t.Fatalf("record %d torn at %d reads as %q", n, cut, got)
			}
			if !lasts || before == nil {
				continue
			}
			// This one was being written durably and did not get there.
			torn = bytes.Clone(data)
			clear(torn[firm*half+cut : firm*half+half])
			if got := newestSlot(torn); !bytes.Equal(got, record) && !bytes.HasPrefix(got, before[:len("core b,")]) {
				t.Fatalf("durable record %d torn at %d reads as %q", n, cut, got)
			}
		}
	}
}

// Files of before are records as they are.
func TestPlainRecordIsRead(t *testing.T) {
	j := newTestJournal(t)
	for _, plain := range []string{"", "{", `{"schema":1}`, slotMagic, string(bytes.Repeat([]byte("\n"), 8192))} {
		if err := os.WriteFile(filepath.Join(j.dir, "f"), []byte(plain), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := j.read("f"); err != nil || string(got) != plain {
			t.Errorf("%q reads as %q, %v", plain, got, err)
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzSlot: whatever a journal file holds, reading it does not panic, and only
// what carries its checksum is taken from a slot.
func FuzzSlot(f *testing.F) {
	f.Add(encodeSlot(7, []byte("record"), 4096), 5)
	f.Add([]byte(slotMagic), 0)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		_ = newestSlot(data)
		slot := encodeSlot(3, data, (slotHead+len(data)+slotAlign)/slotAlign*slotAlign)
		if n, got, ok := decodeSlot(slot); !ok || n != 3 || !bytes.Equal(got, data) {
			t.Fatalf("%q is read as %d, %q, %v", data, n, got, ok)
		}
		if at < 0 || at >= slotHead+len(data) {
			return
		}
		slot[at] ^= 0x55
		if _, got, ok := decodeSlot(slot); ok && !bytes.Equal(got, data) {
			t.Errorf("a changed slot is believed: %q", got)
		}
	})
}
