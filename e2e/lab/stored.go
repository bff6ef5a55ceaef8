//go:build e2e

package lab

import (
	"slices"
	"strings"
)

// volume is a volume or a share as the cloud shows it to its administrator.
type volume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Size        int               `json:"size"`
	Type        string            `json:"volume_type"`
	ShareType   string            `json:"share_type_name"`
	Metadata    map[string]string `json:"metadata"`
	Attachments []attachment      `json:"attachments"`

	share bool
}

// attachment is one row of the cloud's table: of a volume an attachment, of a
// share a host that an access rule lets in. Lists of volumes leave out
// reservations.
type attachment struct {
	ID     string `json:"attachment_id"`
	Host   string `json:"host_name"`
	Server string `json:"server_id"`
	Status string `json:"-"`
}

// hosts are those that have the volume, or are let in to the share.
func (v volume) hosts() []string {
	var all []string
	for _, a := range v.Attachments {
		all = append(all, a.Host)
	}
	slices.Sort(all)
	return all
}

// usedBy tells whether exactly this host has the volume, itself or as a server,
// or is let in to the share.
func (v volume) usedBy(host string) bool {
	used := v.Status == "in-use"
	if v.share { // which are always available
		used = v.Status == "available" && len(v.Attachments) > 0 && v.Attachments[0].Status == "active"
	}
	return used && len(v.Attachments) == 1 && (v.Attachments[0].Host == host || v.Attachments[0].Server == server(host))
}

// volumes lists volumes and shares whose name begins with the prefix, of all
// projects.
func (c *cloud) volumes(prefix string) ([]volume, error) {
	var volumes struct{ Volumes []volume }
	if err := c.ask(cinder, "GET", "/volumes/detail?all_tenants=1", nil, &volumes); err != nil {
		return nil, err
	}
	var shares struct{ Shares []volume }
	if err := c.ask(manila, "GET", "/shares/detail?all_tenants=1", nil, &shares); err != nil {
		return nil, err
	}
	others := func(v volume) bool { return !strings.HasPrefix(v.Name, prefix) }
	mine := slices.DeleteFunc(volumes.Volumes, others)
	for _, v := range slices.DeleteFunc(shares.Shares, others) {
		rules, err := c.rules(v.ID)
		if err != nil {
			return nil, err
		}
		v.share, v.Type = true, v.ShareType
		for _, r := range rules {
			v.Attachments = append(v.Attachments, r.rows()...)
		}
		mine = append(mine, v)
	}
	return mine, nil
}

// attachments lists all rows of a volume or share, reservations included.
func (c *cloud) attachments(v volume) ([]attachment, error) {
	if v.share {
		rules, err := c.rules(v.ID)
		var all []attachment
		for _, r := range rules {
			all = append(all, r.rows()...)
		}
		return all, err
	}
	var out struct {
		Attachments []struct{ ID, Status string }
	}
	err := c.ask(cinder, "GET", "/attachments?all_tenants=1&volume_id="+v.ID, nil, &out)
	var all []attachment
	for _, row := range out.Attachments {
		all = append(all, attachment{ID: row.ID, Status: row.Status})
	}
	return all, err
}

// rule is an access rule of a share.
type rule struct {
	ID       string            `json:"id"`
	Kind     string            `json:"access_type"`
	To       string            `json:"access_to"`
	Level    string            `json:"access_level"`
	State    string            `json:"state"`
	Metadata map[string]string `json:"metadata"`
}

// rules lists those of a share; of one that is gone there are none.
func (c *cloud) rules(share string) ([]rule, error) {
	var out struct {
		Rules []rule `json:"access_list"`
	}
	err := c.ask(manila, "GET", "/share-access-rules?share_id="+share, nil, &out)
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil, nil
	}
	return out.Rules, err
}

// rows are the hosts that use a rule, by the marks that fuxi leaves on it; whom
// a rule without such marks lets in stands for itself.
func (r rule) rows() []attachment {
	var all []attachment
	for key := range r.Metadata {
		if host, is := strings.CutPrefix(key, "fuxi:host:"); is {
			all = append(all, attachment{ID: r.ID, Host: host, Status: r.State})
		}
	}
	if len(all) == 0 {
		all = []attachment{{ID: r.ID, Host: r.To, Status: r.State}}
	}
	return all
}
