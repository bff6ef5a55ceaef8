package manila

import (
	"maps"
	"net/http"

	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

func noShareHere() error { return share.Refuse(http.StatusNotFound, "Share not found.") }

func noItem() error {
	return share.Refuse(http.StatusNotFound, "MetadataItemNotFound: Metadata item is not found.")
}

func (a *API) showMetadata(c *call) (int, any, error) {
	s, err := a.shares.Share(c.caller, c.id())
	if err != nil {
		return 0, nil, noShareHere()
	}
	return http.StatusOK, one("metadata", filled(s.Metadata)), nil
}

func (a *API) mergeMetadata(c *call) (int, any, error) {
	return a.writeMetadata(c, func(old, sent map[string]string) map[string]string {
		maps.Copy(old, sent)
		return old
	})
}

func (a *API) replaceMetadata(c *call) (int, any, error) {
	return a.writeMetadata(c, func(_, sent map[string]string) map[string]string { return sent })
}

func (a *API) writeMetadata(c *call, change func(old, sent map[string]string) map[string]string) (int, any, error) {
	if _, ok := c.body["metadata"].(map[string]any); !ok {
		return 0, nil, malformed()
	}
	if _, err := a.shares.Share(c.caller, c.id()); err != nil {
		if _, err := a.shares.Share(share.Caller{Admin: true}, c.id()); err == nil {
			return 0, nil, noShareHere()
		}
		return 0, nil, share.Refuse(http.StatusNotFound, "NotFound: Resource could not be found.")
	}
	sent, err := metadata(c.body["metadata"], malformed())
	if err != nil {
		return 0, nil, err
	}
	fresh, err := a.shares.EditMetadata(c.caller, c.id(), func(old map[string]string) (map[string]string, error) {
		return change(old, sent), nil
	})
	return http.StatusOK, one("metadata", filled(fresh)), err
}

func (a *API) showMetadatum(c *call) (int, any, error) {
	s, err := a.shares.Share(c.caller, c.id())
	if err != nil {
		return 0, nil, noShareHere()
	}
	key := c.r.PathValue("key")
	value, ok := s.Metadata[key]
	if !ok {
		return 0, nil, noItem()
	}
	return http.StatusOK, one("meta", map[string]string{key: value}), nil
}

func (a *API) deleteMetadatum(c *call) (int, any, error) {
	if _, err := a.shares.Share(c.caller, c.id()); err != nil {
		return 0, nil, noShareHere()
	}
	key := c.r.PathValue("key")
	_, err := a.shares.EditMetadata(c.caller, c.id(), func(old map[string]string) (map[string]string, error) {
		if _, ok := old[key]; !ok {
			return nil, noItem()
		}
		delete(old, key)
		return old, nil
	})
	return http.StatusOK, nil, err
}
