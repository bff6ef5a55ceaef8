package block

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is a refusal in the Block Storage API's own terms: the HTTP status it
// stands for and a message in the API's wording.
type Error struct {
	Status  int
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Refuse makes an Error.
func Refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// InvalidInput is a 400 about a value the caller sent.
func InvalidInput(format string, args ...any) error {
	return Refuse(http.StatusBadRequest, "Invalid input received: "+format, args...)
}

func invalidVolume(format string, args ...any) error {
	return Refuse(http.StatusBadRequest, "Invalid volume: "+format, args...)
}

// notUpdated is how Cinder refuses to connect an attachment: as if it had failed
// itself.
func notUpdated(format string, args ...any) error {
	return Refuse(http.StatusInternalServerError, "Unable to update attachment.(Invalid volume: "+format+").", args...)
}

func forbidden(rule string) error {
	return Refuse(http.StatusForbidden, "Policy doesn't allow %s to be performed.", rule)
}

func noVolume(id string) error {
	return Refuse(http.StatusNotFound, "Volume %s could not be found.", id)
}

func noSnapshot(id string) error {
	return Refuse(http.StatusNotFound, "Snapshot %s could not be found.", id)
}

func noAttachment(id string) error {
	return Refuse(http.StatusNotFound,
		"Volume attachment could not be found with filter: attachment_id = %s.", id)
}

func overGigabytes(requested, limit, used int) error {
	return Refuse(http.StatusRequestEntityTooLarge,
		"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "+
			"Requested %dG, quota is %dG and %dG has been consumed.", requested, limit, used)
}

func overVolumes(limit int) error {
	return Refuse(http.StatusRequestEntityTooLarge,
		"VolumeLimitExceeded: Maximum number of volumes allowed (%d) exceeded for quota 'volumes'.", limit)
}

func overSnapshots(limit int) error {
	return Refuse(http.StatusRequestEntityTooLarge,
		"SnapshotLimitExceeded: Maximum number of snapshots allowed (%d) exceeded", limit)
}

func either(statuses []string) string { return strings.Join(statuses, " or ") }
