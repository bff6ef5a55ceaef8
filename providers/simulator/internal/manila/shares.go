package manila

import (
	"net/http"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

func (a *API) createShare(c *call) (int, any, error) {
	object, ok := c.body["share"].(map[string]any)
	if !ok {
		return 0, nil, share.Refuse(http.StatusUnprocessableEntity, "Unable to process the contained instructions")
	}
	if truth(object["is_public"]) && !c.caller.Admin {
		return 0, nil, share.Refuse(http.StatusForbidden, "User is not authorized to set 'is_public' to True in the request.")
	}
	if err := tooLong(object, "name", "description"); err != nil {
		return 0, nil, err
	}
	proto, isText := object["share_proto"].(string)
	given, sized := object["size"]
	if !isText || !sized {
		return 0, nil, crashed()
	}
	if object["share_type"] != nil && object["volume_type"] != nil {
		return 0, nil, share.Bad("Cannot specify both share_type and volume_type")
	}
	marks, err := metadata(object["metadata"], share.Bad("The server could not comply with the request since it is either malformed or otherwise incorrect."))
	if err != nil {
		return 0, nil, err
	}
	size, isNumber := integer(given)
	if !isNumber && given != nil {
		return 0, nil, share.Bad("Invalid input received: Share size '%v' must be an integer and greater than 0.", given)
	}
	made, err := a.shares.Create(c.caller, share.NewShare{
		Name: text(object, "name", "display_name"), Description: text(object, "description", "display_description"),
		Size: size, Proto: strings.ToUpper(proto), Type: orEmpty(text(object, "share_type", "volume_type")),
		NetworkID: text(object, "share_network_id"), Zone: text(object, "availability_zone"), SnapshotID: text(object, "snapshot_id"),
		Public: truth(object["is_public"]), Metadata: marks,
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("share", a.viewShare(c, made)), nil
}

func (a *API) showShare(c *call) (int, any, error) {
	s, err := a.shares.Share(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("share", a.viewShare(c, s)), nil
}

func (a *API) updateShare(c *call) (int, any, error) {
	object, ok := c.body["share"].(map[string]any)
	if !ok {
		return 0, nil, share.Refuse(http.StatusUnprocessableEntity, "Unable to process the contained instructions")
	}
	if err := tooLong(object, "display_name", "display_description"); err != nil {
		return 0, nil, err
	}
	s, err := a.shares.Edit(c.caller, c.id(), func(s *share.Share) error {
		if _, ok := object["display_name"]; ok {
			s.Name = text(object, "display_name")
		}
		if _, ok := object["display_description"]; ok {
			s.Description = text(object, "display_description")
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("share", a.viewShare(c, s)), nil
}

func (a *API) deleteShare(c *call) (int, any, error) {
	return http.StatusAccepted, nil, a.shares.Delete(c.caller, c.id(), false)
}

// shareAction does the one action that the body names. Before 2.7 all had a
// prefix.
func (a *API) shareAction(c *call) (int, any, error) {
	actions := map[string]handler{
		"allow_access": a.allow, "deny_access": a.deny, "extend": a.extend,
		"reset_status": a.resetStatus, "force_delete": a.forceDelete,
	}
	for name := range c.body {
		short, prefixed := strings.CutPrefix(name, "os-")
		if do, ok := actions[short]; ok && prefixed != c.version.has(7) {
			return do(c)
		}
		return 0, nil, share.Bad("There is no such action: %s", name)
	}
	return 0, nil, malformed()
}

// argument is the action's only value.
func (c *call) argument() (map[string]any, bool) {
	for _, value := range c.body {
		object, ok := value.(map[string]any)
		return object, ok
	}
	return nil, false
}

func (a *API) extend(c *call) (int, any, error) {
	if _, err := a.shares.Share(c.caller, c.id()); err != nil {
		return 0, nil, share.Refuse(http.StatusNotFound, "Resource could not be found.")
	}
	object, _ := c.argument()
	size, ok := integer(object["new_size"])
	if !ok {
		return 0, nil, share.Bad("New share size must be specified as an integer.")
	}
	return http.StatusAccepted, nil, a.shares.Extend(c.caller, c.id(), size)
}

// resettable are the statuses an administrator may name.
func resettable() []string {
	return []string{"creating", "deleting", "error", "migrating_to", "migrating", "server_migrating", "error_deleting", "available"}
}

func (a *API) resetStatus(c *call) (int, any, error) {
	if err := c.adminOnly(); err != nil {
		return 0, nil, err
	}
	object, _ := c.argument()
	status := orEmpty(text(object, "status"))
	for _, known := range resettable() {
		if status == known {
			_, err := a.shares.Edit(c.caller, c.id(), func(s *share.Share) error {
				s.Status, s.Stuck = status, true
				return nil
			})
			return http.StatusAccepted, nil, err
		}
	}
	return 0, nil, share.Bad("Invalid state. Valid states: %s.", strings.Join(resettable(), ", "))
}

func (a *API) forceDelete(c *call) (int, any, error) {
	if err := c.adminOnly(); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, a.shares.Delete(c.caller, c.id(), true)
}
