package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// remove deletes a volume with its attachments and snapshots, whatever state
// the story left it in, and returns when it is gone.
func (p *player) remove(id string) error {
	r, err := p.manage("GET", "/volumes/"+id, "")
	if err != nil || r.status == http.StatusNotFound {
		return err
	}
	for end := time.Now().Add(p.cloud.Patience); ; time.Sleep(p.cloud.Patience / 100) {
		if err = p.tryRemove(id); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// tryRemove may meet what a case has left to the cloud to finish.
func (p *player) tryRemove(id string) error {
	if err := errors.Join(p.detach(id), p.removeSnapshots(id)); err != nil {
		return err
	}
	_, err := p.manage("POST", "/volumes/"+id+"/action", `{"os-reset_status":{"status":"available","attach_status":"detached"}}`)
	if err != nil {
		return err
	}
	r, err := p.manage("DELETE", "/volumes/"+id, "")
	if err != nil || r.status == http.StatusNotFound {
		return err
	}
	if r.status != http.StatusAccepted {
		return fmt.Errorf("delete volume %s: %d %s", id, r.status, r.raw)
	}
	return p.gone("/volumes/" + id)
}

// detach deletes the attachments one by one, which ends their exports. What
// Cinder does not let go is dropped by resetting the volume's attach status.
func (p *player) detach(volume string) error {
	r, err := p.manage("GET", "/attachments?all_tenants=1&volume_id="+volume, "")
	if err != nil {
		return err
	}
	for i := range size(r.body, "attachments") {
		id := text(r.body, fmt.Sprintf("attachments.%d.id", i))
		if _, err := p.manage("DELETE", "/attachments/"+id, ""); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) removeSnapshots(volume string) error {
	r, err := p.manage("GET", "/snapshots?all_tenants=1&volume_id="+volume, "")
	if err != nil {
		return err
	}
	for i := range size(r.body, "snapshots") {
		path := "/snapshots/" + text(r.body, fmt.Sprintf("snapshots.%d.id", i))
		if _, err := p.manage("DELETE", path, ""); err != nil {
			return err
		}
		if err := p.gone(path); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) gone(path string) error {
	for end := time.Now().Add(p.cloud.Patience); ; time.Sleep(p.cloud.Patience / 300) {
		r, err := p.manage("GET", path, "")
		if err != nil || r.status == http.StatusNotFound {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is still there: %s", path, r.raw)
		}
	}
}

// manage asks as the administrator.
func (p *player) manage(method, path, body string) (reply, error) {
	q, err := p.request(Case{As: admin, Do: method + " " + path, Body: body})
	if err != nil {
		return reply{}, err
	}
	return q.send()
}
