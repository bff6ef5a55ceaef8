package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// nfsVolume is a filesystem of a server that the NFS client of this kernel has.
type nfsVolume struct{ dev, id string }

// nfsVolumes reads which there are. No server is asked.
func (h *Host) nfsVolumes() (volumes []nfsVolume) {
	// NV SERVER   PORT DEV          FSID                              FSC
	// v4 0a4d000b  801 0:30         50aaaac1c53945db:9166ab2fa5359ba3 no
	table, _ := os.ReadFile(h.Path("/proc/fs/nfsfs/volumes"))
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) >= 5 {
			volumes = append(volumes, nfsVolume{fields[3], fields[4]})
		}
	}
	return volumes
}

// NFSFilesystem returns the server's own id of the filesystem behind a mount,
// as the kernel has it ("50aaaac1c53945db:9166ab2fa5359ba3"). "0:0" is the root of
// an NFSv4 server's name space; "" is unknown.
func (h *Host) NFSFilesystem(dev Number) string {
	for _, v := range h.nfsVolumes() {
		if v.dev == dev.String() {
			return v.id
		}
	}
	return ""
}

// NFSUnmounted tells whether the kernel still has a filesystem of an NFS server
// that no process of the machine has mounted: something holds it all the same.
func (h *Host) NFSUnmounted(ctx context.Context, id string) bool {
	for _, v := range h.nfsVolumes() {
		if id == "" || v.id != id {
			continue
		}
		has := func(m Mount) bool { return m.Dev.String() == v.dev }
		ours, err := h.Mounts()
		theirs, errTheirs := h.Elsewhere(ctx, has)
		if err == nil && errTheirs == nil && !slices.ContainsFunc(ours, has) && len(theirs) == 0 {
			return true
		}
	}
	return false
}

// Numbers of RFC 5531 (ONC RPC) and RFC 7530 (NFS).
const (
	rpcVersion   = 2
	rpcReply     = 1
	nfsProgram   = 100003
	rpcLastPiece = 1 << 31 // of a record on a stream
	rpcXID       = 0x66757869
)

// NFSAnswers asks the server at address ("10.0.0.1:2049") to do nothing (the
// NULL procedure), which an NFS server does for everybody. A server whose kernel
// still takes connections but whose NFS threads hang is found out as well. Ends
// with ctx.
func (h *Host) NFSAnswers(ctx context.Context, address string) error {
	conn, err := h.dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if err := nullCall(conn); err != nil {
		return fmt.Errorf("%s takes connections but does not answer as an NFS server: %w", address, cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// nullCall makes the call. Whatever the reply says, somebody replies.
func nullCall(conn net.Conn) error {
	words := []uint32{rpcXID, 0, rpcVersion, nfsProgram, 4, 0, 0, 0, 0, 0} // no credentials, no verifier
	call := binary.BigEndian.AppendUint32(nil, rpcLastPiece|uint32(4*len(words)))
	for _, word := range words {
		call = binary.BigEndian.AppendUint32(call, word)
	}
	if _, err := conn.Write(call); err != nil {
		return err
	}
	var head [12]byte // mark of the record, xid, kind
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(head[4:]) != rpcXID || binary.BigEndian.Uint32(head[8:]) != rpcReply {
		return fmt.Errorf("this is no reply: % x", head)
	}
	return nil
}
