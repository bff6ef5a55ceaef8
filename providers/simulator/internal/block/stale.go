package block

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
)

// Where and how much an unzeroed disk is dirty: its head, and one block at
// every step through the whole of it.
const (
	staleHead  = 1 << 20
	staleBlock = 4 << 10
	staleStep  = 64 << 20
)

// writeStale leaves on a disk what a former owner might have: noise, and in it
// the superblock of an ext4 that was never cleanly closed. It is the same for
// every disk of the same size.
func writeStale(f *os.File, size int) error {
	noise := rand.NewChaCha8([32]byte{'s', 't', 'a', 'l', 'e'})
	head := make([]byte, staleHead)
	_, _ = noise.Read(head)
	copy(head[1024:2048], oldSuperblock(size))
	if _, err := f.WriteAt(head, 0); err != nil {
		return err
	}
	block := make([]byte, staleBlock)
	for at := int64(staleStep); at < int64(size)*gib; at += staleStep {
		_, _ = noise.Read(block)
		if _, err := f.WriteAt(block, at); err != nil {
			return err
		}
	}
	return nil
}

// oldSuperblock fills in the fields by which programs know an ext4.
func oldSuperblock(size int) []byte {
	sb := make([]byte, 1024)
	le := binary.LittleEndian
	le.PutUint32(sb[0x00:], uint32(size)*65536)  // inodes
	le.PutUint32(sb[0x04:], uint32(size)*262144) // blocks of 4 KiB
	le.PutUint32(sb[0x18:], 2)                   // block size 1 KiB << 2
	le.PutUint32(sb[0x20:], 32768)               // blocks per group
	le.PutUint32(sb[0x24:], 32768)               // clusters per group
	le.PutUint32(sb[0x28:], 8192)                // inodes per group
	le.PutUint16(sb[0x38:], 0xEF53)              // magic
	le.PutUint16(sb[0x3A:], 0)                   // state: not clean
	le.PutUint32(sb[0x4C:], 1)                   // revision with features
	le.PutUint32(sb[0x54:], 11)                  // first inode
	le.PutUint16(sb[0x58:], 256)                 // inode size
	le.PutUint32(sb[0x60:], 0x42)                // file types, extents
	copy(sb[0x68:], "formerly-in-use!")          // uuid
	copy(sb[0x78:], "stale")                     // label
	return sb
}
