// Package share is the storage behind the simulated Shared File Systems service:
// shares with their access rules, snapshots and messages, their state machines,
// their quotas and a directory for each share. It speaks no HTTP. Written from the
// API reference and from reading what Manila does where the reference is silent.
package share

import (
	"maps"
	"strings"
	"time"
)

// Zone is the only availability zone, and Host the back end every share is on.
const (
	Zone   = "nova"
	ZoneID = "5d8a3c1e-0000-4000-8000-0000000000b0"
	Host   = "sim@dir#dir"
)

// Statuses of a share or snapshot that the code itself sets or asks for.
const (
	Creating      = "creating"
	Available     = "available"
	Extending     = "extending"
	Deleting      = "deleting"
	ErrorDeleting = "error_deleting"
	Failed        = "error"
)

// States of an access rule.
const (
	Queued     = "queued_to_apply"
	Applying   = "applying"
	Active     = "active"
	DenyQueued = "queued_to_deny"
	Denying    = "denying"
)

// Protocols of shares.
const (
	NFS    = "NFS"
	CephFS = "CEPHFS"
)

// Share is one share. Records are never changed in place.
type Share struct {
	ID          string
	Name        *string
	Description *string
	Project     string
	User        string
	Size        int // GiB
	NewSize     int // GiB, while it is being extended
	Proto       string
	Type        string // id
	Zone        *string
	Status      string
	Stuck       bool // no transition happens by itself any more
	Public      bool
	InBin       bool // soft-deleted
	SnapshotID  *string
	NetworkID   *string
	Metadata    map[string]string
	Exports     []Export
	Created     time.Time
}

// Export is a place where a share can be mounted from.
type Export struct {
	ID        string    `json:"id"`
	Path      string    `json:"path"`
	Preferred bool      `json:"preferred"`
	AdminOnly bool      `json:"admin_only"`
	Created   time.Time `json:"created"`
}

// Rule lets somebody in to a share.
type Rule struct {
	ID       string
	ShareID  string
	Kind     string // ip, cephx …
	To       string
	Level    *string
	State    string
	Stuck    bool
	Key      *string
	Metadata map[string]string
	Created  time.Time
	Updated  time.Time // zero: never
}

// Snapshot is a copy of a share's data at one moment.
type Snapshot struct {
	ID          string
	Name        *string
	Description *string
	ShareID     string
	Project     string
	User        string
	Size        int // GiB
	Proto       string
	Status      string
	Stuck       bool
	Created     time.Time
}

// Message is what the cloud has to say about a share that went wrong.
type Message struct {
	ID      string
	ShareID string
	Project string
	Text    string
	Created time.Time
}

// Network is a share network.
type Network struct {
	ID          string
	Name        *string
	Description *string
	Project     string
	Created     time.Time
}

// Quota limits a project. A negative number is no limit.
type Quota struct {
	Shares            int `json:"shares"`
	Gigabytes         int `json:"gigabytes"`
	Snapshots         int `json:"snapshots"`
	SnapshotGigabytes int `json:"snapshot_gigabytes"`
}

// Usage is what a project has, counted as quotas are.
type Usage Quota

// Type is a share type.
type Type struct {
	ID        string
	Name      string
	Servers   bool // its shares have servers of their own, on a share network
	Snapshots bool // its shares have snapshots, of which shares can be made
}

// Caller is who asks. Stick, when not empty, is the state an injected fault
// demands: the object that the call changes stays in it.
type Caller struct {
	Project string
	User    string
	Admin   bool
	Stick   string
}

// Types returns the share types in the order they are listed; the first is the
// default one. Their ids are fixed.
func Types() []Type {
	return []Type{
		{ID: "5d8a3c1e-0000-4000-8000-0000000000a1", Name: "default"},
		{ID: "5d8a3c1e-0000-4000-8000-0000000000a2", Name: "with-snapshots", Snapshots: true},
		{ID: "5d8a3c1e-0000-4000-8000-0000000000a3", Name: "servers", Servers: true},
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

func now() time.Time { return time.Now().UTC() }

func (s *Share) clone() *Share {
	c := *s
	c.Metadata = maps.Clone(s.Metadata)
	return &c
}

func (r *Rule) clone() *Rule {
	c := *r
	c.Metadata = maps.Clone(r.Metadata)
	return &c
}

// become sets the status, unless the caller's fault has the share stick elsewhere.
func (s *Share) become(status string, by Caller) {
	s.Status, s.Stuck = status, false
	if by.Stick != "" {
		s.Status, s.Stuck = by.Stick, true
	}
}

// become sets the state, unless the caller's fault has the rule stick elsewhere.
func (r *Rule) become(state string, by Caller) {
	r.State, r.Stuck, r.Updated = state, false, now()
	if by.Stick != "" {
		r.State, r.Stuck = by.Stick, true
	}
}

// busy tells whether something is under way that keeps rules from being changed.
func (s *Share) busy() bool {
	switch s.Status {
	case Creating, Deleting, Extending, "shrinking", "reverting", "migrating", "migrating_to", "manage_starting",
		"unmanage_starting", "restoring", "server_migrating", "ensuring", "creating_from_snapshot":
		return true
	}
	return strings.HasPrefix(s.Status, "backup_")
}

// quotaSize is what the share counts for, in GiB.
func (s *Share) quotaSize() int { return max(s.Size, s.NewSize) }

func (s *Share) visibleTo(c Caller) bool { return c.Admin || s.Public || s.Project == c.Project }
