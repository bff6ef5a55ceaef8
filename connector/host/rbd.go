package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rbdBus is where the kernel's own RBD client shows what it maps and takes its
// orders (Documentation/ABI/testing/sysfs-bus-rbd of Linux).
const rbdBus = "/sys/bus/rbd"

// RBDImage names an image within a Ceph cluster.
type RBDImage struct {
	Pool, Namespace, Name string
}

// String returns "pool/image" or "pool/namespace/image", as Ceph's tools take it.
func (i RBDImage) String() string {
	if i.Namespace == "" {
		return i.Pool + "/" + i.Name
	}
	return i.Pool + "/" + i.Namespace + "/" + i.Name
}

// RBDDevice is one mapping of the kernel's RBD client, whoever made it.
type RBDDevice struct {
	Number   int // the kernel's, "0" of rbd0; given out anew when it is free
	Image    RBDImage
	ImageID  string // of this very image: another one of the same name has another
	Snapshot string // "-" for the image itself
	FSID     string // of the cluster
	Client   string // the cluster's name for this mapping's client, "client.4123"
	Address  string // of that client, as the cluster writes it: "10.0.0.5:0/1234567"
	Options  string // what the mapping was made with, separated by commas; "" when unknown
	Features uint64 // of the image
	ReadOnly bool
	Name     string // of the block device, "rbd0"; "" while there is none yet
}

// Device returns the node, "/dev/rbd0".
func (d RBDDevice) Device() string { return "/dev/" + d.Name }

// Has tells whether the mapping was made with an option.
func (d RBDDevice) Has(option string) bool {
	for word := range strings.SplitSeq(d.Options, ",") {
		if word == option {
			return true
		}
	}
	return false
}

// RBDDevices lists the mappings of one image, of any cluster; those of its
// snapshots too.
func (h *Host) RBDDevices(image RBDImage) ([]RBDDevice, error) {
	all, err := h.rbdDevices(func(dir string) bool {
		return h.readWord(dir+"/name") == image.Name && h.readWord(dir+"/pool") == image.Pool && h.readWord(dir+"/pool_ns") == image.Namespace
	})
	return all, err
}

// RBDClients lists all mappings of this host.
func (h *Host) RBDClients() ([]RBDDevice, error) {
	return h.rbdDevices(func(string) bool { return true })
}

func (h *Host) rbdDevices(wanted func(dir string) bool) ([]RBDDevice, error) {
	entries, err := os.ReadDir(h.Path(rbdBus, "devices"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the module is not loaded
	}
	var devices []RBDDevice
	for _, e := range entries {
		dir := filepath.Join(rbdBus, "devices", e.Name())
		n, err := strconv.Atoi(e.Name())
		if err != nil || !wanted(dir) {
			continue
		}
		d, err := h.rbdDevice(dir, n)
		switch {
		case goneNow(err):
		case err != nil:
			// Not to be taken for absent: it would be mapped a second time.
			return nil, fmt.Errorf("RBD device %d: %w", n, err)
		default:
			devices = append(devices, d)
		}
	}
	return devices, err
}

func (h *Host) rbdDevice(dir string, n int) (RBDDevice, error) {
	name, err := h.attribute(dir + "/name")
	if err != nil {
		return RBDDevice{}, err
	}
	word := func(file string) string { return h.readWord(dir + "/" + file) }
	d := RBDDevice{
		Number: n, Image: RBDImage{Pool: word("pool"), Namespace: word("pool_ns"), Name: name}, ImageID: word("image_id"),
		Snapshot: word("current_snap"), FSID: word("cluster_fsid"), Address: word("client_addr"),
		Client: "client." + strings.TrimPrefix(word("client_id"), "client"),
	}
	d.Features, _ = strconv.ParseUint(word("features"), 0, 64)
	if config := strings.Fields(word("config_info")); len(config) > 1 {
		d.Options = config[1]
	}
	blocks, _ := os.ReadDir(h.Path(dir, "block"))
	if len(blocks) == 1 {
		d.Name = blocks[0].Name()
		d.ReadOnly = h.readWord(filepath.Join("/sys/block", d.Name, "ro")) == "1"
	}
	return d, nil
}

// RBDMapping is one order to the kernel's RBD client.
type RBDMapping struct {
	Monitors string // "10.0.0.1:6789,[fd00::1]:6789"
	Options  string // separated by commas; the key's name is one of them (key=…)
	Image    RBDImage
	KeyName  string // "" when the cluster asks for no key
	Key      []byte // in Ceph's own binary form
}

// config is the line that the kernel reads, and keeps for config_info.
func (m RBDMapping) config() string {
	return fmt.Sprintf("%s %s %s %s -", m.Monitors, m.Options, m.Image.Pool, m.Image.Name)
}

// rbdCall names the one thing that may be done with an image at a time.
func rbdCall(image RBDImage) string { return "rbd " + image.String() }

// MapRBD has the kernel map an image, and returns when its block device is there
// or the kernel refused. What is wrong is in the error as the kernel's errno.
//
// The kernel may wait for the cluster without end, in a call that no signal but
// the death of this process ends: it is left behind at the end of ctx, and the
// mapping it may yet make is taken away again. AwaitRBD waits for that.
//
// The key goes by a keyring of the calling thread, which ends with it. In the
// line itself it would stand in config_info as long as the mapping lives.
func (h *Host) MapRBD(ctx context.Context, m RBDMapping) error {
	if !rbdWords(m.Monitors, m.Options, m.Image.Pool, m.Image.Name) {
		return fmt.Errorf("a word of the mapping of %s is empty or has a space in it: %w", m.Image, unix.EINVAL)
	}
	path := rbdBus + "/add_single_major"
	act := func() error { return writeAttribute(h.Path(path), m.config()) }
	if m.KeyName != "" {
		plain := act
		act = func() error { return h.keys().Hold(m.KeyName, m.Key, plain) }
	}
	return h.bounded(ctx, rbdCall(m.Image), "write "+m.config()+" to "+path, act, func() { h.unmapLate(m) })
}

func rbdWords(words ...string) bool {
	for _, w := range words {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return true
}

// unmapLate takes away what a mapping made after nobody wanted it any more.
func (h *Host) unmapLate(m RBDMapping) {
	devices, _ := h.RBDDevices(m.Image)
	for _, d := range devices {
		if d.Options == m.Options {
			_ = writeAttribute(h.Path(rbdBus, "remove_single_major"), strconv.Itoa(d.Number))
		}
	}
}

// AwaitRBD waits until no mapping or unmapping of the image that was left behind
// is under way in the kernel.
func (h *Host) AwaitRBD(ctx context.Context, image RBDImage) error {
	for {
		mine, other := h.pending.claim(rbdCall(image), "nothing")
		if other == nil {
			h.pending.release(rbdCall(image), mine)
			return nil
		}
		select {
		case <-other.ended:
		case <-ctx.Done():
			return fmt.Errorf("%q hangs in the kernel: the cluster does not answer it: %w", other.what, context.Cause(ctx))
		}
	}
}

// UnmapRBD takes a mapping out of the kernel. Nobody may have it open: the
// kernel refuses with EBUSY (never forced, which would fail what is being
// written), and that is believed after a second. Gone already is success.
func (h *Host) UnmapRBD(ctx context.Context, d RBDDevice) error {
	path := rbdBus + "/remove_single_major"
	err := h.patiently(ctx, func() error {
		return h.bounded(ctx, rbdCall(d.Image), fmt.Sprintf("write %d to %s", d.Number, path), func() error {
			if h.readWord(filepath.Join(rbdBus, "devices", strconv.Itoa(d.Number), "image_id")) != d.ImageID {
				return unix.ENOENT // the number is another mapping's by now
			}
			return writeAttribute(h.Path(path), strconv.Itoa(d.Number))
		}, nil)
	})
	if errors.Is(err, unix.EBUSY) && d.Name != "" {
		return fmt.Errorf("unmap %s: %w: %s", d.Device(), err, h.users(ctx, d.Device()))
	}
	if err != nil && !goneNow(err) {
		return fmt.Errorf("unmap RBD device %d: %w", d.Number, err)
	}
	return nil
}

// RefreshRBD has the kernel ask the cluster how large the image is now.
func (h *Host) RefreshRBD(ctx context.Context, d RBDDevice) error {
	return h.writeSys(ctx, filepath.Join(rbdBus, "devices", strconv.Itoa(d.Number), "refresh"), "1")
}

// RBDFeatures returns the image features that the kernel's client knows.
func (h *Host) RBDFeatures() (uint64, error) {
	return strconv.ParseUint(h.readWord(rbdBus+"/supported_features"), 0, 64)
}

// NeedRBD loads the kernel's RBD client where it is not.
func (h *Host) NeedRBD(ctx context.Context) error {
	if _, err := os.Stat(h.Path(rbdBus)); err == nil {
		return nil
	}
	res, err := h.Run(ctx, Command{Name: "modprobe", Args: []string{"rbd"}})
	if err == nil {
		err = res.Check("modprobe rbd")
	}
	if err != nil {
		return fmt.Errorf("the kernel has no RBD client: %w", err)
	}
	return nil
}
