package share

import (
	"fmt"
	"net/http"
)

// Error is a refusal in the API's own terms: the HTTP status it stands for and
// a message in the API's wording.
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

// Bad is a 400.
func Bad(format string, args ...any) error { return Refuse(http.StatusBadRequest, format, args...) }

func noShare() error { return Refuse(http.StatusNotFound, "The resource could not be found.") }

func badInput(format string, args ...any) error {
	return Bad("Invalid input received: "+format, args...)
}

// badShare is a share whose state forbids what was asked; the status differs from
// operation to operation.
func badShare(status int, format string, args ...any) error {
	return Refuse(status, "Invalid share: "+format, args...)
}

func overGigabytes(status int, prefix string) error {
	return Refuse(status, "%sRequested share exceeds allowed project/user or share type gigabytes quota.", prefix)
}

func overShares(limit int) error {
	return Refuse(http.StatusRequestEntityTooLarge, "ShareLimitExceeded: Maximum number of shares allowed (%d) either per project/user or share type quota is exceeded.", limit)
}
