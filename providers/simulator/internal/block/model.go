// Package block is the storage behind the simulated Block Storage service:
// volumes, snapshots and attachments with their state machine, their quotas and
// their data on disk. It speaks no HTTP. Written from the Block Storage API
// reference and from reading what Cinder does where the reference is silent.
package block

import (
	"strings"
	"time"
)

// Zone is the only availability zone, and Host the back end every volume is on.
const (
	Zone = "nova"
	Host = "sim@raw#raw"
)

// Statuses of a volume that the code itself sets or asks for.
const (
	Creating  = "creating"
	Available = "available"
	Reserved  = "reserved"
	Attaching = "attaching"
	InUse     = "in-use"
	Detaching = "detaching"
	Extending = "extending"
	Deleting  = "deleting"
	Failed    = "error"
)

// Statuses of an attachment. A volume's attach status is one of these or
// Detached.
const (
	Attached = "attached"
	Detached = "detached"
)

// Volume is one volume. Records are never changed in place.
type Volume struct {
	ID           string
	Name         *string
	Description  *string
	Project      string
	User         string
	Size         int // GiB
	NewSize      int // GiB, while it is being extended
	Type         string
	Zone         string
	Status       string
	Previous     string // the status an extension returns to
	AttachStatus string
	Stuck        bool // no transition happens by itself any more
	Multiattach  bool
	Encrypted    bool
	Bootable     bool
	ReadOnly     *bool
	Seeded       bool // the file is made in the background
	SnapshotID   *string
	SourceID     *string
	Metadata     map[string]string
	Created      time.Time
	Updated      time.Time // zero: never
}

// Attachment ties a volume to a host, or reserves it for one.
type Attachment struct {
	ID           string
	VolumeID     string
	Project      string
	Instance     *string
	Status       string
	Mode         string
	Connector    map[string]any
	Connection   map[string]any
	Host         *string
	Mountpoint   *string
	Created      time.Time
	AttachedTime time.Time // zero: never
}

// Snapshot is a copy of a volume's data at one moment.
type Snapshot struct {
	ID          string
	Name        *string
	Description *string
	VolumeID    string
	Project     string
	User        string
	Size        int // GiB
	Type        string
	Status      string
	Stuck       bool
	Metadata    map[string]string
	Created     time.Time
	Updated     time.Time
}

// Quota limits a project. A negative number is no limit.
type Quota struct {
	Volumes   int `json:"volumes"`
	Gigabytes int `json:"gigabytes"`
	Snapshots int `json:"snapshots"`
}

// Usage is what a project has, counted as quotas are.
type Usage Quota

// Type is a volume type.
type Type struct {
	ID          string
	Name        string
	Description string
	Multiattach bool
	Unzeroed    bool
	Encrypted   bool
}

// Caller is who asks. Stick, when not empty, is the state an injected fault
// demands: the object that the call changes stays in it. Compute is the compute
// service itself, which nobody is asked about.
type Caller struct {
	Project string
	User    string
	Admin   bool
	Compute bool
	Stick   string
}

// Types returns the volume types in the order they are listed; the first is the
// default one. Their ids are fixed.
func Types() []Type {
	return []Type{
		{ID: "5d8a3c1e-0000-4000-8000-000000000001", Name: "standard"}, // one host at a time, blank when new,
		{ID: "5d8a3c1e-0000-4000-8000-000000000002", Name: "__DEFAULT__", Description: "Default Volume Type"},
		{ID: "5d8a3c1e-0000-4000-8000-000000000003", Name: "multi", Description: "several hosts at once", Multiattach: true},
		{ID: "5d8a3c1e-0000-4000-8000-000000000004", Name: "unzeroed", Description: "new volumes hold what their blocks held before", Unzeroed: true},
		{ID: "5d8a3c1e-0000-4000-8000-000000000005", Name: "encrypted", Description: "says that it is encrypted", Encrypted: true},
	}
}

// FindType returns the type with this name or id, or nil.
func FindType(key string) *Type {
	for _, t := range Types() {
		if t.Name == key || t.ID == key {
			return &t
		}
	}
	return nil
}

// now is the time to the second: Cinder's usual database keeps no fractions.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (v *Volume) clone() *Volume {
	c := *v
	return &c
}

// become sets the status, unless the caller's fault has the volume stick
// elsewhere, and ticks the time of change.
func (v *Volume) become(status string, by Caller) {
	v.Status, v.Stuck = status, false
	if by.Stick != "" {
		v.Status, v.Stuck = by.Stick, true
	}
	v.Updated = now()
}

// quotaSize is what the volume counts for, in GiB.
func (v *Volume) quotaSize() int { return max(v.Size, v.NewSize) }

func (v *Volume) inError() bool { return strings.Contains(v.Status, "error") }

func (v *Volume) visibleTo(c Caller) bool { return c.Admin || v.Project == c.Project }
