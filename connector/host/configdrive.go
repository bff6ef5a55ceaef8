package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A config drive is a small disk, labelled config-2, on which Nova tells a server
// about itself. It is an ISO 9660 image or a VFAT filesystem over the
// whole of it.
const (
	configLabel    = "config-2"
	configDocument = "openstack/latest/meta_data.json"
	configMost     = int64(1) << 30 // larger disks are none, and are not read
	documentMost   = 1 << 20
)

// ConfigDriveInstance returns the id of the server that this machine is, as its
// config drive says; "" when the machine has no config drive. The drive is mounted
// read-only in a private directory for a moment, whoever else has it mounted.
func (h *Host) ConfigDriveInstance(ctx context.Context) (string, error) {
	names, err := h.namesIn("/sys/block")
	if err != nil {
		return "", fmt.Errorf("look for a config drive: %w", err)
	}
	var unread []error
	for _, name := range names {
		size, err := h.BlockSize(name)
		if _, real := os.Stat(h.Path("/sys/block", name, "device")); err != nil || real != nil || size == 0 || size > configMost {
			continue
		}
		kind, err := h.configFilesystem(ctx, "/dev/"+name)
		if err != nil {
			unread = append(unread, err)
		}
		if kind != "" {
			return h.readConfigDrive(ctx, "/dev/"+name, kind)
		}
	}
	return "", errors.Join(unread...)
}

// configFilesystem returns the type of the filesystem on a disk if that is a
// config drive, "" if not. An empty CD drive is none.
func (h *Host) configFilesystem(ctx context.Context, device string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	kind, err := ReadDisk(ctx, h, device, func(d *Disk) (string, error) {
		head, err := d.Read(0, 512)
		if err != nil {
			return "", err
		}
		if isVFAT(head) {
			return "vfat", nil
		}
		volume, err := d.Read(32<<10, 2048)
		if err != nil || !isISO(volume) {
			return "", err
		}
		return "iso9660", nil
	})
	if errors.Is(err, unix.ENOMEDIUM) || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return "", nil
	}
	return kind, err
}

// isISO knows a primary volume descriptor (ECMA-119 8.4) with the label.
func isISO(d []byte) bool {
	return len(d) >= 72 && d[0] == 1 && string(d[1:6]) == "CD001" && labelled(d[40:72])
}

// isVFAT knows the boot sector of FAT12, FAT16 (label at 43) or FAT32 (at 71).
func isVFAT(d []byte) bool {
	return len(d) >= 512 && d[510] == 0x55 && d[511] == 0xaa && (labelled(d[43:54]) || labelled(d[71:82]))
}

func labelled(field []byte) bool {
	return strings.EqualFold(strings.TrimRight(string(field), " \x00"), configLabel)
}

// readConfigDrive mounts the drive, takes the id out of its document and unmounts.
func (h *Host) readConfigDrive(ctx context.Context, device, kind string) (id string, err error) {
	if err := os.MkdirAll(h.Path("/run/fuxi"), 0o700); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(h.Path("/run/fuxi"), "config-drive-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	err = h.Mount(ctx, MountCall{Source: device, Target: dir, FSType: kind, Flags: unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC})
	if err != nil {
		return "", fmt.Errorf("mount the config drive %s: %w", device, err)
	}
	defer func() { err = errors.Join(err, h.Unmount(context.WithoutCancel(ctx), dir)) }()
	id, err = instanceIn(filepath.Join(dir, configDocument))
	if err != nil {
		return "", fmt.Errorf("config drive %s: %w", device, err)
	}
	return id, nil
}

// instanceIn reads the server's id out of a metadata document.
func instanceIn(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, documentMost))
	if err != nil {
		return "", err
	}
	var document struct {
		UUID string `json:"uuid"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(text), &document); err != nil {
		return "", fmt.Errorf("%s: %w", configDocument, err)
	}
	if document.UUID == "" {
		return "", fmt.Errorf("%s has no uuid", configDocument)
	}
	return document.UUID, nil
}
