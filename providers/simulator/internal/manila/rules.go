package manila

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/python"
	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

func (a *API) allow(c *call) (int, any, error) {
	object, ok := c.argument()
	if !ok {
		return 0, nil, share.Bad("The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	to, isText := object["access_to"].(string)
	kind, isKind := object["access_type"].(string)
	if _, err := a.shares.Share(c.caller, c.id()); err != nil {
		return 0, nil, share.Refuse(http.StatusNotFound, "NotFound: Resource could not be found.")
	}
	if !isText || !isKind {
		return 0, nil, crashed()
	}
	if err := checkHolder(kind, to); err != nil {
		return 0, nil, err
	}
	level := text(object, "access_level")
	if level != nil && !slices.Contains([]string{"rw", "ro"}, *level) {
		return 0, nil, share.Bad("Invalid access rule: Invalid share access level: %s.", *level)
	}
	var marks map[string]string
	if c.version.has(withRuleMetadata) {
		var err error
		if marks, err = metadata(object["metadata"], crashed()); err != nil {
			return 0, nil, err
		}
	}
	if level == nil {
		rw := "rw"
		level = &rw
	}
	made, err := a.shares.Allow(c.caller, c.id(), share.NewRule{
		Kind: kind, To: to, Level: level, Metadata: marks,
		OnErrorRules: c.version.has(withRulesOnError), OnError: c.version.has(withRulesOfFailed),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("access", viewRule(c, made, false)), nil
}

func checkHolder(kind, to string) error {
	switch kind {
	case "ip":
		prefix, err := netip.ParsePrefix(to)
		if err == nil && prefix != prefix.Masked() {
			return share.Bad("%s has host bits set", to)
		}
		if _, bad := netip.ParseAddr(to); err != nil && bad != nil {
			return share.Bad("'%s' does not appear to be an IPv4 or IPv6 network", to)
		}
	case "cephx":
		if to == "" {
			return share.Bad("Ceph IDs may not be empty.")
		}
		if strings.Contains(to, ".") {
			return share.Bad("Ceph IDs may not contain periods.")
		}
	case "user", "cert":
	default:
		return share.Bad("Only 'ip', 'user', 'cert' or 'cephx' access types are supported.")
	}
	return nil
}

func (a *API) deny(c *call) (int, any, error) {
	object, _ := c.argument()
	return http.StatusAccepted, nil, a.shares.Deny(c.caller, c.id(), orEmpty(text(object, "access_id")), c.version.has(withRulesOfFailed))
}

func (a *API) listRules(c *call) (int, any, error) {
	if err := c.need(withRuleMetadata); err != nil {
		return 0, nil, err
	}
	query := c.r.URL.Query()
	id := query.Get("share_id")
	if !query.Has("share_id") {
		return 0, nil, share.Bad("The field 'share_id' has to be specified.")
	}
	if _, err := a.shares.Share(c.caller, id); err != nil {
		return 0, nil, share.Bad("Share %s not found.", id)
	}
	pairs := map[string]any{}
	if query.Has("metadata") {
		value, _ := python.Literal(query.Get("metadata"))
		var ok bool
		if pairs, ok = value.(map[string]any); !ok {
			return 0, nil, crashed()
		}
	}
	views := []any{}
	for _, r := range a.shares.Rules(id) {
		if hasPairs(r.Metadata, pairs) {
			views = append(views, viewRule(c, r, true))
		}
	}
	return http.StatusOK, one("access_list", views), nil
}

func (a *API) showRule(c *call) (int, any, error) {
	if err := c.need(withRuleMetadata); err != nil {
		return 0, nil, err
	}
	r, err := a.shares.Rule(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("access", viewRule(c, r, false)), nil
}

// markRule merges, and answers with what was sent. What is wrong with it is said
// in fewer words here.
func (a *API) markRule(c *call) (int, any, error) {
	if _, there := c.body["metadata"].(map[string]any); !there {
		return 0, nil, share.Bad("The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	sent, err := metadata(c.body["metadata"], malformed())
	if err != nil && strings.Contains(err.Error(), "characters") {
		return 0, nil, share.Bad("Invalid metadata size.")
	}
	if err != nil && strings.Contains(err.Error(), "blank") {
		return 0, nil, share.Bad("Invalid metadata.")
	}
	if err != nil {
		return 0, nil, err
	}
	_, err = a.shares.EditRule(c.caller, c.id(), func(r *share.Rule) error {
		for key, value := range sent {
			r.Metadata[key] = value
		}
		return nil
	})
	return http.StatusOK, one("metadata", sent), err
}

func (a *API) unmarkRule(c *call) (int, any, error) {
	_, err := a.shares.EditRule(c.caller, c.id(), func(r *share.Rule) error {
		key := c.r.PathValue("key")
		if _, ok := r.Metadata[key]; !ok {
			return share.Refuse(http.StatusNotFound, "Share access rule metadata does not exist.")
		}
		delete(r.Metadata, key)
		return nil
	})
	return http.StatusOK, nil, err
}

func (a *API) listExports(c *call) (int, any, error) {
	s, err := a.exportsOf(c)
	if err != nil {
		return 0, nil, err
	}
	views := []any{}
	for _, e := range s.Exports {
		if !e.AdminOnly || c.caller.Admin {
			views = append(views, viewExport(c, e, false))
		}
	}
	return http.StatusOK, one("export_locations", views), nil
}

func (a *API) exportsOf(c *call) (*share.Share, error) {
	if err := c.need(withExports); err != nil {
		return nil, err
	}
	s, err := a.shares.Share(c.caller, c.id())
	if err != nil {
		return nil, share.Refuse(http.StatusNotFound, "Share '%s' not found.", c.id())
	}
	return s, nil
}

func (a *API) showExport(c *call) (int, any, error) {
	s, err := a.exportsOf(c)
	if err != nil {
		return 0, nil, err
	}
	id := c.r.PathValue("export")
	for _, e := range s.Exports {
		if e.ID == id && (!e.AdminOnly || c.caller.Admin) {
			return http.StatusOK, one("export_location", viewExport(c, e, true)), nil
		}
	}
	return 0, nil, share.Refuse(http.StatusNotFound, "Export location '%s' not found.", id)
}
