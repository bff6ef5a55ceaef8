package cinder

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
)

// volumeAction does the one action that the body names.
func (a *API) volumeAction(c *call) (int, any, error) {
	actions := map[string]handler{
		"os-extend":               a.extend,
		"os-reset_status":         a.resetStatus,
		"os-set_bootable":         a.setBootable,
		"os-update_readonly_flag": a.setReadOnly,
		"os-force_delete":         a.forceDelete,
	}
	for name := range c.body {
		if do, ok := actions[name]; ok {
			return do(c)
		}
	}
	return 0, nil, c.noAction()
}

// noAction refuses a body that names no action we know.
func (c *call) noAction() error {
	for _, name := range slices.Sorted(maps.Keys(c.body)) {
		return block.Refuse(http.StatusBadRequest,
			"There is no such action: %s. Verify the request body and Content-Type header and try again.", name)
	}
	return block.Refuse(http.StatusBadRequest, "Malformed request body")
}

func (a *API) extend(c *call) (int, any, error) {
	object, err := c.object("os-extend", []string{"new_size"}, rules{"new_size": isSize}, false)
	if err != nil {
		return 0, nil, err
	}
	size, _ := integer(object["new_size"])
	return http.StatusAccepted, nil, a.block.Extend(c.caller, c.id(), size, c.version.has(withExtendInUse))
}

// resettable are the statuses an administrator may name.
func resettable() []string {
	return []string{"creating", "available", "deleting", "error", "error_deleting", "error_managing",
		"managing", "attaching", "in-use", "detaching", "maintenance", "restoring-backup",
		"error_restoring", "reserved", "awaiting-transfer", "backing-up", "error_backing-up",
		"error_extending", "downloading", "uploading", "retyping", "extending"}
}

// oneOf refuses a status that is none of those allowed, in any case of letters.
func oneOf(what string, status *string, allowed ...string) error {
	if status == nil || slices.Contains(allowed, strings.ToLower(*status)) {
		return nil
	}
	return block.Refuse(http.StatusBadRequest, "%s: %s is invalid, valid statuses are: ('%s').",
		what, *status, strings.Join(allowed, "', '"))
}

func (a *API) resetStatus(c *call) (int, any, error) {
	object, err := c.object("os-reset_status", nil, rules{
		"status":           orNull(isText),
		"attach_status":    orNull(isText),
		"migration_status": orNull(isText),
	}, false)
	if err != nil {
		return 0, nil, err
	}
	status, attach := text(object, "status"), text(object, "attach_status")
	err = cmp.Or(oneOf("Volume status", status, resettable()...),
		oneOf("Volume attach status", attach, block.Attached, block.Detached))
	if err != nil {
		return 0, nil, err
	}
	if _, err := a.block.Volume(c.caller, c.id()); err != nil {
		return 0, nil, err
	}
	if err := c.adminOnly("volume_extension:volume_admin_actions:reset_status"); err != nil {
		return 0, nil, err
	}
	if status == nil && attach == nil && text(object, "migration_status") == nil {
		return 0, nil, block.Refuse(http.StatusBadRequest,
			"Must specify 'status', 'attach_status' or 'migration_status' for update.")
	}
	if status != nil && *status == block.Deleting {
		return 0, nil, block.Refuse(http.StatusBadRequest, "Cannot reset-state to %s", *status)
	}
	return http.StatusAccepted, nil, a.block.ResetStatus(c.caller, c.id(), orEmpty(status), orEmpty(attach))
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func (a *API) setBootable(c *call) (int, any, error) {
	is, err := c.flag("os-set_bootable", "bootable")
	if err != nil {
		return 0, nil, err
	}
	_, err = a.block.Edit(c.caller, c.id(), true, func(v *block.Volume) error {
		v.Bootable = is
		return nil
	})
	return http.StatusOK, nil, err
}

func (a *API) setReadOnly(c *call) (int, any, error) {
	is, err := c.flag("os-update_readonly_flag", "readonly")
	if err != nil {
		return 0, nil, err
	}
	_, err = a.block.Edit(c.caller, c.id(), true, func(v *block.Volume) error {
		if v.Status != block.Available {
			return block.Refuse(http.StatusBadRequest, "Invalid volume: Volume %s status must be available "+
				"to update readonly flag, but current status is: %s.", v.ID, v.Status)
		}
		v.ReadOnly = &is
		return nil
	})
	return http.StatusAccepted, nil, err
}

// flag reads an action's only property, a boolean.
func (c *call) flag(action, name string) (bool, error) {
	object, err := c.object(action, []string{name}, rules{name: isBool}, false)
	if err != nil {
		return false, err
	}
	is, _ := boolean(object[name])
	return is, nil
}

func (a *API) forceDelete(c *call) (int, any, error) {
	if _, err := a.block.Volume(c.caller, c.id()); err != nil {
		return 0, nil, err
	}
	if err := c.adminOnly("volume_extension:volume_admin_actions:force_delete"); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, a.block.DeleteVolume(c.caller, c.id(), true, false)
}
