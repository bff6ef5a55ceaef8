// Package nova attaches Cinder's volumes to the virtual machine that fuxi runs
// in, by OpenStack's compute service, API version 2.1: the hypervisor reaches the
// storage and the guest gets a disk. The volumes themselves stay the block
// storage provider's.
package nova

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Driver is the driver of the connections that Expose returns.
const Driver = "nova"

// version is the lowest that attaches a volume which several servers may have
// (compute API 2.60, Queens). From 2.101 on an attach is answered before
// anything is done, without a body.
const version = "2.60"

// BlockStorage is what is asked of the service that keeps the volumes;
// providers/cinder implements it.
type BlockStorage interface {
	// Get reads one volume, with the attachments that are complete.
	Get(ctx context.Context, id string) (volume.Volume, error)
	// Attachments reads all rows of one volume, reservations included.
	Attachments(ctx context.Context, volumeID string) ([]volume.Attachment, error)
}

// Config of an Attacher.
type Config struct {
	// Instance tells which server this machine is. It is asked at the first call
	// that needs it.
	Instance *Instance
	// Room tells how many disks this machine can have and has, as seen from
	// inside; slots 0 is not known. It may be nil.
	Room func() (slots, used int, err error)
	// MaxVolumes is how many volumes of the cloud this machine may have at once,
	// whatever Room says; 0 leaves it to Room.
	MaxVolumes int
	// AttachWait bounds the wait for Nova to attach, 0 is 2 minutes; DetachWait
	// that for it to detach, 0 is 4 minutes (Nova itself asks the guest eight times
	// within 160 s); TaskWait that for the server to end what it does just now, 0
	// is a minute.
	AttachWait, DetachWait, TaskWait time.Duration
}

// Attacher implements volume.Attacher and volume.Reclaimer by Nova.
type Attacher struct {
	compute *openstack.Session
	storage BlockStorage
	cfg     Config
}

var (
	_ volume.Attacher  = (*Attacher)(nil)
	_ volume.Reclaimer = (*Attacher)(nil)
)

// New returns an Attacher. It asks nobody.
func New(compute *openstack.Session, storage BlockStorage, cfg Config) *Attacher {
	cfg.AttachWait = cmp.Or(cfg.AttachWait, 2*time.Minute)
	cfg.DetachWait = cmp.Or(cfg.DetachWait, 4*time.Minute)
	cfg.TaskWait = cmp.Or(cfg.TaskWait, time.Minute)
	return &Attacher{compute: compute, storage: storage, cfg: cfg}
}

// attachmentID is how an attachment is called here. Nova has no other name for
// it that all versions show, and Cinder's is not ours to delete.
func attachmentID(server, volumeID string) string { return server + "/" + volumeID }

// parseID undoes attachmentID.
func parseID(id string) (server, volumeID string, err error) {
	server, volumeID, _ = strings.Cut(id, "/")
	if err := checkID("server", server); err != nil {
		return "", "", err
	}
	return server, volumeID, checkID("volume", volumeID)
}

// checkID refuses what would turn a path into another one.
func checkID(what, id string) error {
	if id == "" || len(id) > 64 || strings.Trim(strings.ToLower(id), "0123456789abcdefghijklmnopqrstuvwxyz-_") != "" {
		return volume.Errorf(volume.ErrInvalid, "%q is not the id of a %s", id, what)
	}
	return nil
}

// call sends one request to Nova.
func call(ctx context.Context, session *openstack.Session, c openstack.Call, into any) error {
	c.Service, c.Microversion = openstack.Compute, version
	c.Method = cmp.Or(c.Method, http.MethodGet)
	return session.Do(ctx, c, into)
}

// attachmentJSON is a volume attachment as Nova shows it. Its device is left out:
// it is what Nova guessed before the guest gave out a name.
type attachmentJSON struct {
	VolumeID openstack.Text `json:"volumeId"`
	ServerID openstack.Text `json:"serverId"`
}

// attached tells whether Nova has the volume attached to the server, or is about
// to. A server that does not exist has none.
func (a *Attacher) attached(ctx context.Context, server, volumeID string) (bool, error) {
	err := call(ctx, a.compute, openstack.Call{
		Path: "servers/" + server + "/os-volume_attachments/" + volumeID, Doing: "show the attachment of volume " + volumeID + " to server " + server,
	}, nil)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// all lists the volumes that the server has.
func (a *Attacher) all(ctx context.Context, server string) ([]attachmentJSON, error) {
	doing := "list the volumes of server " + server
	var answer struct {
		Attachments *[]attachmentJSON `json:"volumeAttachments"`
	}
	err := call(ctx, a.compute, openstack.Call{Path: "servers/" + server + "/os-volume_attachments", Doing: doing}, &answer)
	if isNotFound(err) {
		return nil, volume.Errorf(volume.ErrInvalid, "%w: this machine was taken for that server; set [nova] instance_id to its own id", err)
	}
	if err == nil && answer.Attachments == nil {
		return nil, volume.Errorf(volume.ErrUnavailable, "asking nova of cloud %q to %s: the answer has no list of attachments", a.compute.Name(), doing)
	}
	if err != nil {
		return nil, err
	}
	return *answer.Attachments, nil
}
