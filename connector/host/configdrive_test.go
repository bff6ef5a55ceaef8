package host_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

const sector = 2048

// isoImage is a minimal ISO 9660 image (ECMA-119) with one file, in whose
// directories each path has its own sector.
func isoImage(label string, document []byte) []byte {
	image := make([]byte, 22*sector+(len(document)/sector+1)*sector)
	volume := image[16*sector:]
	volume[0], volume[6] = 1, 1
	copy(volume[1:], "CD001")
	copy(volume[40:72], fmt.Sprintf("%-32s", label))
	both32(volume[80:], uint32(len(image)/sector))
	both16(volume[120:], 1)
	both16(volume[124:], 1)
	both16(volume[128:], sector)
	copy(volume[156:], entry("\x00", 18, sector, true))
	volume[881] = 1
	end := image[17*sector:]
	end[0], end[6] = 255, 1
	copy(end[1:], "CD001")
	fill(image, 18, 18, entry("OPENSTACK", 19, sector, true))
	fill(image, 19, 18, entry("LATEST", 20, sector, true))
	fill(image, 20, 19, entry("META_DATA.JSON;1", 21, uint32(len(document)), false))
	copy(image[21*sector:], document)
	return image
}

// fill writes a directory: itself, its parent and one more.
func fill(image []byte, at, parent uint32, last []byte) {
	dir := image[at*sector:]
	for _, e := range [][]byte{entry("\x00", at, sector, true), entry("\x01", parent, sector, true), last} {
		dir = dir[copy(dir, e):]
	}
}

func entry(name string, at, size uint32, isDir bool) []byte {
	e := make([]byte, (33+len(name)+1)/2*2)
	e[0], e[32] = byte(len(e)), byte(len(name))
	both32(e[2:], at)
	both32(e[10:], size)
	copy(e[18:], []byte{126, 11, 23, 8, 0, 0, 0})
	if isDir {
		e[25] = 2
	}
	both16(e[28:], 1)
	copy(e[33:], name)
	return e
}

func both32(to []byte, n uint32) {
	binary.LittleEndian.PutUint32(to, n)
	binary.BigEndian.PutUint32(to[4:], n)
}

func both16(to []byte, n uint16) {
	binary.LittleEndian.PutUint16(to, n)
	binary.BigEndian.PutUint16(to[2:], n)
}

// fatSector is the beginning of a FAT16 filesystem.
func fatSector(label string) []byte {
	image := make([]byte, 512)
	copy(image[43:54], fmt.Sprintf("%-11s", label))
	image[510], image[511] = 0x55, 0xaa
	return image
}

const serverID = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e01"

// plugged is a pretend machine with a disk of its own, and one of these bytes.
func plugged(t *testing.T, content []byte) *pretend.Machine {
	m := pretend.New(t)
	h := m.Hypervisor()
	h.Plug(m.Disk(2*hosttest.GiB), pretend.Plug{Bus: pretend.VirtIO, Serial: "root"})
	disk := m.Disk(1 << 20)
	f, err := os.OpenFile(disk.Image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	h.Plug(disk, pretend.Plug{Bus: pretend.SCSI})
	return m
}

// Where there is no config drive nothing is mounted, so this needs no such kernel.
func TestNoConfigDrive(t *testing.T) {
	for name, content := range map[string][]byte{"blank": nil, "fat": fatSector("EFI"), "disc": isoImage("cidata", nil)} {
		if id, err := plugged(t, content).Host.ConfigDriveInstance(hosttest.Context(t)); id != "" || err != nil {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	// One that cannot be mounted is an error that names it, never "none".
	if id, err := plugged(t, fatSector("config-2")).Host.ConfigDriveInstance(hosttest.Context(t)); id != "" || err == nil || !strings.Contains(err.Error(), "mount the config drive /dev/sdc") {
		t.Errorf("%q, %v", id, err)
	}
}

func TestFirmwareIDs(t *testing.T) {
	for said, want := range map[string][]string{
		"6F1C2F0A-5A9E-4A0E-8D1B-3C2B1A0F9E01\n": {serverID, "0a2f1c6f-9e5a-0e4a-8d1b-3c2b1a0f9e01"},
		"Not Settable":                           nil,
		"":                                       nil,
	} {
		h := tree(t, map[string]string{"sys/class/dmi/id/product_uuid": said})
		if got := h.FirmwareIDs(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
