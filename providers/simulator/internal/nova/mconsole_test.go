package nova

import (
	"encoding/binary"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// console plays a user-mode kernel's management console, as seen on Linux 6.12.
type console struct {
	t    *testing.T
	conn *net.UnixConn

	mu    sync.Mutex
	disks map[string]string // name to "path,,serial"
	busy  bool
}

func newConsole(t *testing.T) (*console, Guest) {
	path := filepath.Join(t.TempDir(), "mconsole")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, conn: conn, disks: map[string]string{"ubda": "/run/lab/node.cow,/run/cache/disk"}}
	done := make(chan struct{})
	go func() { defer close(done); c.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return c, Guest{Console: path, From: "/srv/sim", To: "/run/lab/sim"}
}

func (c *console) serve() {
	for {
		buf := make([]byte, 1024)
		n, from, err := c.conn.ReadFromUnix(buf)
		if err != nil {
			return
		}
		if n != 12+mconsoleMax || binary.NativeEndian.Uint32(buf) != mconsoleMagic || binary.NativeEndian.Uint32(buf[4:]) != mconsoleVersion {
			c.t.Errorf("%d bytes, %x", n, buf[:12])
		}
		failed, text := c.do(string(buf[12 : 12+binary.NativeEndian.Uint32(buf[8:])]))
		half := len(text) / 2 // long answers come in parts
		c.say(from, failed, 1, text[:half])
		c.say(from, failed, 0, text[half:]+"\x00")
	}
}

func (c *console) say(to *net.UnixAddr, failed, more uint32, text string) {
	part := make([]byte, 12+len(text))
	for i, word := range []uint32{failed, more, uint32(len(text))} {
		binary.NativeEndian.PutUint32(part[4*i:], word)
	}
	copy(part[12:], text)
	if _, err := c.conn.WriteToUnix(part, to); err != nil {
		c.t.Error(err)
	}
}

func (c *console) do(command string) (failed uint32, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	verb, rest, _ := strings.Cut(command, " ")
	name, value, sets := strings.Cut(rest, "=")
	switch {
	case verb == "config" && sets:
		c.disks[name] = value
		return 0, "OK"
	case verb == "config":
		path, _, _ := strings.Cut(c.disks[name], ",,")
		return 0, path
	case verb == "remove" && c.busy:
		return 0xfffffff0, "Device is currently open"
	case verb == "remove" && c.disks[name] == "":
		return 0xffffffed, "Device doesn't exist"
	case verb == "remove":
		delete(c.disks, name)
		return 0, "OK"
	}
	return 1, "Unknown command"
}

func (c *console) seen() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.disks)
}

func (c *console) hold(busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = busy
}

func TestConsole(t *testing.T) {
	c, guest := newConsole(t)
	u := NewUML(map[string]Guest{"vm": guest})
	backing := func(n string) Backing {
		return Backing{Path: "/srv/sim/volumes/" + n + ".raw", Serial: n + "a7a1bd5-2d5e-4d4c-9a3f-0f6b52f1c001"}
	}
	plug := func(n string) {
		t.Helper()
		if err := u.Plug(t.Context(), "vm", backing(n)); err != nil {
			t.Fatal(err)
		}
	}
	unplug := func(n string) error { return u.Unplug(t.Context(), "vm", backing(n)) }
	plug("1")
	plug("1") // again changes nothing
	plug("2")
	seen := c.seen()
	if got := seen["ubdb"]; got != "/run/lab/sim/volumes/1.raw,,1a7a1bd5-2d5e-4d4c-9" || len(seen) != 3 {
		t.Errorf("%v", seen)
	}
	c.hold(true)
	if err := unplug("1"); err == nil || !strings.Contains(err.Error(), "currently open") {
		t.Errorf("unplug of a disk in use: %v", err)
	}
	c.hold(false)
	for range 2 {
		if err := unplug("1"); err != nil {
			t.Fatal(err)
		}
	}
	plug("3") // takes the place that is free
	seen = c.seen()
	if names := slices.Sorted(maps.Keys(seen)); !slices.Equal(names, []string{"ubda", "ubdb", "ubdc"}) || !strings.Contains(seen["ubdb"], "3.raw") {
		t.Errorf("%v", seen)
	}
	if err := u.Plug(t.Context(), "another", backing("4")); err != nil || len(c.seen()) != 3 {
		t.Errorf("a server without a guest: %v, %v", err, c.seen())
	}
}

func TestFullConsole(t *testing.T) {
	c, guest := newConsole(t)
	c.mu.Lock()
	for _, letter := range ubdSlots {
		c.disks["ubd"+string(letter)] = "/x,,y"
	}
	c.mu.Unlock()
	if err := NewUML(map[string]Guest{"vm": guest}).Plug(t.Context(), "vm", Backing{Path: "/p", Serial: "s"}); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("%v", err)
	}
}
