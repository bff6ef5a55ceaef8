package cinder

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

func (a *API) showMetadata(c *call) (int, any, error) {
	v, err := a.block.Volume(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	c.bare = true
	if c.version.has(withEtags) {
		c.w.Header().Set("Etag", etag(v.Metadata))
	}
	return http.StatusOK, one("metadata", filled(v.Metadata)), nil
}

func (a *API) mergeMetadata(c *call) (int, any, error) {
	object, err := c.object("metadata", nil, nil, true)
	if err != nil {
		return 0, nil, err
	}
	return a.writeMetadata(c, object, func(old map[string]string) map[string]string {
		maps.Copy(old, metadata(object))
		return old
	})
}

func (a *API) replaceMetadata(c *call) (int, any, error) {
	object, err := c.object("metadata", nil, nil, true)
	if err != nil {
		return 0, nil, err
	}
	return a.writeMetadata(c, object, func(map[string]string) map[string]string { return metadata(object) })
}

func (a *API) writeMetadata(c *call, object map[string]any, change func(map[string]string) map[string]string) (int, any, error) {
	if err := check("", map[string]any{"metadata": object}, nil, rules{"metadata": isMetadata}, false); err != nil {
		return 0, nil, err
	}
	fresh, err := a.block.EditMetadata(c.caller, c.id(), func(old map[string]string) (map[string]string, error) {
		if err := c.checkMatch(old); err != nil {
			return nil, err
		}
		return change(old), nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("metadata", filled(fresh)), nil
}

func (a *API) showMetadatum(c *call) (int, any, error) {
	v, err := a.block.Volume(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	key := c.r.PathValue("key")
	value, ok := v.Metadata[key]
	if !ok {
		return 0, nil, noMetadatum(v.ID, key)
	}
	return http.StatusOK, one("meta", map[string]string{key: value}), nil
}

func (a *API) putMetadatum(c *call) (int, any, error) {
	object, err := c.object("meta", nil, nil, true)
	if err != nil {
		return 0, nil, err
	}
	if err := check("", map[string]any{"meta": object}, nil, rules{"meta": isMetadata}, false); err != nil {
		return 0, nil, err
	}
	if len(object) != 1 {
		return 0, nil, invalidField("meta", object, "must have exactly one property")
	}
	if _, ok := object[c.r.PathValue("key")]; !ok {
		return 0, nil, block.Refuse(http.StatusBadRequest, "Request body and URI mismatch")
	}
	_, err = a.block.EditMetadata(c.caller, c.id(), func(old map[string]string) (map[string]string, error) {
		if err := c.checkMatch(old); err != nil {
			return nil, err
		}
		maps.Copy(old, metadata(object))
		return old, nil
	})
	return http.StatusOK, one("meta", object), err
}

func (a *API) deleteMetadatum(c *call) (int, any, error) {
	key := c.r.PathValue("key")
	c.bare = true
	_, err := a.block.EditMetadata(c.caller, c.id(), func(old map[string]string) (map[string]string, error) {
		if _, ok := old[key]; !ok {
			return nil, noMetadatum(c.id(), key)
		}
		delete(old, key)
		return old, nil
	})
	return http.StatusOK, nil, err
}

// checkMatch honours If-Match, which makes a change conditional on the metadata
// being what the client saw. POST never looks at it, as in Cinder.
func (c *call) checkMatch(current map[string]string) error {
	match := c.r.Header.Get("If-Match")
	if match == "" || match == "*" || c.r.Method == http.MethodPost || !c.version.has(withEtags) {
		return nil
	}
	if strings.Contains(match, etag(current)) {
		return nil
	}
	return block.Refuse(http.StatusPreconditionFailed, "The metadata has changed.")
}

func etag(m map[string]string) string {
	raw, _ := json.Marshal(one("metadata", filled(m)))
	sum := md5.Sum(raw)
	return hex.EncodeToString(sum[:])
}

func filled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func noMetadatum(id, key string) error {
	return block.Refuse(http.StatusNotFound, "Volume %s has no metadata with key %s.", id, key)
}
