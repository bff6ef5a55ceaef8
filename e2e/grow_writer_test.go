package e2e

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/e2e/rig"
)

// writer is a container's process: it appends numbered, checksummed lines to a
// file and syncs each, until it is told to stop.
type writer struct {
	t      *testing.T
	path   string
	synced atomic.Int64 // lines that must be there, whatever happens
	stop   chan struct{}
	done   chan error
}

func startWriter(t *testing.T, path string) *writer {
	t.Helper()
	w := &writer{t: t, path: path, stop: make(chan struct{}), done: make(chan error, 1)}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer f.Close()
		w.done <- w.write(f)
	}()
	rig.Eventually(t, 10*time.Second, func() string {
		if w.synced.Load() < 3 {
			return "the writer does not write"
		}
		return ""
	})
	return w
}

func (w *writer) write(f *os.File) error {
	for n := int64(1); ; n++ {
		select {
		case <-w.stop:
			return nil
		default:
		}
		if _, err := f.WriteString(writtenLine(n)); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		w.synced.Store(n)
	}
}

func writtenLine(n int64) string {
	return fmt.Sprintf("%d %x\n", n, sha256.Sum256([]byte(strconv.FormatInt(n, 10))))
}

// went expects that the writer goes on beyond so many lines, and was never
// refused.
func (w *writer) went(since int64) {
	w.t.Helper()
	select {
	case err := <-w.done:
		w.t.Fatalf("the writer ended after %d lines: %v", w.synced.Load(), err)
	default:
	}
	rig.Eventually(w.t, 10*time.Second, func() string {
		if now := w.synced.Load(); now <= since {
			return fmt.Sprintf("the writer stands still at %d lines", now)
		}
		return ""
	})
}

// end stops the writer and reads all lines again.
func (w *writer) end() {
	w.t.Helper()
	close(w.stop)
	if err := <-w.done; err != nil {
		w.t.Fatalf("the writer: %v", err)
	}
	w.verify(w.path)
}

// verify reads every line that was synced, at whatever path they are now.
func (w *writer) verify(path string) {
	w.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	n := int64(0)
	for in := bufio.NewScanner(f); in.Scan(); {
		n++
		if want := strings.TrimSuffix(writtenLine(n), "\n"); in.Text() != want {
			w.t.Fatalf("line %d is %q, want %q", n, in.Text(), want)
		}
	}
	if want := w.synced.Load(); n < want {
		w.t.Errorf("%d lines are there, %d were synced", n, want)
	}
}

// growsMountedExt4: the kernel lets only those with CAP_SYS_RESOURCE grow an
// ext4 that is mounted, which a container's root usually is not.
func growsMountedExt4(t *testing.T) bool {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// allocate reserves a file's blocks, as a database does that fills its volume.
func allocate(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		t.Errorf("allocating %d bytes: %v", size, err)
	}
}
