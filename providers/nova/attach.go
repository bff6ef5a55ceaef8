package nova

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Reserve asks Nova to attach the volume to this machine. Cinder changes it from
// available to reserved in one conditional update before Nova answers, so of two
// servers one gets it. What the server has already is not taken over, whoever
// attached it: ErrInUse. When its answer is lost and the attachment is not there,
// the error is Ambiguous: the request may still arrive, and Reclaim finds it then.
//
// A machine that is full is told so before Nova is asked: ErrInvalid. While the
// server does something else (a resize, a reboot) Nova refuses; that is waited
// for.
func (a *Attacher) Reserve(ctx context.Context, volumeID string, readOnly bool) (string, error) {
	if err := checkID("volume", volumeID); err != nil {
		return "", err
	}
	if readOnly {
		return "", volume.Errorf(volume.ErrInvalid, "Nova attaches volumes for reading and writing only; mount volume %s read-only instead", volumeID)
	}
	server, err := a.cfg.Instance.ID(ctx)
	if err != nil {
		return "", err
	}
	has, err := a.all(ctx, server)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(has, func(o attachmentJSON) bool { return strings.EqualFold(string(o.VolumeID), volumeID) }) {
		return "", volume.Errorf(volume.ErrInUse, "volume %s is attached to this server (%s) already, and not by fuxi as far as its records go: %s", volumeID, server, byHand(server, volumeID))
	}
	if err := a.hasRoom(server, len(has)); err != nil {
		return "", err
	}
	if err := a.post(ctx, server, volumeID); err != nil {
		return "", err
	}
	return attachmentID(server, volumeID), nil
}

// byHand is how an operator ends an attachment that is not fuxi's.
func byHand(server, volumeID string) string {
	return "if nothing uses it, detach it with: openstack server remove volume " + server + " " + volumeID
}

// hasRoom refuses what Nova, or the guest's bus, would refuse late and in other
// words. has is how many volumes Nova lists.
func (a *Attacher) hasRoom(server string, has int) error {
	if most := a.cfg.MaxVolumes; most > 0 && has >= most {
		return volume.Errorf(volume.ErrInvalid, "node full: server %s has %d volumes, and [nova] max_volumes allows %d; stop containers that use volumes here, or run this one on another host", server, has, most)
	}
	if a.cfg.Room == nil || a.cfg.MaxVolumes > 0 {
		return nil
	}
	slots, used, err := a.cfg.Room()
	if err != nil || slots == 0 || max(used, has) < slots {
		return nil // what cannot be learned is for Nova to say
	}
	return volume.Errorf(volume.ErrInvalid, "node full: this server (%s) has %d disks, and its bus takes %d; stop containers that use volumes here, run this one on another host, or give the server's image hw_disk_bus=scsi and hw_scsi_model=virtio-scsi, which allow 256 (set [nova] max_volumes if more fit than that)", server, max(used, has), slots)
}

// post asks for the attachment until the server is free to do it.
func (a *Attacher) post(ctx context.Context, server, volumeID string) error {
	until := time.Now().Add(a.cfg.TaskWait)
	for try := 0; ; try++ {
		err := call(ctx, a.compute, openstack.Call{
			Method: http.MethodPost, Path: "servers/" + server + "/os-volume_attachments",
			Body:  map[string]any{"volumeAttachment": map[string]any{"volumeId": volumeID}},
			Doing: "attach volume " + volumeID + " to server " + server,
		}, nil)
		switch {
		case err == nil:
			return nil
		case volume.IsAmbiguous(err):
			// It was not attached before; if it is now, this call did it.
			is, aerr := a.attached(ctx, server, volumeID)
			if aerr != nil {
				return err
			}
			if is {
				return nil
			}
			return err // it may still be at work: the caller asks Reclaim
		case !isTask(err):
			return reserveError(err, server)
		}
		if time.Now().After(until) {
			return volume.Errorf(volume.ErrUnavailable, "%w: the server did not end that within %s", err, a.cfg.TaskWait)
		}
		if perr := pause(ctx, try); perr != nil {
			return perr
		}
	}
}

// Reclaim finds this machine's attachment of a volume.
func (a *Attacher) Reclaim(ctx context.Context, volumeID string) (string, error) {
	if err := checkID("volume", volumeID); err != nil {
		return "", err
	}
	server, err := a.cfg.Instance.ID(ctx)
	if err != nil {
		return "", err
	}
	is, err := a.attached(ctx, server, volumeID)
	if err != nil {
		return "", err
	}
	if !is {
		return "", volume.Errorf(volume.ErrNotFound, "volume %s is not attached to server %s", volumeID, server)
	}
	return attachmentID(server, volumeID), nil
}

// Expose waits until Nova has attached the volume: until Cinder says that it is in
// use by this server. Nova may give up, and then the volume is available again.
func (a *Attacher) Expose(ctx context.Context, v volume.Volume, id string, _ volume.HostIdentity) (connector.Connection, error) {
	server, volumeID, err := parseID(id)
	if err != nil {
		return connector.Connection{}, err
	}
	if !strings.EqualFold(volumeID, v.ID) {
		return connector.Connection{}, volume.Errorf(volume.ErrUnsafe, "attachment %s is not of volume %s: nothing was connected; release it by its id", id, v.ID)
	}
	until := time.Now().Add(a.cfg.AttachWait)
	for try := 0; ; try++ {
		now, err := a.storage.Get(ctx, v.ID)
		if err != nil {
			return connector.Connection{}, err
		}
		done, err := a.reached(ctx, server, now)
		if err != nil {
			return connector.Connection{}, err
		}
		if done {
			return connection(server, now), nil
		}
		if time.Now().After(until) {
			return connector.Connection{}, volume.Errorf(volume.ErrUnavailable, "Nova does not finish attaching volume %s to server %s: after %s it is in status %s; %s", v.ID, server, a.cfg.AttachWait, now.Status, seeEvents(server))
		}
		if err := pause(ctx, try); err != nil {
			return connector.Connection{}, err
		}
	}
}

// reached tells whether the volume is attached to the server, or why it will not
// be.
func (a *Attacher) reached(ctx context.Context, server string, v volume.Volume) (bool, error) {
	switch {
	case v.Status == "in-use" && holds(v.Attachments, server):
		return true, nil
	case strings.Contains(v.Status, "error"):
		return false, volume.Errorf(volume.ErrConflict, "attaching volume %s to server %s failed: the volume is in status %s; %s", v.ID, server, v.Status, seeEvents(server))
	case v.Status != "available":
		return false, nil
	}
	// Cinder's answer may be older than Nova's: only both together mean that it
	// was given up.
	is, err := a.attached(ctx, server, v.ID)
	if err != nil || is {
		return false, err
	}
	return false, volume.Errorf(volume.ErrUnavailable, "Nova gave up attaching volume %s to server %s: the volume is available again; %s", v.ID, server, seeEvents(server))
}

func seeEvents(server string) string {
	return "the reason is in: openstack server event list " + server
}

func holds(rows []volume.Attachment, server string) bool {
	return slices.ContainsFunc(rows, func(r volume.Attachment) bool { return strings.EqualFold(r.Server, server) })
}

// connection is never encrypted: of an encrypted volume the hypervisor opens the
// ciphertext, and the guest sees a plain disk.
func connection(server string, v volume.Volume) connector.Connection {
	return connector.Connection{Driver: Driver, VolumeID: v.ID, SizeGiB: v.SizeGiB, Access: connector.ReadWrite,
		Data: map[string]any{"serial": v.ID, "server": server}}
}

// Complete has nothing to do: Nova completes what it attaches.
func (a *Attacher) Complete(context.Context, string) error { return nil }

// Attachments are Cinder's rows, those of servers under the id that Reserve gives.
func (a *Attacher) Attachments(ctx context.Context, volumeID string) ([]volume.Attachment, error) {
	rows, err := a.storage.Attachments(ctx, volumeID)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(rows)
	if len(all) == 0 {
		return all, nil
	}
	own, err := a.cfg.Instance.ID(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if strings.EqualFold(all[i].Server, own) {
			all[i].ID = attachmentID(all[i].Server, volumeID)
		}
	}
	return all, nil
}

// Here tells whether an attachment, as the volume or its rows show it, is of this
// very machine. False as long as it is not known which server that is.
func (a *Attacher) Here(row volume.Attachment) bool {
	own := a.cfg.Instance.Known()
	return own != "" && strings.EqualFold(row.Server, own)
}
