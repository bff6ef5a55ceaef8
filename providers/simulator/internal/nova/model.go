// Package nova is the simulated Compute service, API version 2.1 with
// microversions, as far as volumes of servers go: servers that are given from
// outside, their volume attachments with the states they pass through, and a
// hypervisor behind them, which may be a real one. Written from the Compute API
// reference and from reading what Nova does where the reference is silent.
package nova

import (
	"context"
	"net/http"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// Statuses of a server that the code itself sets.
const (
	Active  = "ACTIVE"
	Shutoff = "SHUTOFF"
)

// Server is one virtual machine. Records are never changed in place.
type Server struct {
	ID      string
	Name    string
	Project string
	User    string
	Status  string // ACTIVE, SHUTOFF, ERROR …
	Task    string // task_state, "" for none: every change is refused meanwhile
	Locked  bool
	// MaxDisks is how many disks the hypervisor allows; 0 is no limit.
	MaxDisks int
	// FailAttach and IgnoreDetach count down what goes wrong: an attach that the
	// hypervisor cannot do, a detach that the guest does not answer.
	FailAttach   int
	IgnoreDetach int
	Created      time.Time
	Updated      time.Time
}

// Disk is a volume of a server (Nova: block device mapping).
type Disk struct {
	ID         string
	ServerID   string
	VolumeID   string
	Attachment string // Cinder's id
	Device     string // what Nova guesses that the guest calls it
	Plugged    bool
	Created    time.Time
}

func diskKey(server, volumeID string) string { return server + "/" + volumeID }

// Backing is what a hypervisor puts into a guest.
type Backing struct {
	Path   string // of the volume's data
	Serial string // the volume's id
}

// Hypervisor plugs and unplugs disks. Both may be called again.
type Hypervisor interface {
	Plug(ctx context.Context, server string, b Backing) error
	Unplug(ctx context.Context, server string, b Backing) error
}

// noGuest is the hypervisor of servers that nobody looks into.
type noGuest struct{}

func (noGuest) Plug(context.Context, string, Backing) error   { return nil }
func (noGuest) Unplug(context.Context, string, Backing) error { return nil }

// vmState is the state that Nova's messages name.
func (s *Server) vmState() string {
	switch s.Status {
	case Active:
		return "active"
	case Shutoff:
		return "stopped"
	case "BUILD":
		return "building"
	case "ERROR":
		return "error"
	case "SHELVED_OFFLOADED":
		return "shelved_offloaded"
	case "SUSPENDED":
		return "suspended"
	}
	return "active"
}

// free refuses what a server does not allow now.
func (s *Server) free(action string, states ...string) error {
	switch {
	case s.Locked:
		return block.Refuse(http.StatusConflict, "Instance %s is locked", s.ID)
	case s.Task != "":
		return block.Refuse(http.StatusConflict, "Cannot '%s' instance %s while it is in task_state %s", action, s.ID, s.Task)
	}
	for _, state := range states {
		if state == s.vmState() {
			return nil
		}
	}
	return block.Refuse(http.StatusConflict, "Cannot '%s' instance %s while it is in vm_state %s", action, s.ID, s.vmState())
}

func noServer(id string) error {
	return block.Refuse(http.StatusNotFound, "Instance %s could not be found.", id)
}

func notAttached(server, volumeID string) error {
	return block.Refuse(http.StatusNotFound, "Instance %s is not attached to volume %s", server, volumeID)
}

// now is the time to the second, as Nova shows it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
