package openstack

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The types below read one JSON value each and never fail, because services,
// their versions and their drivers disagree about how a number, a truth or a
// time is written, and one odd field must not hide a whole list of volumes.
// What makes no sense becomes the zero value.

// Int reads 5, "5", 5.0 and null.
type Int int

// UnmarshalJSON implements json.Unmarshaler.
func (i *Int) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(scalar(data), 64)
	if err != nil || f < -1<<53 || f > 1<<53 || f != f {
		f = 0
	}
	*i = Int(f)
	return nil
}

// Text reads strings, and numbers and truths as they are written; null, lists
// and objects are "".
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	*t = Text(scalar(data))
	return nil
}

// Flag reads true, "true", "True", 1 and "1"; all else is false.
type Flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *Flag) UnmarshalJSON(data []byte) error {
	s := scalar(data)
	*f = Flag(strings.EqualFold(s, "true") || s == "1")
	return nil
}

// Time reads RFC 3339 and the zone-less form that Cinder writes, which is UTC
// (2024-05-01T10:00:00.000000). It is cut to whole seconds, since some services
// write fractions and others do not, and times are compared across them.
type Time struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error {
	t.Time = time.Time{}
	s := strings.Replace(scalar(data), " ", "T", 1)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, s); err == nil {
			t.Time = at.UTC().Truncate(time.Second)
			return nil
		}
	}
	return nil
}

// Words reads an object of scalars, as metadata is; null is nil.
type Words map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Words) UnmarshalJSON(data []byte) error {
	*w = nil
	var all map[string]Text
	if json.Unmarshal(data, &all) != nil || all == nil {
		return nil
	}
	*w = make(Words, len(all))
	for k, v := range all {
		(*w)[k] = string(v)
	}
	return nil
}

// List reads an array whose elements decode one by one; an element that does
// not decode is left out, and what is no array is nil.
type List[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *List[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(data, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var element T
		if json.Unmarshal(r, &element) == nil && !bytes.Equal(r, []byte("null")) {
			*l = append(*l, element)
		}
	}
	return nil
}

// scalar returns a JSON scalar as text.
func scalar(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	switch data[0] {
	case '"':
		var s string
		if json.Unmarshal(data, &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	}
	return string(data)
}
