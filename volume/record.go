package volume

import (
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
)

const recordSchema = 1

// Origin says whose record it is. A record of another origin is set aside: a
// cloned machine image or a copied state directory must never detach what
// belongs to the original.
type Origin struct {
	MachineID string `json:"machine_id"`
	Host      string `json:"host"`
	Cloud     string `json:"cloud"`
	AuthURL   string `json:"auth_url"`
	Project   string `json:"project"`
	Region    string `json:"region"`
}

// Differs names the first field in which another's origin differs from this
// host's own, or "".
func (o Origin) Differs(other Origin) string {
	for _, f := range []struct{ name, a, b string }{
		{"machine id", o.MachineID, other.MachineID},
		{"host name", o.Host, other.Host},
		{"cloud", o.Cloud, other.Cloud},
		{"auth URL", o.AuthURL, other.AuthURL},
		{"project", o.Project, other.Project},
		{"region", o.Region, other.Region},
	} {
		if f.a != f.b {
			return fmt.Sprintf("%s is %q there and %q here", f.name, f.b, f.a)
		}
	}
	return ""
}

// Step is what a record last announced. The act may or may not have happened:
// the kernel and the cloud are asked, in this order.
type Step string

// The steps of a record, in the order of a mount and then of a detach.
const (
	StepIdle       Step = ""           // nothing of the volume is on this host
	StepReserving  Step = "reserving"  // a reservation was asked for, its id is not known
	StepReserved   Step = "reserved"   // Attachment is ours
	StepExposed    Step = "exposed"    // Connection is known
	StepConnected  Step = "connected"  // Source is there, a mount may follow
	StepFormatting Step = "formatting" // mkfs with Format's uuid may have begun
	StepMounted    Step = "mounted"    // Target shows the volume
	StepUnmounting Step = "unmounting" // the last user left
	StepDetaching  Step = "detaching"  // device and attachment are being given back
	StepDeleting   Step = "deleting"   // the cloud was asked to delete it
)

// User is one of Docker's mount ids.
type User struct {
	Count    int  `json:"count"` // Docker reuses a container's id for docker cp
	ReadOnly bool `json:"ro,omitempty"`
}

// Record is what this host remembers of one volume it touched. It is written,
// whole and, unless only what dies with the machine has changed, synced, before
// each act that it announces. After the last detach
// it stays as the binding of the name to the id.
type Record struct {
	Schema int    `json:"schema"`
	Origin Origin `json:"origin"`
	BootID string `json:"boot_id"`
	// Volume is the cloud's last word; its Name and Key are the binding.
	Volume  Volume          `json:"volume"`
	Step    Step            `json:"step"`
	Since   time.Time       `json:"since"` // of Step, UTC
	Users   map[string]User `json:"users,omitempty"`
	Settled bool            `json:"settled,omitempty"` // the name was settled on this id: sticky
	// CreatedHere is the nonce of this host's own call that created the volume.
	CreatedHere string `json:"created_here,omitempty"`
	// Claimed: this host's claim mark may be on the share.
	Claimed bool `json:"claimed,omitempty"`
	// Given is true once the volume was exposed to this host.
	Given bool `json:"given,omitempty"`

	Attachment string `json:"attachment,omitempty"`
	// Reserving is when a reservation whose id never arrived was asked for.
	Reserving  time.Time             `json:"reserving,omitzero"`
	ExposedTo  string                `json:"exposed_to,omitempty"` // host, address and initiator at Expose
	Connection *connector.Connection `json:"connection,omitempty"`
	Source     *connector.Source     `json:"source,omitempty"`
	Completed  bool                  `json:"completed,omitempty"`
	Format     *Stamp                `json:"format,omitempty"`
	// Pristine: under this attachment nobody but this host ever had the volume.
	Pristine bool `json:"pristine,omitempty"`
	// Fresh: a filesystem was made here and was not mounted yet.
	Fresh bool `json:"fresh,omitempty"`
	// Grow is the size, GiB, that was ordered while attached here and that cloud,
	// device and filesystem may not all have yet.
	Grow      int    `json:"grow,omitempty"`
	Target    string `json:"target,omitempty"`
	LastError string `json:"last_error,omitempty"`
}

// attached tells whether anything is left to give back.
func (r *Record) attached() bool {
	return r.Attachment != "" || !r.Reserving.IsZero() || r.Connection != nil
}

// outlasting is what of the record must outlast a loss of power, after which
// there are no devices, mounts and users of before: a volume that is shown is then
// one that was exposed. A share's completion is only a look, which is repeated.
func (r *Record) outlasting() Record {
	core := *r
	core.Since, core.Users, core.Source, core.Target, core.LastError = time.Time{}, nil, nil, "", ""
	core.Volume.Status, core.Volume.UpdatedAt, core.Volume.Attachments = "", time.Time{}, nil
	switch core.Step {
	case StepConnected, StepMounted, StepUnmounting:
		core.Step = StepExposed
	}
	core.Completed = r.Completed && !r.Volume.shared()
	return core
}

// connection returns the connection with what an earlier Connect proved of it.
// Call it only when there is one.
func (r *Record) connection() connector.Connection {
	conn := *r.Connection
	if r.Source != nil {
		conn.Proven = r.Source.Proof
	}
	return conn
}

// forgetAttachment clears all that one attachment brought.
func (r *Record) forgetAttachment() {
	r.Attachment, r.Reserving, r.ExposedTo = "", time.Time{}, ""
	r.Connection, r.Source, r.Completed = nil, nil, false
	r.Target, r.Pristine, r.Grow = "", false, 0
}
