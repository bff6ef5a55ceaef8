package mount_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

func (r *rig) probe() connector.Content {
	r.Helper()
	c, err := r.m.Probe(hosttest.Context(r), r.src)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// notBlank expects that the device is neither called blank nor formatted.
func (r *rig) notBlank() connector.Content {
	r.Helper()
	c, err := r.m.Probe(hosttest.Context(r), r.src)
	if err == nil && c.Blank {
		r.Error("called blank")
	}
	if err := r.m.Format(hosttest.Context(r), r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid}); err == nil {
		r.Error("formatted")
	}
	return c
}

// write puts bytes on the image behind the device and lets the device see them.
func (r *rig) write(off int64, b []byte) {
	r.Helper()
	f, err := os.OpenFile(r.src.Device, os.O_WRONLY, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		r.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		r.Fatal(err)
	}
}

func TestProbeBlank(t *testing.T) {
	r := newRig(t)
	if c := r.probe(); c != (connector.Content{Blank: true}) {
		t.Errorf("got %+v", c)
	}
}

func TestProbeFilesystems(t *testing.T) {
	filesystems(t, func(r *rig, fsType string) {
		if c := r.probe(); c.Kind != fsType || c.UUID != uuid || c.Blank {
			r.Errorf("got %+v", c)
		}
		r.notBlank()
		// A marked filesystem whose head was wiped must not become blank.
		r.write(0, make([]byte, 2<<20))
		r.notBlank()
	})
}

func TestProbeMadeByTools(t *testing.T) {
	for kind, command := range map[string][]string{
		"ext2":              {"mkfs.ext2", "-q"},
		"ext3":              {"mkfs.ext3", "-q"},
		"ext4":              {"mkfs.ext4", "-q", "-b", "1024"},
		"vfat":              {"mkfs.vfat"},
		"ntfs":              {"mkntfs", "-Q", "-F"},
		"f2fs":              {"mkfs.f2fs", "-q"},
		"swap":              {"mkswap"},
		"LVM2_member":       {"pvcreate", "-q", "--devicesfile", ""},
		"crypto_LUKS":       {"cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "/etc/hostname"},
		"linux_raid_member": {"mdadm", "--zero-superblock", "--force"}, // replaced below
		"gpt":               {"sgdisk", "-n", "1:0:0"},
	} {
		t.Run(kind, func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skip("the fixtures cover it without " + command[0])
			}
			r := newRig(t)
			if kind == "linux_raid_member" {
				r.write(4096, raidSuperblock())
			} else if out, err := exec.Command(command[0], append(command[1:], r.src.Device)...).CombinedOutput(); err != nil {
				t.Skipf("%v: %v: %s", command, err, out)
			}
			if c := r.notBlank(); c.Kind != kind {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// raidSuperblock is the beginning of an md superblock, version 1.2, with its
// checksum.
func raidSuperblock() []byte {
	le := binary.LittleEndian
	b := make([]byte, 512)
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	copy(b[16:], "0123456789abcdef")
	le.PutUint64(b[144:], 8) // super_offset, sectors
	var sum uint64
	for i := 0; i < 256; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
	return b
}

// Signatures in their smallest form: whatever blkid of this host makes of them,
// the device is not blank.
func TestProbeFixtures(t *testing.T) {
	for name, f := range map[string]struct {
		off   int64
		bytes string
	}{
		"LUKS1": {0, "LUKS\xba\xbe\x00\x01aes"}, "LUKS2": {0, "LUKS\xba\xbe\x00\x02"}, "LUKS2 second header": {0x4000, "SKUL\xba\xbe\x00\x02"},
		"LVM": {512, "LABELONE\x01\x00\x00\x00\x00\x00\x00\x00LVM2 001"},
		"MBR": {510, "\x55\xaa"}, "GPT": {512, "EFI PART\x00\x00\x01\x00"}, "GPT at the tail": {hosttest.GiB - 512, "EFI PART\x00\x00\x01\x00"},
		"swap": {4086, "SWAPSPACE2"}, "md 1.0": {hosttest.GiB - 8192, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"}, "md 1.2": {4096, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"},
		"md 0.90": {hosttest.GiB - 65536, "\xfc\x4e\x2b\xa9\x00\x00\x00\x00"}, "zfs": {128 << 10, "\x0c\xb1\xba\x00\x00\x00\x00\x00"},
		"zfs at the tail": {hosttest.GiB - 256<<10 + 128<<10, "\x0c\xb1\xba\x00\x00\x00\x00\x00"},
		"bcache":          {4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
		"last byte":       {hosttest.GiB - 1, "x"}, "first byte": {0, "x"},
		"second superblock, 1 KiB blocks": {8193<<10 + 56, "\x53\xef"}, "second superblock, 4 KiB blocks": {32768*4096 + 56, "\x53\xef"},
		"btrfs mirror": {64<<20 + 64, "_BHRfS_M"}, "xfs group": {hosttest.GiB / 4, "XFSB"},
		"first sample": {(hosttest.GiB - 65536) / 63 * 1, "x"}, "37th sample": {(hosttest.GiB-65536)/63*37 + 65535, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(f.off, []byte(f.bytes))
			if c := r.notBlank(); c.Kind == "" || c.Where == "" {
				t.Errorf("no evidence: %+v", c)
			}
		})
	}
}

// A filesystem below another claim is not the device's own.
func TestProbeLooksBehindAFilesystem(t *testing.T) {
	for name, f := range map[string]struct {
		off   int64
		bytes []byte
	}{
		"LUKS header in front":  {0, []byte("LUKS\xba\xbe\x00\x01")},
		"partition table":       {510, []byte("\x55\xaa")},
		"raid 1.0 at the end":   {hosttest.GiB - 8192, raidAt((hosttest.GiB - 8192) / 512)},
		"superblock damaged":    {1024 + 200, []byte("damage")},
		"xfs superblock before": {0, []byte("XFSB")},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.format("ext4")
			r.write(f.off, f.bytes)
			if c, err := r.m.Probe(hosttest.Context(t), r.src); err == nil && (c.Blank || c.Kind == "ext4" && c.Where != "blkid") {
				t.Errorf("got %+v", c)
			} else {
				t.Logf("%+v %v", c, err)
			}
		})
	}
}

func raidAt(sector int64) []byte {
	b := raidSuperblock()
	binary.LittleEndian.PutUint64(b[144:], uint64(sector))
	binary.LittleEndian.PutUint32(b[216:], 0)
	var sum uint64
	for i := 0; i < 256; i += 4 {
		sum += uint64(binary.LittleEndian.Uint32(b[i:]))
	}
	binary.LittleEndian.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
	return b
}

// Could not read is never blank: blkid answers "nothing found" for it.
func TestProbeUnreadable(t *testing.T) {
	for _, size := range []int64{0, 4 << 20, hosttest.GiB / 2, hosttest.GiB - 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRig(t)
			if err := os.Truncate(r.image, size); err != nil {
				t.Fatal(err)
			}
			if c, err := r.m.Probe(hosttest.Context(t), r.src); err == nil {
				t.Errorf("got %+v", c)
			}
			r.notBlank()
			if err := os.Truncate(r.image, hosttest.GiB); err != nil {
				t.Fatal(err)
			}
		})
	}
	r := newRig(t)
	r.src.Device = "/dev/does-not-exist"
	if c, err := r.m.Probe(hosttest.Context(t), r.src); err == nil {
		t.Errorf("missing device: %+v", c)
	}
}

// Bytes between the samples are not seen, which is why a probe alone never
// decides; but what is seen must be complete.
func TestProbeWhere(t *testing.T) {
	r := newRig(t)
	r.write(1<<20+7, bytes.Repeat([]byte{1}, 3))
	if c := r.probe(); c.Kind != "data" || c.Where != fmt.Sprintf("offset %d", 1<<20+7) {
		t.Errorf("got %+v", c)
	}
}
