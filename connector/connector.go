// Package connector holds the contract between fuxi and everything that makes
// a volume reachable on this host, and the two values that pass through it.
// A connector touches this host and never talks to the cloud.
package connector

import (
	"context"
	"errors"
)

// Access modes of a Connection.
const (
	ReadWrite = "rw"
	ReadOnly  = "ro"
)

// ErrNotConnected is what Find answers when nothing of the connection is on
// this host.
var ErrNotConnected = errors.New("not connected to this host")

// ErrBusy is what Disconnect and Idle answer while somebody still holds the
// device open exclusively, has it mounted in any namespace, or stacks on it.
var ErrBusy = errors.New("device is busy")

// ErrUnsafe is a refusal to endanger data: a wrong size, a device that is not
// blank, a filesystem that fsck could not repair, somebody else's loop device,
// a data directory that is a symlink. Trying again does not help.
var ErrUnsafe = errors.New("refused to protect data")

// ErrUnsupported is what fuxi cannot do on this host or with this connection.
var ErrUnsupported = errors.New("not supported")

// Connection is what the cloud says about reaching one volume from this host.
type Connection struct {
	Driver    string         `json:"driver"`    // Cinder's driver_volume_type: local, iscsi, rbd …
	VolumeID  string         `json:"volume_id"` // the cloud's id
	SizeGiB   int            `json:"size_gib"`  // the cloud's size, GiB
	Access    string         `json:"access"`    // ReadWrite or ReadOnly
	Encrypted bool           `json:"encrypted"` // the raw device holds ciphertext
	Data      map[string]any `json:"data"`      // the driver's own fields, as the cloud sent them
	Secret    map[string]any `json:"-"`         // the fields of Data that must not be shown or logged
	// MountOptions are the user's, for shares, whose connecting is mounting. They
	// are from the allow-list.
	MountOptions []string `json:"mount_options,omitempty"`
	// Proven is the Proof of the Source that an earlier Connect under the same
	// attachment returned, nil when there was none. What it says of the identity
	// of a device (WWID …) is compared: another device is refused.
	Proven map[string]string `json:"-"`
}

// Source is a thing that can be mounted, and the proof of what it is.
type Source struct {
	Device string `json:"device,omitempty"` // block device path on this host
	Export string `json:"export,omitempty"` // network export, for shares
	// Directory is where the whole export of a share is mounted on this host, out
	// of users' sight; "" for devices.
	Directory string            `json:"directory,omitempty"`
	SizeBytes int64             `json:"size_bytes"` // of the device; 0 for exports
	Proof     map[string]string `json:"proof"`      // what Connect really did and what identified it (backing file, WWID, portals …)
}

// Connector makes the volumes of one driver reachable on this host.
//
// Every method may be called again after a failure or a crash and finishes
// what is left to do. All wait no longer than ctx, but for the bounded time that
// taking back a half-made connection needs.
type Connector interface {
	// Connect makes the volume reachable and proves that what it found is that
	// volume: exactly one device matches and its size is the cloud's. Called on
	// a connected volume it proves again and returns the same Source. A failed
	// Connect leaves nothing behind.
	Connect(ctx context.Context, conn Connection) (Source, error)
	// Find resolves the connection to its device and proves it anew, changing
	// nothing. ErrNotConnected when nothing of it is on this host.
	Find(ctx context.Context, conn Connection) (Source, error)
	// Disconnect proves the device idle, flushes and removes it. ErrBusy when
	// anybody still uses it: then nothing was changed. Not connected is success.
	Disconnect(ctx context.Context, conn Connection) error
}

// Resizer is a Connector that can make a connected volume's growth seen.
type Resizer interface {
	// Resize makes the kernel see the size the volume has now on every path and
	// every layer of its device, while it is in use, and proves the device anew.
	// conn.SizeGiB is the new size. Growing only: a device that is larger than
	// that is refused. Repeatable. ErrNotConnected when nothing of it is here.
	Resize(ctx context.Context, conn Connection) (Source, error)
}

// Content is what a probe found on a device by reading it.
type Content struct {
	// Blank is true only when a low-level probe found no signature and every
	// sampled place was read completely and is zero.
	Blank bool
	// Kind names what was found, in blkid's words (ext4, xfs, crypto_LUKS,
	// LVM2_member, gpt …); "data" for bytes without a known signature.
	Kind string
	// UUID of the filesystem, when Kind is one.
	UUID string
	// Unfinished is true when the filesystem's own header says that its mkfs
	// did not come to an end (xfs in progress, a truncated ext4).
	Unfinished bool
	// Where the first evidence was found, for messages ("offset 67108864").
	Where string
}

// FormatSpec says which filesystem to make.
type FormatSpec struct {
	FSType  string   // ext4, xfs or btrfs
	UUID    string   // the new filesystem's uuid
	Options []string // from the allow-list of mkfs options
	// Erase wipes signatures first and lets mkfs overwrite: only for bytes that
	// are known to be nobody's (an operator's order, or a pristine volume of a
	// backend that hands out unzeroed blocks, or our own unfinished mkfs).
	Erase bool
}

// MountSpec says how a Source appears below Target.
type MountSpec struct {
	FSType   string
	Options  []string // from the allow-list of mount options
	ReadOnly bool
	NoUUID   bool   // xfs clones: do not insist on a unique uuid
	Target   string // directory where the user sees it; created, unwritable while empty
	Staging  string // private directory where the whole filesystem appears for a moment
	Subdir   string // directory of the filesystem to show; "" is its root
	Owner    Owner  // of Subdir when Mount creates it (of the root when Subdir is "" and Fresh)
	Fresh    bool   // this filesystem was made for this very mount
}

// Owner is what a new data directory gets; nil fields are left alone.
type Owner struct {
	UID, GID *int
	Mode     *uint32
}

// Mounted is one mount of this host's table that fuxi made.
type Mounted struct {
	Target string // mount point
	Device string // block device path, by major:minor
	Export string // of a share: as in Source.Export; Device is "" then
	Subdir string // root of the mount within the filesystem, "/" for all of it
	FSType string
	RO     bool
}
