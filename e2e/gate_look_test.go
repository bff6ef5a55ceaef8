package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/e2e/rig"
)

// loopsOf lists the loop devices on one file.
func loopsOf(file string) []string {
	var out []string
	links, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, link := range links {
		if backing, err := os.ReadFile(link); err == nil && strings.TrimSpace(string(backing)) == file {
			out = append(out, link)
		}
	}
	return out
}

// digest is a hash of all bytes that are not zero, and where they are.
func digest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, block, zero := sha256.New(), make([]byte, 4096), make([]byte, 4096)
	for off := int64(0); ; {
		if off, err = unix.Seek(int(f.Fd()), off, unix.SEEK_DATA); err != nil {
			break // no data behind
		}
		off -= off % 4096
		n, err := f.ReadAt(block, off)
		if n > 0 && string(block[:n]) != string(zero[:n]) {
			fmt.Fprintf(sum, "%d:", off)
			sum.Write(block[:n])
		}
		if errors.Is(err, io.EOF) {
			break
		}
		off += 4096
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// told is what fuxi status says, as far as tests ask.
type told struct {
	SetAside []string `json:"set_aside"`
	Events   []struct{ Name, Text string }
	Volumes  []struct {
		Name, Mountpoint, Step string
		Notes                  []string
		Stale                  bool
	}
	Clouds []struct {
		Known       int
		LastRefresh time.Time `json:"last_refresh"`
	}
}

func status(t *testing.T, d *rig.Daemon) told {
	t.Helper()
	out, errs, exit := d.CLI("status", "--json")
	var st told
	if err := json.Unmarshal([]byte(out), &st); err != nil || exit != 0 {
		t.Fatalf("fuxi status: exit %d, %v, %s%s", exit, err, out, errs)
	}
	return st
}

// event waits until status shows an event with all the words.
func event(t *testing.T, d *rig.Daemon, words ...string) {
	t.Helper()
	rig.Eventually(t, 10*time.Second, func() string {
		st := status(t, d)
		for _, e := range st.Events {
			if containsAll(e.Name+" "+e.Text, words) {
				return ""
			}
		}
		return fmt.Sprintf("no event says %q: %+v", words, st.Events)
	})
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
