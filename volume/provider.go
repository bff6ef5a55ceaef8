package volume

import (
	"context"
	"time"

	"github.com/openstack/fuxi/connector"
)

// Key names one cloud object for ever. Names are only an index over keys.
type Key struct {
	Cloud    string `json:"cloud"`    // name of the [cloud.NAME] section
	Provider string `json:"provider"` // cinder, manila
	ID       string `json:"id"`       // the cloud's id
}

// Volume is what the cloud last said about one volume.
type Volume struct {
	Key
	Name        string `json:"name"` // Docker's name: fuxi:name if marked, else the cloud's name
	SizeGiB     int    `json:"size_gib"`
	Status      string `json:"status"` // the cloud's own word: available, in-use …
	Type        string `json:"type,omitempty"`
	Zone        string `json:"zone,omitempty"`
	SnapshotID  string `json:"snapshot_id,omitempty"` // made from this snapshot
	SourceID    string `json:"source_id,omitempty"`   // cloned from this volume
	FromImage   bool   `json:"from_image,omitempty"`  // made from an image (or bootable)
	Multiattach bool   `json:"multiattach,omitempty"`
	Encrypted   bool   `json:"encrypted,omitempty"`
	// Share is the protocol by which the cloud serves it as a filesystem to many
	// hosts at once (NFS, CEPHFS); "" is a block volume.
	Share       string       `json:"share,omitempty"`
	CreatedAt   time.Time    `json:"created_at"` // UTC, whole seconds
	UpdatedAt   time.Time    `json:"updated_at"` // UTC, whole seconds; zero if never updated
	Marks       Marks        `json:"marks"`
	Attachments []Attachment `json:"attachments,omitempty"` // only those the cloud shows as attached
	// Metadata is the whole of it as read, marks included. Only fresh answers
	// carry it; the registry drops it.
	Metadata map[string]string `json:"-"`
}

// Attachment is one row of the cloud's attachment table.
type Attachment struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`            // reserved, attaching, attached, detaching, error_attaching …
	Holder    string    `json:"holder,omitempty"`  // host name, as far as the cloud or the mount-point field tells
	Server    string    `json:"server,omitempty"`  // Nova instance id, if one holds it
	Foreign   bool      `json:"foreign,omitempty"` // of a share: nobody of this cluster asked for it; Holder is what it lets in
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// NewVolume is what Create asks the cloud for. All marks are in the same
// request, so no volume of ours is ever without them.
type NewVolume struct {
	Name        string
	SizeGiB     int    // 0 only with SnapshotID or SourceID: the source's size
	Type        string // of volumes, or of shares
	Zone        string
	SnapshotID  string
	SourceID    string
	Description string
	// Of shares only.
	ShareProto   string            // NFS, CEPHFS; "" is the provider's default
	ShareNetwork string            // id
	IsPublic     bool              // visible to every project
	Multiattach  bool              // checked against the type, never sent
	Metadata     map[string]string // marks and the user's metadata.*
}

// Query selects volumes of this cluster (volume_from mark), `deleting` and
// released ones included: the caller filters.
type Query struct {
	Name         string    // exact; "" is any
	ChangedSince time.Time // zero is all
}

// MarkChange is a change of cloud metadata. With Unset and Known the provider
// replaces the whole (one call); without Unset it merges (one call).
type MarkChange struct {
	Set   map[string]string
	Unset []string
	Known map[string]string // the complete metadata as last read; nil makes the provider read it first
}

// Provider is one kind of cloud storage. Every method may be repeated after a
// failure or a crash and finishes the job. Errors are of the six kinds;
// ErrNotFound only when the cloud itself said so about this id.
type Provider interface {
	// Create asks for a volume and returns the cloud's first answer, usually in
	// status creating: the caller polls with Get. Ambiguous errors mean the
	// request may have been executed.
	Create(ctx context.Context, req NewVolume) (Volume, error)
	// Get reads one volume by id.
	Get(ctx context.Context, id string) (Volume, error)
	// List calls page for each page of matching volumes, never holding two. A
	// volume may appear twice when the list changes underneath.
	List(ctx context.Context, q Query, page func([]Volume) error) error
	// Delete asks for deletion. Already gone is success. ErrInUse when the
	// cloud refuses because it is attached or has snapshots.
	Delete(ctx context.Context, id string) error
	// SetMarks changes metadata and returns the complete metadata afterwards.
	SetMarks(ctx context.Context, id string, change MarkChange) (map[string]string, error)
	// Origin tells which volume a snapshot was made from, so that the layout of
	// what is made of it is known.
	Origin(ctx context.Context, snapshotID string) (volumeID string, err error)
	// Check validates what only the cloud knows before anything is created
	// (volume type, zone …); used when Create is refused, to explain, and for
	// options that are checked but never sent.
	Check(ctx context.Context, req NewVolume) error
}

// Extender is a Provider that can make a volume larger.
type Extender interface {
	// Extend asks for a total size, larger than now, of a volume that is in use
	// or not. Success is the beginning: the volume is in status extending for a
	// while, and back in its status with the old size when the cloud gave it up,
	// or error_extending. ErrConflict when its present status does not allow it.
	Extend(ctx context.Context, id string, sizeGiB int) error
	// Complaint is why the cloud has just given up its background work on a
	// volume, v being a fresh answer; "" when it does not say or cannot be asked.
	Complaint(ctx context.Context, v Volume) string
}

// HostIdentity is what this host tells the cloud about itself.
type HostIdentity struct {
	Name       string         // unique and stable; the holder's name in messages
	IP         string         // on the storage network
	Properties map[string]any // further connector properties: initiator, multipath, platform …
}

// Attacher is a Provider whose volumes are attached to one host at a time.
// Steps a cloud does not have are no-ops. Every method may be repeated.
type Attacher interface {
	// Reserve claims the volume and returns the attachment's id. ErrInUse when
	// somebody else has it, ErrNotFound when the volume is gone. An Ambiguous
	// error may have left a reservation behind.
	Reserve(ctx context.Context, volumeID string, readOnly bool) (attachmentID string, err error)
	// Expose makes the volume reachable for this host only.
	Expose(ctx context.Context, v Volume, attachmentID string, host HostIdentity) (connector.Connection, error)
	// Complete tells the cloud that the host is connected.
	Complete(ctx context.Context, attachmentID string) error
	// Release undoes Reserve and Expose. An attachment that is gone is success.
	Release(ctx context.Context, attachmentID string) error
	// Attachments reads all rows of one volume, reservations included.
	Attachments(ctx context.Context, volumeID string) ([]Attachment, error)
}

// Reclaimer is an Attacher that can tell which attachment a Reserve made whose
// answer never arrived: its attachments name the host, so there is nothing to
// guess and no age to wait for.
type Reclaimer interface {
	// Reclaim returns the id of this host's attachment of the volume. ErrNotFound
	// when it has none.
	Reclaim(ctx context.Context, volumeID string) (attachmentID string, err error)
}

// Locator is an Attacher whose cloud knows this host by something else than its
// name.
type Locator interface {
	// Here tells whether an attachment is this host's. Nothing is asked.
	Here(a Attachment) bool
}

// Filesystems is what the Service needs of this host once a Source is there.
// connector/mount implements it.
type Filesystems interface {
	// Probe reads what is on the device. An error means "unknown", never blank.
	Probe(ctx context.Context, src connector.Source) (connector.Content, error)
	// Format makes a filesystem with the given uuid. It refuses (ErrBusy) a
	// device that cannot be opened exclusively.
	Format(ctx context.Context, src connector.Source, spec connector.FormatSpec) error
	// Mount checks (fsck), mounts, grows to the device's size and shows Subdir
	// at Target. Repeatable; a stale layer at Target is removed, never stacked on.
	Mount(ctx context.Context, src connector.Source, spec connector.MountSpec) error
	// Grow lets the filesystem of src, which is mounted at target, have the whole
	// device while it is in use. Repeatable.
	Grow(ctx context.Context, src connector.Source, target string) error
	// Unmount takes Target and Staging away, never lazily. ErrBusy when in use.
	// Not mounted is success.
	Unmount(ctx context.Context, target, staging string) error
	// Mounts lists the mounts at or below dir.
	Mounts(ctx context.Context, dir string) ([]connector.Mounted, error)
	// Holders lists the processes of other mount namespaces that still have the
	// device mounted ("dockerd[812]"), up to a handful, for messages and for
	// telling leaked users from live ones.
	Holders(ctx context.Context, src connector.Source) ([]string, error)
}
