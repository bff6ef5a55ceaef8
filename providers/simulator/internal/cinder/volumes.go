package cinder

import (
	"net/http"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

const multiattachGone = "multiattach parameter has been removed. The default behavior is to use " +
	"multiattach enabled volume types. Contact your administrator to create a multiattach enabled " +
	"volume type and use it to create multiattach volumes."

func createRules(v version) rules {
	allowed := rules{
		"name": orNull(isText), "description": orNull(isText),
		"display_name": orNull(isText), "display_description": orNull(isText),
		"volume_type": orNull(isText), "metadata": orNull(isMetadata),
		"snapshot_id": isUUIDOrNull, "source_volid": isUUIDOrNull,
		"consistencygroup_id": isUUIDOrNull, "size": orNull(isSize),
		"availability_zone": orNull(isText), "multiattach": orNull(isBool),
		"image_id": orNull(isText), "imageRef": orNull(isText), "scheduler_hints": orNull(isObject),
	}
	if v.has(withGroupID) {
		allowed["group_id"] = orNull(isText)
	}
	if v.has(47) {
		allowed["backup_id"] = isUUIDOrNull
	}
	return allowed
}

func (a *API) createVolume(c *call) (int, any, error) {
	delete(c.body, "OS-SCH-HNT:scheduler_hints")
	object, err := c.object("volume", nil, createRules(c.version), !c.version.has(withStrictVolume))
	if err != nil {
		return 0, nil, err
	}
	if err := tooLong(object, "name", "description"); err != nil {
		return 0, nil, err
	}
	if is, _ := boolean(object["multiattach"]); is {
		return 0, nil, block.Refuse(http.StatusBadRequest, multiattachGone)
	}
	if err := unsupported(object); err != nil {
		return 0, nil, err
	}
	size, _ := integer(object["size"])
	made, err := a.block.CreateVolume(c.caller, block.NewVolume{
		Name:        trimmed(object, "name", "display_name"),
		Description: trimmed(object, "description", "display_description"),
		Size:        size, Type: text(object, "volume_type"), Zone: text(object, "availability_zone"),
		SnapshotID: text(object, "snapshot_id"), SourceID: text(object, "source_volid"),
		Metadata: metadata(object["metadata"]),
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, one("volume", a.volumeCore(c, made)), nil
}

// unsupported refuses what this cloud has none of, in the words for an id that
// is not known.
func unsupported(object map[string]any) error {
	if text(object, "image_id") != nil || text(object, "imageRef") != nil {
		return block.Refuse(http.StatusBadRequest, "Invalid image identifier or unable to access requested image.")
	}
	if id := text(object, "backup_id"); id != nil {
		return block.Refuse(http.StatusNotFound, "Backup %s could not be found.", *id)
	}
	for _, key := range []string{"group_id", "consistencygroup_id"} {
		if id := text(object, key); id != nil {
			return block.Refuse(http.StatusNotFound, "Group %s could not be found.", *id)
		}
	}
	return nil
}

func (a *API) showVolume(c *call) (int, any, error) {
	v, err := a.block.Volume(c.caller, c.id())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("volume", a.volumeDetail(c, v)), nil
}

func (a *API) updateVolume(c *call) (int, any, error) {
	object, err := c.object("volume", nil, rules{
		"name": orNull(isText), "description": orNull(isText),
		"display_name": orNull(isText), "display_description": orNull(isText),
		"metadata": isMetadata,
	}, false)
	if err != nil {
		return 0, nil, err
	}
	if err := tooLong(object, "name", "description"); err != nil {
		return 0, nil, err
	}
	if len(object) == 0 && c.version.has(withStrictVolume) {
		return 0, nil, invalidField("volume", object, "{} is not valid under any of the given schemas")
	}
	v, err := a.block.Edit(c.caller, c.id(), true, func(v *block.Volume) error {
		if v.Status == "maintenance" {
			return block.Refuse(http.StatusBadRequest,
				"Invalid volume: The volume cannot be updated during maintenance.")
		}
		rename(v, object)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, one("volume", a.volumeCore(c, v)), nil
}

func rename(v *block.Volume, object map[string]any) {
	for _, key := range []string{"name", "display_name"} {
		if _, ok := object[key]; ok {
			v.Name = trimmed(object, key)
		}
	}
	for _, key := range []string{"description", "display_description"} {
		if _, ok := object[key]; ok {
			v.Description = trimmed(object, key)
		}
	}
	if _, ok := object["metadata"]; ok {
		v.Metadata = metadata(object["metadata"])
	}
}

func (a *API) deleteVolume(c *call) (int, any, error) {
	query := c.r.URL.Query()
	cascade, _ := boolean(query.Get("cascade"))
	force, _ := boolean(query.Get("force"))
	force = force && c.version.has(withForceDelete)
	if force {
		if _, err := a.block.Volume(c.caller, c.id()); err != nil {
			return 0, nil, err
		}
		if err := c.adminOnly("volume:force_delete"); err != nil {
			return 0, nil, err
		}
	}
	c.bare = true
	return http.StatusAccepted, nil, a.block.DeleteVolume(c.caller, c.id(), force, cascade)
}
