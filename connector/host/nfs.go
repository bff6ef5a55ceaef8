package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// NFSFilesystem returns the server's own id of the filesystem behind a mount,
// as /proc/fs/nfsfs/volumes has it ("50aaaac1c53945db:9166ab2fa5359ba3"), without
// asking the server. "0:0" is the root of an NFSv4 server's name space; "" is
// unknown.
func (h *Host) NFSFilesystem(dev Number) string {
	// NV SERVER   PORT DEV          FSID                              FSC
	// v4 0a4d000b  801 0:30         50aaaac1c53945db:9166ab2fa5359ba3 no
	table, _ := os.ReadFile(h.Path("/proc/fs/nfsfs/volumes"))
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) >= 5 && fields[3] == dev.String() {
			return fields[4]
		}
	}
	return ""
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
