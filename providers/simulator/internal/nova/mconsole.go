package nova

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// UML is a hypervisor whose guests are user-mode Linux kernels: it speaks to
// their management consoles, by which disks are plugged and unplugged while the
// guest runs.
type UML struct {
	guests map[string]Guest
	mu     sync.Mutex // one command at a time
}

// Guest is one user-mode kernel.
type Guest struct {
	// Console is its management console's socket.
	Console string
	// From and To turn the path of a volume's data into the one by which the
	// guest's own process finds it; "" leaves it as it is.
	From, To string
}

// NewUML returns a hypervisor with these guests, by server id. Others have no
// disks to see.
func NewUML(guests map[string]Guest) *UML { return &UML{guests: guests} }

// mconsole's wire form (arch/um/drivers/mconsole.h of the kernel): three native
// words, then text.
const (
	mconsoleMagic   = 0xcafebabe
	mconsoleVersion = 2
	mconsoleMax     = 512
	consoleTimeout  = 10 * time.Second
)

// ubdSlots are the letters of the disks that may be plugged; the first is the
// guest's own.
const ubdSlots = "bcdefghijklmnop"

// serialMost is what virtio-blk keeps of a serial. user-mode Linux keeps all of it;
// a guest here shall see what most guests see.
const serialMost = 20

// Plug gives the guest a disk whose serial is the volume's id, as far as
// virtio-blk would show it.
func (u *UML) Plug(ctx context.Context, server string, b Backing) error {
	g, is := u.guests[server]
	if !is {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	path := g.path(b)
	serial := b.Serial[:min(serialMost, len(b.Serial))]
	slot, free, err := g.find(ctx, path)
	switch {
	case err != nil || slot != "":
		return err
	case free == "":
		return errors.New("all disks of the guest are taken")
	}
	_, err = g.command(ctx, fmt.Sprintf("config %s=%s,,%s", free, path, serial))
	return err
}

// Unplug takes the disk away; the kernel refuses while it is open.
func (u *UML) Unplug(ctx context.Context, server string, b Backing) error {
	g, is := u.guests[server]
	if !is {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	slot, _, err := g.find(ctx, g.path(b))
	if err != nil || slot == "" {
		return err
	}
	_, err = g.command(ctx, "remove "+slot)
	return err
}

func (g Guest) path(b Backing) string {
	if rest, is := strings.CutPrefix(b.Path, g.From); is && g.From != "" {
		return g.To + rest
	}
	return b.Path
}

// find returns the disk that has the file, and the first that has none.
func (g Guest) find(ctx context.Context, path string) (slot, free string, err error) {
	for _, letter := range ubdSlots {
		name := "ubd" + string(letter)
		has, err := g.command(ctx, "config "+name)
		if err != nil {
			return "", "", err
		}
		has, _, _ = strings.Cut(strings.TrimSpace(has), ",")
		if has == path {
			return name, "", nil
		}
		if has == "" && free == "" {
			free = name
		}
	}
	return "", free, nil
}

// command sends one command and returns what the console says. The reply comes to
// the address that we bind: an abstract one, which a guest finds in whatever
// directory it is confined, as long as it shares our network namespace.
func (g Guest) command(ctx context.Context, text string) (string, error) {
	if len(text) >= mconsoleMax {
		return "", fmt.Errorf("mconsole takes %d characters: %s", mconsoleMax-1, text)
	}
	local := &net.UnixAddr{Net: "unixgram", Name: fmt.Sprintf("@fuxi-sim-%d", time.Now().UnixNano())}
	conn, err := net.DialUnix("unixgram", local, &net.UnixAddr{Net: "unixgram", Name: g.Console})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline := time.Now().Add(consoleTimeout)
	if end, has := ctx.Deadline(); has && end.Before(deadline) {
		deadline = end
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	request := make([]byte, 12+mconsoleMax)
	for i, word := range []uint32{mconsoleMagic, mconsoleVersion, uint32(len(text))} {
		binary.NativeEndian.PutUint32(request[4*i:], word)
	}
	copy(request[12:], text)
	if _, err := conn.Write(request); err != nil {
		return "", err
	}
	return reply(conn, text)
}

// reply joins the parts of an answer: error, more to come, length, text.
func reply(conn *net.UnixConn, asked string) (string, error) {
	var all strings.Builder
	for {
		part := make([]byte, 12+4096)
		n, err := conn.Read(part)
		if err != nil {
			return "", fmt.Errorf("mconsole, %s: %w", asked, err)
		}
		if n < 12 {
			return "", fmt.Errorf("mconsole, %s: an answer of %d bytes", asked, n)
		}
		failed, more := binary.NativeEndian.Uint32(part), binary.NativeEndian.Uint32(part[4:])
		length := min(int(binary.NativeEndian.Uint32(part[8:])), n-12)
		all.Write(part[12 : 12+length])
		if more != 0 {
			continue
		}
		text := strings.Trim(all.String(), "\x00\n ")
		if failed != 0 {
			return "", fmt.Errorf("mconsole, %s: %s", asked, text)
		}
		return text, nil
	}
}
