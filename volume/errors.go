package volume

import (
	"context"
	"errors"
	"fmt"

	"github.com/openstack/fuxi/connector"
)

// The six kinds of failure. Ask with errors.Is(err, volume.ErrNotFound).
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrInUse       = errors.New("in use")
	ErrInvalid     = errors.New("invalid")
	ErrUnavailable = errors.New("unavailable")
	ErrUnsafe      = errors.New("unsafe")
)

// Error is a failure of one kind. Its text says what was tried, what was found
// and what to do next; the kind is for programs and is not repeated in it.
type Error struct {
	Kind error  // one of the six
	Text string // whole sentence for the user
	Err  error  // cause, if any; its text is not added
	// Ambiguous is true when a request that changes something was sent and no
	// answer came: it may or may not have been done.
	Ambiguous bool
}

func (e *Error) Error() string { return e.Text }

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Errorf makes an Error of the given kind. A %w operand becomes its cause.
func Errorf(kind error, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Text: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf returns which of the six kinds err is. A deadline or a cancelled
// context is ErrUnavailable; nil when err is nil or of no kind (a defect).
func KindOf(err error) error {
	for _, kind := range []error{ErrNotFound, ErrConflict, ErrInUse, ErrInvalid, ErrUnsafe, ErrUnavailable} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return ErrUnavailable
	}
	return nil
}

// IsAmbiguous tells whether err leaves open if the change was made.
func IsAmbiguous(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Ambiguous
}

// wrap says what was being done when err came up, keeping its kind. Errors of
// connectors, which know no kinds, get theirs here.
func wrap(err error, format string, args ...any) error {
	var other *elsewhereError
	if errors.As(err, &other) {
		return err
	}
	kind := KindOf(err)
	switch {
	case kind != nil:
	case errors.Is(err, connector.ErrBusy):
		kind = ErrInUse
	case errors.Is(err, connector.ErrUnsafe):
		kind = ErrUnsafe
	case errors.Is(err, connector.ErrUnsupported):
		kind = ErrInvalid
	default:
		kind = ErrUnavailable
	}
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...) + ": " + err.Error(), Err: err, Ambiguous: IsAmbiguous(err)}
}
