package e2e

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// content puts something on a volume's file.
type content func(t *testing.T, raw string)

// bytesAt writes at an offset; a negative one counts from the end.
func bytesAt(off int64, text string) content {
	return func(t *testing.T, raw string) {
		t.Helper()
		f, err := os.OpenFile(raw, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if off < 0 {
			off += gib
		}
		if _, err := f.WriteAt([]byte(text), off); err != nil {
			t.Fatal(err)
		}
	}
}

// tool runs a command on the file; where this machine lacks it, the fixture
// stands in.
func tool(fixture content, command ...string) content {
	return func(t *testing.T, raw string) {
		t.Helper()
		if _, err := exec.LookPath(command[0]); err != nil && fixture != nil {
			fixture(t, raw)
			return
		}
		if out, err := exec.Command(command[0], append(command[1:], raw)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
}

func both(parts ...content) content {
	return func(t *testing.T, raw string) {
		t.Helper()
		for _, p := range parts {
			p(t, raw)
		}
	}
}

func shell(script string) content {
	return func(t *testing.T, raw string) {
		t.Helper()
		if out, err := exec.Command("sh", "-ec", script, "sh", raw).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
}

// raidMember is an md superblock with its checksum, of version 1 at off.
func raidMember(off int64) content {
	le := binary.LittleEndian
	b := make([]byte, 512)
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	copy(b[16:], "0123456789abcdef")
	le.PutUint64(b[144:], uint64(off/512))
	var sum uint64
	for i := 0; i < 256; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
	return bytesAt(off, string(b))
}

// physicalVolume is an LVM label with its checksum.
func physicalVolume() content {
	le := binary.LittleEndian
	b := make([]byte, 512)
	copy(b, "LABELONE")
	le.PutUint64(b[8:], 1)
	le.PutUint32(b[20:], 32)
	copy(b[24:], "LVM2 001")
	copy(b[32:], "0123456789abcdefghijklmnopqrstuv")
	le.PutUint32(b[16:], ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b[20:]))
	return bytesAt(512, string(b))
}

func luks(version string) content {
	return tool(bytesAt(0, "LUKS\xba\xbe\x00"+string(rune(version[0]-'0'))), "cryptsetup", "luksFormat", "-q", "--type", "luks"+version,
		"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "/etc/hostname")
}

// foreign is what somebody else may have on a disk. says is what the refusal
// must name.
func foreign() map[string]struct {
	put  content
	says string
} {
	type c = struct {
		put  content
		says string
	}
	wiped := func(mkfs ...string) content {
		return both(tool(nil, mkfs...), shell(`dd if=/dev/zero of="$1" bs=1M count=2 conv=notrunc status=none`))
	}
	return map[string]c{
		"ext2":           {tool(nil, "mkfs.ext2", "-q"), "ext2 with uuid"},
		"ext3":           {tool(nil, "mkfs.ext3", "-q"), "ext3 with uuid"},
		"ext4":           {tool(nil, "mkfs.ext4", "-q"), "ext4 with uuid"},
		"ext4, 1 KiB":    {tool(nil, "mkfs.ext4", "-q", "-b", "1024"), "ext4 with uuid"},
		"xfs":            {tool(nil, "mkfs.xfs", "-q", "-f"), "xfs with uuid"},
		"btrfs":          {tool(nil, "mkfs.btrfs", "-q", "-f"), "btrfs with uuid"},
		"vfat":           {tool(bytesAt(0, "\xeb\x3c\x90mkfs.fat"), "mkfs.vfat"), ""},
		"ntfs":           {tool(bytesAt(3, "NTFS    "), "mkntfs", "-Q", "-F"), ""},
		"f2fs":           {tool(bytesAt(1024, "\x10\x20\xf5\xf2"), "mkfs.f2fs", "-q"), ""},
		"swap":           {tool(bytesAt(4086, "SWAPSPACE2"), "mkswap", "-q"), ""},
		"squashfs":       {both(bytesAt(0, "hsqs\x01\x00\x00\x00"), bytesAt(28, "\x04\x00\x00\x00")), ""},
		"zfs":            {bytesAt(128<<10, "\x0c\xb1\xba\x00\x00\x00\x00\x00"), ""},
		"GPT":            {tool(bytesAt(512, "EFI PART\x00\x00\x01\x00"), "sgdisk", "-n", "1:0:0"), ""},
		"GPT's backup":   {bytesAt(-512, "EFI PART\x00\x00\x01\x00"), ""},
		"MBR":            {shell(`echo ,,L | sfdisk -q "$1"`), "dos"},
		"LUKS1":          {luks("1"), ""},
		"LUKS2":          {luks("2"), ""},
		"LVM":            {physicalVolume(), "LVM2_member"},
		"md 1.2":         {raidMember(4096), "linux_raid_member"},
		"md 1.0":         {raidMember(gib - 8192), "linux_raid_member"},
		"wiped ext4":     {wiped("mkfs.ext4", "-q"), "data without a known signature"},
		"wiped ext4, 1K": {wiped("mkfs.ext4", "-q", "-b", "1024"), "data without a known signature"},
		"wiped xfs":      {wiped("mkfs.xfs", "-q", "-f"), "data without a known signature"},
		"wiped btrfs":    {wiped("mkfs.btrfs", "-q", "-f"), ""},
	}
}

// sampled are single bytes at one of the places of each kind that are read
// before a disk is called blank.
func sampled() map[string]content {
	at := func(k int64) content { return bytesAt((gib-65536)/63*k+777, "x") }
	return map[string]content{
		"first byte": bytesAt(0, "x"), "end of the head": bytesAt(2<<20-1, "x"),
		"begin of the tail": bytesAt(-1<<20, "x"), "last byte": bytesAt(-1, "x"),
		"sample 1": at(1), "sample 20": at(20), "sample 37": at(37), "sample 62": at(62),
		"ext4's second superblock, 1 KiB blocks": bytesAt(8193<<10+56, "\x53\xef"),
		"ext4's second superblock, 4 KiB blocks": bytesAt(32768*4096+56, "\x53\xef"),
		"btrfs's second superblock":              bytesAt(64<<20+64, "_BHRfS_M"),
		"xfs's second group":                     bytesAt(gib/4, "XFSB"),
	}
}

// What somebody else put on a volume that fuxi never formatted stays, byte for
// byte, and the refusal says what was found and what an operator may order.
func TestForeignContentIsNeverFormatted_B1_B3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "gate", quiet())
	d.Start()
	refuse := func(t *testing.T, name string, put content, says string) {
		s := newScene(t, cloud, d, name, nil)
		put(t, s.raw())
		text := s.refused(s.id, "was never formatted by fuxi", "left alone", "fuxi format "+name+" --erase --id "+s.id, says)
		t.Log(text)
		if marks := s.seen().Metadata; marks["fuxi:formatting"]+marks["fuxi:formatted"] != "" {
			t.Errorf("marks %v", marks)
		}
		s.blank()
		if names := s.usable(); len(names) > 0 {
			t.Errorf("a new filesystem shows %v", names)
		}
		if err := d.Remove(name); err != nil {
			t.Error(err)
		}
	}
	t.Run("content", func(t *testing.T) {
		for name, c := range foreign() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				refuse(t, plain("foreign-"+name), c.put, c.says)
			})
		}
		for name, put := range sampled() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				refuse(t, plain("sampled-"+name), put, "data without a known signature")
			})
		}
	})
	if left := cloud.Attachments(); len(left) > 0 {
		t.Errorf("attachments are left: %v", left)
	}
}

// plain makes a volume name of a sentence.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,':", r) {
			return '_'
		}
		return r
	}, text)
}

// A repeated refusal, a restart and a crash in between change nothing: there
// is no second try that formats.
func TestForeignContentSurvivesRestarts_B2(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "gate", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	tool(nil, "mkfs.ext4", "-q", "-L", "theirs")(t, s.raw())
	for try := range 3 {
		s.refused("ext4 with uuid", fmt.Sprintf("fuxi format vol --erase --id %s", s.id))
		switch try {
		case 0:
			d.Kill9()
		default:
			d.Stop()
		}
		d.Start()
	}
	if err := os.Remove(filepath.Join(d.StateDir(), "registry.jsonl")); err != nil {
		t.Fatal(err)
	}
	s.refused("ext4 with uuid")
}
