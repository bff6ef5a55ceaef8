package connector

import "fmt"

// CheckSize proves that a device's size in bytes is the cloud's, up to one per
// cent of rounding. Another size is another volume, or one that grows just now:
// ErrUnsafe.
func (c Connection) CheckSize(size int64) error {
	low := int64(c.SizeGiB) << 30
	if high := low + low/100; size < low || size > high {
		return fmt.Errorf("has %d bytes, the cloud says %d GiB (%d to %d bytes): %w: if the volume was just extended try again, else compare both",
			size, c.SizeGiB, low, high, ErrUnsafe)
	}
	return nil
}
