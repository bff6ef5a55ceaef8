package nova

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

func (a *API) listServers(c *call) (int, any, error) {
	all := []map[string]any{}
	for _, s := range a.servers.Servers(c.caller) {
		all = append(all, serverSummary(c, s))
	}
	return http.StatusOK, one("servers", all), nil
}

func (a *API) detailServers(c *call) (int, any, error) {
	all := []map[string]any{}
	for _, s := range a.servers.Servers(c.caller) {
		disks, err := a.servers.Disks(c.caller, s.ID)
		if err != nil {
			continue // deleted meanwhile
		}
		all = append(all, serverView(c, s, disks))
	}
	return http.StatusOK, one("servers", all), nil
}

func (a *API) showServer(c *call) (int, any, error) {
	s, err := a.servers.Server(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	disks, err := a.servers.Disks(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("server", serverView(c, s, disks)), nil
}

func (a *API) deleteServer(c *call) (int, any, error) {
	return http.StatusNoContent, nil, a.servers.Delete(c.caller, c.id())
}

// serverAction knows what changes whether volumes can be attached.
func (a *API) serverAction(c *call) (int, any, error) {
	change := map[string]func(*Server){
		"os-stop":  func(s *Server) { s.Status = Shutoff },
		"os-start": func(s *Server) { s.Status = Active },
		"lock":     func(s *Server) { s.Locked = true },
		"unlock":   func(s *Server) { s.Locked = false },
	}
	for name := range c.body {
		act := change[name]
		if act == nil || len(c.body) != 1 {
			return 0, nil, block.Refuse(http.StatusBadRequest, "There is no such action: %s", name)
		}
		_, err := a.servers.Edit(c.caller, c.id(), func(s *Server) error {
			if s.Locked && name != "unlock" && name != "lock" {
				return block.Refuse(http.StatusConflict, "Instance %s is locked", s.ID)
			}
			act(s)
			return nil
		})
		return http.StatusAccepted, nil, err
	}
	return 0, nil, block.Refuse(http.StatusBadRequest, "Malformed request body")
}

func (a *API) listDisks(c *call) (int, any, error) {
	disks, err := a.servers.Disks(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	all := []map[string]any{}
	for _, d := range disks {
		all = append(all, diskView(c, d))
	}
	return http.StatusOK, one("volumeAttachments", all), nil
}

func (a *API) showDisk(c *call) (int, any, error) {
	d, err := a.servers.Disk(c.caller, c.id(), c.volume())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("volumeAttachment", diskView(c, d)), nil
}

func (a *API) attach(c *call) (int, any, error) {
	wanted, err := c.attachment()
	if err != nil {
		return 0, nil, err
	}
	d, err := a.servers.Attach(c.caller, c.id(), wanted.volume, wanted.device, c.version.has(withMultiattach))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("volumeAttachment", diskView(c, d)), nil
}

type wantedDisk struct{ volume, device string }

// attachment checks the body of an attach as Nova's schema does.
func (c *call) attachment() (w wantedDisk, err error) {
	object, ok := c.body["volumeAttachment"].(map[string]any)
	if _, has := c.body["volumeAttachment"]; !has {
		return w, block.Refuse(http.StatusBadRequest, "Invalid input for field/attribute volumeAttachment. Value: None. 'volumeAttachment' is a required property")
	}
	if !ok {
		return w, block.Refuse(http.StatusBadRequest, "Invalid input for field/attribute volumeAttachment. Value: %v. %v is not of type 'object'", c.body["volumeAttachment"], c.body["volumeAttachment"])
	}
	for key := range object {
		if !c.knows(key) {
			return w, block.Refuse(http.StatusBadRequest, "Invalid input for field/attribute volumeAttachment. Value: %v. Additional properties are not allowed ('%s' was unexpected)", object, key)
		}
	}
	id, ok := object["volumeId"].(string)
	if _, err := uuid.Parse(id); !ok || err != nil {
		return w, block.Refuse(http.StatusBadRequest, "Invalid input for field/attribute volumeId. Value: %v. %v is not a 'uuid'", object["volumeId"], object["volumeId"])
	}
	w.volume = id
	w.device, _ = object["device"].(string)
	return w, nil
}

// knows tells whether a version's attachments may have a property.
func (c *call) knows(key string) bool {
	switch key {
	case "volumeId", "device":
		return true
	case "tag":
		return c.version.has(49)
	case "delete_on_termination":
		return c.version.has(withTermination)
	}
	return false
}

func (a *API) detach(c *call) (int, any, error) {
	return http.StatusAccepted, nil, a.servers.Detach(c.caller, c.id(), c.volume())
}
