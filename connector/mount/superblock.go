package mount

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// superblock is what a filesystem says of itself at its own place. Layouts:
// the kernel's fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h and
// include/uapi/linux/btrfs_tree.h.
type superblock struct {
	kind  string // ext2, ext3, ext4, xfs or btrfs
	uuid  string
	where int64 // offset of the superblock, bytes
	size  int64 // of the filesystem, bytes
	// unfinished: mkfs was interrupted before its last write.
	unfinished bool
	// replay: the journal must be replayed before the filesystem is consistent.
	replay bool
}

// Places of the superblocks and their neighbours, bytes.
const (
	extPlace   = 1024
	btrfsPlace = 64 << 10
	endLen     = 128 << 10 // of head and of tail: all that decode and foreignTail look at
	headLen    = 2 << 20   // what must be zero on a blank device
	tailLen    = 1 << 20
)

// decode reads the superblock from the first 128 KiB of a device. It answers
// only for what it recognises completely: one magic number, a valid checksum
// where the format has one, sizes that make sense, and nothing else in front.
func decode(head []byte) (superblock, bool) {
	var found []superblock
	for _, read := range []func([]byte) (superblock, bool){decodeExt, decodeXFS, decodeBtrfs} {
		if sb, ok := read(head); ok {
			found = append(found, sb)
		}
	}
	if len(found) != 1 || foreignHead(head) || !isZero(head[:found[0].where]) {
		return superblock{}, false
	}
	return found[0], true
}

func decodeExt(head []byte) (superblock, bool) {
	if len(head) < extPlace+1024 {
		return superblock{}, false
	}
	b, le := head[extPlace:extPlace+1024], binary.LittleEndian
	compat, incompat, roCompat := le.Uint32(b[92:]), le.Uint32(b[96:]), le.Uint32(b[100:])
	shift := le.Uint32(b[24:])
	if le.Uint16(b[56:]) != 0xEF53 || shift > 6 || le.Uint32(b[32:]) == 0 || incompat&0x8 != 0 {
		return superblock{}, false // incompat 0x8 is a journal on a device of its own
	}
	if roCompat&0x400 != 0 && le.Uint32(b[1020:]) != ^castagnoli(b[:1020]) {
		return superblock{}, false
	}
	blocks := int64(le.Uint32(b[4:]))
	if incompat&0x80 != 0 {
		blocks |= int64(le.Uint32(b[0x150:])) << 32
	}
	kind := "ext2"
	switch {
	case incompat&^0x16 != 0 || roCompat&^0x7 != 0: // beyond what ext3 knew
		kind = "ext4"
	case compat&0x4 != 0: // has_journal
		kind = "ext3"
	}
	const valid = 1
	neverMounted := le.Uint32(b[44:]) == 0
	sb := superblock{kind: kind, uuid: uuidText(b[104:120]), where: extPlace, size: blocks << (10 + shift),
		unfinished: le.Uint16(b[58:])&valid == 0 && neverMounted, replay: incompat&0x4 != 0}
	return sb, plausible(sb, blocks)
}

func decodeXFS(head []byte) (superblock, bool) {
	if len(head) < 512 || string(head[:4]) != "XFSB" {
		return superblock{}, false
	}
	be := binary.BigEndian
	block, sector := int64(be.Uint32(head[4:])), int(be.Uint16(head[102:]))
	if block < 512 || block > 64<<10 || sector < 512 || sector > 32<<10 || len(head) < sector {
		return superblock{}, false
	}
	if be.Uint16(head[100:])&0xf == 5 {
		own := bytes.Clone(head[:sector])
		clear(own[224:228])
		if binary.LittleEndian.Uint32(head[224:]) != castagnoli(own) {
			return superblock{}, false
		}
	}
	blocks := int64(be.Uint64(head[8:]))
	sb := superblock{kind: "xfs", uuid: uuidText(head[32:48]), size: blocks * block, unfinished: head[126] != 0}
	return sb, plausible(sb, blocks)
}

func decodeBtrfs(head []byte) (superblock, bool) {
	if len(head) < btrfsPlace+4096 {
		return superblock{}, false
	}
	b, le := head[btrfsPlace:btrfsPlace+4096], binary.LittleEndian
	if string(b[64:72]) != "_BHRfS_M" || le.Uint64(b[48:]) != btrfsPlace {
		return superblock{}, false // mkfs writes another magic until it is done
	}
	const crc32c = 0
	if le.Uint16(b[196:]) == crc32c && le.Uint32(b) != castagnoli(b[32:]) {
		return superblock{}, false
	}
	size := int64(le.Uint64(b[209:])) // dev_item.total_bytes: this device's share
	sb := superblock{kind: "btrfs", uuid: uuidText(b[32:48]), where: btrfsPlace, size: size, replay: le.Uint64(b[96:]) != 0}
	return sb, plausible(sb, size)
}

// foreignHead tells whether something claims the beginning of the device that
// may contain a filesystem without being one: a raid member or an LVM label.
func foreignHead(head []byte) bool {
	for _, off := range []int{0, 512, 1024, 1536} {
		if bytes.HasPrefix(head[off:], []byte("LABELONE")) {
			return true
		}
	}
	return isRaid(head[0:]) || isRaid(head[4096:])
}

// foreignTail tells whether the end of the device carries a raid superblock, a
// firmware raid's signature or a backup partition table: then the filesystem at
// the beginning is not the device's own, or not the only thing on it.
func foreignTail(tail []byte, size int64) bool {
	start := size - int64(len(tail))
	at := func(off int64) []byte {
		if off < start || off+64 > size {
			return nil
		}
		return tail[off-start:]
	}
	sectors := size / 512
	version1 := ((sectors - 16) &^ 7) * 512
	version0 := size&^(64<<10-1) - 64<<10
	last, beforeLast := tail[len(tail)-512:], tail[len(tail)-1024:]
	return isRaid(at(version1)) || isRaid(at(version0)) ||
		bytes.HasPrefix(last, []byte("EFI PART")) || bytes.HasPrefix(tail[len(tail)-min(4096, len(tail)):], []byte("EFI PART")) ||
		bytes.HasPrefix(beforeLast, []byte("Intel Raid ISM Cfg Sig")) || bytes.HasPrefix(last, []byte{0xDE, 0x11, 0xDE, 0x11})
}

func isRaid(b []byte) bool {
	return len(b) >= 4 && (binary.LittleEndian.Uint32(b) == 0xa92b4efc || binary.BigEndian.Uint32(b) == 0xa92b4efc)
}

func plausible(sb superblock, blocks int64) bool {
	const most = 1 << 60
	return blocks > 0 && sb.size > 0 && sb.size < most && sb.uuid != "00000000-0000-0000-0000-000000000000"
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func uuidText(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func isZero(b []byte) bool { return firstData(b) < 0 }

// firstData returns the index of the first byte that is not zero, or -1.
func firstData(b []byte) int {
	zeros := make([]byte, 4096)
	for off := 0; off < len(b); off += len(zeros) {
		part := b[off:min(off+len(zeros), len(b))]
		if !bytes.Equal(part, zeros[:len(part)]) {
			return off + slices.IndexFunc(part, func(c byte) bool { return c != 0 })
		}
	}
	return -1
}
