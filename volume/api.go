package volume

import "time"

// MountRequest asks for a volume at a path of this host.
type MountRequest struct {
	Name     string // Docker's volume name
	User     string // Docker's mount id; counted with multiplicity
	ReadOnly bool
}

// Listed is one line of List.
type Listed struct {
	Name       string    `json:"name"`
	Mountpoint string    `json:"mountpoint,omitempty"` // "" unless mounted on this host
	CreatedAt  time.Time `json:"created_at"`
}

// Info is all that is known about one volume without asking anybody.
type Info struct {
	Listed
	Key
	SizeGiB    int            `json:"size_gib"`
	Type       string         `json:"type,omitempty"`
	State      string         `json:"state"`                 // the cloud's word, as of Age ago
	FSType     string         `json:"fstype,omitempty"`      // what is on it, or what will be made
	Formatted  bool           `json:"formatted"`             // a filesystem was made or found
	AttachedTo string         `json:"attached_to,omitempty"` // host name or server id
	Users      map[string]int `json:"users,omitempty"`       // Docker's mount ids on this host, with multiplicity
	Step       string         `json:"step,omitempty"`        // what is half done on this host
	LastError  string         `json:"last_error,omitempty"`
	Age        time.Duration  `json:"age"`   // since the cloud confirmed State
	Stale      bool           `json:"stale"` // the cloud did not answer, or did not show it, lately
	Notes      []string       `json:"notes,omitempty"`
	OnRemove   string         `json:"on_remove"`
}

// Status is one screenful about the whole daemon.
type Status struct {
	Version    string        `json:"version"`
	Host       string        `json:"host"`
	Cluster    string        `json:"cluster"`
	Since      time.Time     `json:"since"` // start of this daemon
	Clouds     []CloudStatus `json:"clouds"`
	Volumes    []Info        `json:"volumes"`    // those this host has mounted, attached or half done
	Unfinished []Unfinished  `json:"unfinished"` // each with why and what to do
	SetAside   []string      `json:"set_aside"`  // records of other machines or clouds, torn files
	Events     []Event       `json:"events"`     // newest last, at most 50
}

// CloudStatus tells whether one cloud's provider answers.
type CloudStatus struct {
	Cloud       string    `json:"cloud"`
	Provider    string    `json:"provider"`
	Answers     bool      `json:"answers"`
	LastAnswer  time.Time `json:"last_answer"`
	LastRefresh time.Time `json:"last_refresh"`
	LastError   string    `json:"last_error,omitempty"`
	Known       int       `json:"known"` // volumes in the registry
}

// Unfinished is an operation that is half done, waits or failed.
type Unfinished struct {
	Name  string        `json:"name"`
	ID    string        `json:"id,omitempty"`
	Step  string        `json:"step"`
	Since time.Time     `json:"since"`
	Age   time.Duration `json:"age"`
	Why   string        `json:"why"`
	Next  string        `json:"next,omitempty"`
}

// Event is something an operator should know.
type Event struct {
	At   time.Time `json:"at"`
	Name string    `json:"name,omitempty"`
	Text string    `json:"text"`
}

// GrowRequest is an operator's order to make a volume larger.
type GrowRequest struct {
	Name    string `json:"name"`
	SizeGiB int    `json:"size_gib"` // the new total
}

// Grown tells what became of a GrowRequest.
type Grown struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	WasGiB  int    `json:"was_gib"`  // in the cloud, before
	SizeGiB int    `json:"size_gib"` // in the cloud, now
	Reached Reach  `json:"reached"`
}

// Reach is how far down a growth has come. What is left comes by itself with
// the next mount.
type Reach string

// The layers of a volume that grow one after the other.
const (
	ReachCloud      Reach = "cloud"      // nothing of the volume is on this host
	ReachHidden     Reach = "hidden"     // attached here, but its connector cannot show the growth
	ReachDevice     Reach = "device"     // attached here, not mounted
	ReachFilesystem Reach = "filesystem" // mounted here: its users have the space
)

// FormatRequest is an operator's order to make a filesystem on a volume whose
// present content nobody wants. It is one shot and is logged.
type FormatRequest struct {
	Name   string `json:"name"`
	ID     string `json:"id"`    // must be the id Name is bound to
	Erase  bool   `json:"erase"` // must be true
	FSType string `json:"fstype,omitempty"`
}
