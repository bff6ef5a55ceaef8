package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// shareVersion is what a request to Manila is sent with that names no
// microversion: the oldest whose access rules have metadata.
const (
	shareVersion = "2.45"
	manilaHeader = "X-Openstack-Manila-Api-Version"
)

// ofShares tells whether a story is about Manila.
func (s Story) ofShares() bool { return strings.HasPrefix(s.Name, "share") }

// toManila addresses a request. Who has no endpoint uses the member's.
func (p *player) toManila(q *request, caller person, c Case, path string) {
	endpoint := caller.shares
	if endpoint == "" {
		endpoint = p.people[member].shares
	}
	q.url = endpoint + path
	switch c.Version {
	case "none":
	case "":
		q.header[manilaHeader] = shareVersion
	default:
		q.header[manilaHeader] = c.Version
	}
}

// rememberShare notes the shares made. Manila answers a create with 200.
func (p *player) rememberShare(q request, r reply) {
	if q.method != http.MethodPost || r.status != http.StatusOK || !strings.HasSuffix(q.url, "/shares") {
		return
	}
	if id := text(r.body, "share.id"); id != "" {
		p.shares = append(p.shares, id)
	}
}

// removeShare deletes a share with its snapshots, whatever state the story left
// it in, and returns when it is gone.
func (p *player) removeShare(id string) error {
	path := "manila:/shares/" + id
	var last error
	asked := false
	for end := time.Now().Add(p.cloud.Patience); time.Now().Before(end); time.Sleep(p.cloud.Patience / 200) {
		r, err := p.manage("GET", path, "")
		if err != nil || r.status == http.StatusNotFound {
			return err
		}
		if asked && text(r.body, "share.status") == "deleting" {
			continue
		}
		if err := p.removeShareSnapshots(id); err != nil {
			last = err
			continue
		}
		if _, err := p.manage("POST", path+"/action", `{"reset_status":{"status":"error"}}`); err != nil {
			return err
		}
		r, err = p.manage("DELETE", path, "")
		if err != nil {
			return err
		}
		if asked = r.status == http.StatusAccepted; !asked {
			last = fmt.Errorf("delete share %s: %d %s", id, r.status, r.raw)
		}
	}
	if last == nil {
		last = fmt.Errorf("share %s is still there", id)
	}
	return last
}

func (p *player) removeShareSnapshots(share string) error {
	r, err := p.manage("GET", "manila:/snapshots?all_tenants=1&share_id="+share, "")
	if err != nil {
		return err
	}
	for i := range size(r.body, "snapshots") {
		path := "manila:/snapshots/" + text(r.body, fmt.Sprintf("snapshots.%d.id", i))
		if _, err := p.manage("DELETE", path, ""); err != nil {
			return err
		}
		if err := p.gone(path); err != nil {
			return err
		}
	}
	return nil
}
