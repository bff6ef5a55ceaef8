package pretend

import (
	"bytes"
	"encoding/binary"
)

// initOut agrees on protocol 7.31, whatever newer one the kernel speaks.
func initOut() []byte {
	out := make([]byte, 64)
	binary.NativeEndian.PutUint32(out[0:], 7)
	binary.NativeEndian.PutUint32(out[4:], 31)
	binary.NativeEndian.PutUint32(out[8:], maxWrite)
	binary.NativeEndian.PutUint16(out[16:], 64) // requests in the background
	binary.NativeEndian.PutUint16(out[18:], 48)
	binary.NativeEndian.PutUint32(out[20:], maxWrite)
	binary.NativeEndian.PutUint32(out[24:], 1)
	return out
}

// entryOut is the head of struct fuse_entry_out; nothing may be cached.
func entryOut(e *entry) []byte {
	out := make([]byte, 40)
	binary.NativeEndian.PutUint64(out, e.id)
	return out
}

// attrOut is struct fuse_attr.
func attrOut(e *entry) []byte {
	out := make([]byte, 88)
	binary.NativeEndian.PutUint64(out[0:], e.id)
	if !e.isDir() {
		binary.NativeEndian.PutUint64(out[8:], 4096) // as sysfs says of every file
	}
	binary.NativeEndian.PutUint32(out[60:], e.mode)
	binary.NativeEndian.PutUint32(out[64:], 1)
	binary.NativeEndian.PutUint32(out[80:], 4096)
	return out
}

// dirent is struct fuse_dirent, padded to eight bytes.
func dirent(e *entry, next uint64) []byte {
	out := make([]byte, (24+len(e.name)+7)/8*8)
	binary.NativeEndian.PutUint64(out[0:], e.id)
	binary.NativeEndian.PutUint64(out[8:], next)
	binary.NativeEndian.PutUint32(out[16:], uint32(len(e.name)))
	binary.NativeEndian.PutUint32(out[20:], e.mode>>12)
	copy(out[24:], e.name)
	return out
}

// part returns what struct fuse_read_in asks for.
func part(content, body []byte) []byte {
	offset, size := binary.NativeEndian.Uint64(body[8:]), uint64(binary.NativeEndian.Uint32(body[16:]))
	length := uint64(len(content))
	offset = min(offset, length)
	return content[offset:min(offset+size, length)]
}

func cString(b []byte) string {
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}
