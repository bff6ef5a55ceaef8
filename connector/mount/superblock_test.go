package mount

import (
	"bytes"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

// Whatever a device says, decoding it ends with an answer; what is answered is
// plausible.
func FuzzDecode(f *testing.F) {
	ext := make([]byte, 2048)
	copy(ext[extPlace+56:], "\x53\xef")
	ext[extPlace+4], ext[extPlace+32], ext[extPlace+104] = 9, 1, 7
	f.Add(ext)
	xfs := make([]byte, 512)
	copy(xfs, "XFSB\x00\x00\x10\x00")
	xfs[15], xfs[32], xfs[102] = 9, 7, 2
	f.Add(xfs)
	btrfs := make([]byte, btrfsPlace+4096)
	copy(btrfs[btrfsPlace+64:], "_BHRfS_M")
	f.Add(btrfs)
	f.Fuzz(func(t *testing.T, start []byte) {
		head := make([]byte, headLen)
		copy(head, start)
		if sb, ok := decode(head); ok && (sb.size <= 0 || sb.kind == "" || sb.uuid == "") {
			t.Errorf("implausible: %+v", sb)
		}
		tail := make([]byte, tailLen)
		copy(tail[max(0, tailLen-len(start)):], start)
		foreignTail(tail, 10*tailLen+512)
	})
}

func TestDecodeNeedsOneClaim(t *testing.T) {
	ext := make([]byte, headLen)
	copy(ext[extPlace+56:], "\x53\xef")
	ext[extPlace+4], ext[extPlace+32], ext[extPlace+104] = 9, 1, 7
	if sb, ok := decode(ext); !ok || sb.kind != "ext2" || sb.size != 9<<10 {
		t.Fatalf("got %+v, %v", sb, ok)
	}
	for name, change := range map[string]func([]byte){
		"a byte in front":   func(b []byte) { b[5] = 1 },
		"an LVM label":      func(b []byte) { copy(b[512:], "LABELONE") },
		"a raid superblock": func(b []byte) { copy(b[4096:], "\xfc\x4e\x2b\xa9") },
		"another magic":     func(b []byte) { copy(b, "XFSB\x00\x00\x10\x00"); b[15], b[32], b[102] = 9, 7, 2 },
		"no uuid":           func(b []byte) { b[extPlace+104] = 0 },
		"a journal device":  func(b []byte) { b[extPlace+96] = 8 },
		"a bad checksum":    func(b []byte) { b[extPlace+101] = 4 },
	} {
		other := bytes.Clone(ext)
		change(other)
		if sb, ok := decode(other); ok {
			t.Errorf("with %s: %+v", name, sb)
		}
	}
}

func TestMountFlags(t *testing.T) {
	flags, data := host.SplitOptions([]string{"noexec", "exec,noatime", "commit=5", "discard", "_netdev", "x-systemd.automount", "defaults"})
	if flags != 0x400 || data != "commit=5,discard" {
		t.Errorf("got %#x, %q", flags, data)
	}
}
