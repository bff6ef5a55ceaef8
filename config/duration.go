package config

import (
	"errors"
	"strings"
	"time"
)

// Duration is a length of time written with its unit, such as "10s" or "3m".
type Duration struct{ time.Duration }

// UnmarshalText reads a number with a unit. A number alone is an error, for
// nobody can tell seconds from minutes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	switch {
	case err == nil:
		d.Duration = v
		return nil
	case len(text) > 0 && strings.Trim(string(text), "0123456789.-+") == "":
		return errors.New(`a time needs a unit, such as "10s" or "3m"`)
	}
	return errors.New(`must be a time such as "500ms", "10s", "3m" or "1h"`)
}

// String is the shortest spelling: 1h rather than 1h0m0s.
func (d Duration) String() string {
	text := d.Duration.String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return text
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
