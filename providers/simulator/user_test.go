package simulator_test

import "time"

func (u *user) create(fields object) string {
	u.t.Helper()
	if _, ok := fields["size"]; !ok && fields["snapshot_id"] == nil && fields["source_volid"] == nil {
		fields["size"] = 1
	}
	id := u.want(202, "POST", "/volumes", object{"volume": fields}).at("volume", "id").(string)
	u.until(id, "available")
	return id
}

func (u *user) status(id string) string {
	u.t.Helper()
	return u.want(200, "GET", "/volumes/"+id, nil).at("volume", "status").(string)
}

func (u *user) until(id, status string) {
	u.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if u.status(id) == status {
			return
		}
	}
	u.t.Fatalf("volume %s is %s; want %s", id, u.status(id), status)
}

func (u *user) untilGone(path string) {
	u.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if u.do("GET", path, nil).Status == 404 {
			return
		}
	}
	u.t.Fatalf("%s is still there", path)
}

func (u *user) reserve(volume string) string {
	u.t.Helper()
	r := u.want(200, "POST", "/attachments", object{"attachment": object{"volume_uuid": volume}})
	return r.at("attachment", "id").(string)
}

func connector(host string) object {
	return object{"attachment": object{"connector": object{"host": host, "mountpoint": "fuxi:" + host}}}
}

func (u *user) attach(volume, host string) string {
	u.t.Helper()
	id := u.reserve(volume)
	u.want(200, "PUT", "/attachments/"+id, connector(host))
	u.want(204, "POST", "/attachments/"+id+"/action", object{"os-complete": object{}})
	return id
}
