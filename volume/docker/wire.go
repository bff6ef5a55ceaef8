package docker

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	wire "github.com/docker/go-plugins-helpers/volume"

	"github.com/openstack/fuxi/volume"
)

func capabilities(scope string) []byte {
	if scope == "" {
		scope = "global"
	}
	// A struct of one string cannot fail to encode.
	b, _ := json.Marshal(wire.CapabilitiesResponse{Capabilities: wire.Capability{Scope: scope}})
	return append(b, '\n')
}

// appendStamp appends t as RFC 3339 in UTC, or nothing if there is no such
// form. dockerd parses the stamp strictly: with a bad one it cannot read the
// whole answer, and takes that for "no such volume".
func appendStamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return b
	}
	return t.AppendFormat(b, time.RFC3339)
}

// appendGet appends the answer to Get. Its Status is what `docker volume
// inspect` shows; empty facts are left out of it. Docker asks Get before
// whatever it does, so this is written by hand: with a map and encoding/json,
// collecting garbage took longer than answering.
func appendGet(b []byte, info volume.Info) []byte {
	b = appendListed(append(b, `{"Volume":{`...), info.Listed)
	b = appendString(append(b, `,"Status":{"id":`...), info.ID)
	b = appendString(append(b, `,"provider":`...), info.Provider)
	b = appendString(append(b, `,"cloud":`...), info.Cloud)
	b = strconv.AppendInt(append(b, `,"size":"`...), int64(info.SizeGiB), 10)
	b = append(b, ` GiB"`...)
	b = appendFact(b, "type", info.Type)
	b = appendString(append(b, `,"state":`...), info.State)
	b = appendFact(b, "filesystem", info.FSType)
	b = strconv.AppendBool(append(b, `,"formatted":`...), info.Formatted)
	b = appendFact(b, "attached_to", info.AttachedTo)
	b = appendUsers(b, info.Users)
	b = appendFact(b, "step", info.Step)
	b = appendFact(b, "last_error", info.LastError)
	b = appendString(append(b, `,"age":`...), info.Age.Round(time.Second).String())
	b = strconv.AppendBool(append(b, `,"stale":`...), info.Stale)
	b = appendFact(b, "on_remove", info.OnRemove)
	b = appendNotes(b, info.Notes)
	return append(b, "}}}\n"...)
}

// appendFact appends a member of an object that has one already, or nothing.
func appendFact(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	b = append(append(append(b, `,"`...), key...), `":`...)
	return appendString(b, text)
}

func appendUsers(b []byte, users map[string]int) []byte {
	opening := [2]string{`,"users":{`, ","}
	for i, id := range slices.Sorted(maps.Keys(users)) {
		b = append(b, opening[min(i, 1)]...)
		b = strconv.AppendInt(append(appendString(b, id), ':'), int64(users[id]), 10)
	}
	if len(users) > 0 {
		b = append(b, '}')
	}
	return b
}

func appendNotes(b []byte, notes []string) []byte {
	if len(notes) == 0 {
		return b
	}
	b = append(b, `,"notes":[`...)
	for i, note := range notes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, note)
	}
	return append(b, ']')
}

// appendList appends the answer to List. encoding/json needs a slice of all
// volumes and several times as long; `docker volume ls` waits for this.
func appendList(b []byte, all iter.Seq[volume.Listed]) []byte {
	b = append(b, `{"Volumes":[`...)
	before := len(b)
	for v := range all {
		if len(b) > before {
			b = append(b, ',')
		}
		b = append(appendListed(append(b, '{'), v), '}')
	}
	return append(b, "]}\n"...)
}

// appendListed appends the members that Get and List have in common.
func appendListed(b []byte, v volume.Listed) []byte {
	b = appendString(append(b, `"Name":`...), v.Name)
	b = appendFact(b, "Mountpoint", v.Mountpoint)
	before := len(b)
	b = append(b, `,"CreatedAt":"`...)
	empty := len(b)
	if b = appendStamp(b, v.CreatedAt); len(b) == empty {
		return b[:before]
	}
	return append(b, '"')
}

// appendString appends s as a JSON string, byte for byte as encoding/json does
// without HTML escaping.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if escape := escapeOf(r, size); escape != "" {
			b = append(append(b, s[start:i]...), escape...)
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

// escapeOf returns how a rune that took size bytes is written, "" for as it is.
func escapeOf(r rune, size int) string {
	switch {
	case r == '"':
		return `\"`
	case r == '\\':
		return `\\`
	case r == '\b':
		return `\b`
	case r == '\f':
		return `\f`
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < ' ':
		const hex = "0123456789abcdef"
		return `\u00` + string(hex[r>>4]) + string(hex[r&0xf])
	case r == utf8.RuneError && size == 1:
		return `\ufffd`
	case r == '\u2028':
		return `\u2028`
	case r == '\u2029':
		return `\u2029`
	}
	return ""
}
