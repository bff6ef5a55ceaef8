package volume

import (
	"slices"
	"strconv"
	"strings"
)

// Metadata keys of ours. Any project member can write them: what is read is
// input and is validated.
const (
	markFrom       = "volume_from" // cluster name, as the original fuxi wrote it
	markFSType     = "fstype"      // likewise
	markSchema     = "fuxi:v"
	markCreated    = "fuxi:created" // RFC 3339 time, host, nonce of the creating call
	markAdopted    = "fuxi:adopted" // RFC 3339 time, host
	markFormatting = "fuxi:formatting"
	markFormatted  = "fuxi:formatted"
	markSubdir     = "fuxi:subdir"
	markOpts       = "fuxi:opts"
	markOnRemove   = "fuxi:on-remove"
	markName       = "fuxi:name"
	markPristine   = "fuxi:pristine"
	markReleased   = "fuxi:released"
	markTrashed    = "fuxi:trashed"
	markClaim      = "fuxi:claim:" // of shares, with a host's name: it looks whether it may use this one

	markPrefix    = "fuxi:"
	schemaVersion = 1
)

// Stamp is the value of a formatting or formatted mark: "ext4,UUID[,HOST]".
type Stamp struct {
	FSType string `json:"fstype"`
	UUID   string `json:"uuid"`
	Host   string `json:"host,omitempty"`
}

func (s Stamp) String() string {
	parts := []string{s.FSType, s.UUID}
	if s.Host != "" {
		parts = append(parts, s.Host)
	}
	return strings.Join(parts, ",")
}

// Marks is the validated reading of a volume's metadata.
type Marks struct {
	From       string   `json:"from,omitempty"`
	FSType     string   `json:"fstype,omitempty"`
	Schema     int      `json:"schema,omitempty"`
	Created    string   `json:"created,omitempty"` // whole value; "" when fuxi did not create it
	Adopted    string   `json:"adopted,omitempty"`
	Formatting *Stamp   `json:"formatting,omitempty"`
	Formatted  *Stamp   `json:"formatted,omitempty"`
	Subdir     string   `json:"subdir,omitempty"`
	Opts       string   `json:"opts,omitempty"`
	OnRemove   string   `json:"on_remove,omitempty"`
	Name       string   `json:"name,omitempty"`
	Pristine   bool     `json:"pristine,omitempty"`
	Released   bool     `json:"released,omitempty"`
	Claims     []string `json:"claims,omitempty"` // hosts whose claim mark is there, sorted
	// Damaged lists marks whose value is not valid. A volume with damaged
	// marks is never formatted.
	Damaged []string `json:"damaged,omitempty"`
}

// ParseMarks reads the marks out of cloud metadata. It never fails: a value
// that is not valid is listed in Damaged and otherwise treated as set.
func ParseMarks(metadata map[string]string) Marks {
	m := Marks{
		From: metadata[markFrom], FSType: metadata[markFSType],
		Created: metadata[markCreated], Adopted: metadata[markAdopted],
		Opts: metadata[markOpts],
	}
	damaged := func(key string) { m.Damaged = append(m.Damaged, key) }
	if v, ok := metadata[markSchema]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > schemaVersion {
			damaged(markSchema)
		}
		m.Schema = n
	}
	m.Formatting = parseStamp(metadata, markFormatting, damaged)
	m.Formatted = parseStamp(metadata, markFormatted, damaged)
	if v, ok := metadata[markSubdir]; ok {
		if CheckSubdir(v) != nil {
			damaged(markSubdir)
		} else {
			m.Subdir = v
		}
	}
	if v, ok := metadata[markOnRemove]; ok {
		if v != OnRemoveDelete && v != OnRemoveRetain {
			damaged(markOnRemove)
			v = OnRemoveRetain
		}
		m.OnRemove = v
	}
	if v, ok := metadata[markName]; ok {
		if CheckName(v) != nil {
			damaged(markName)
		} else {
			m.Name = v
		}
	}
	for key := range metadata {
		if host, ok := strings.CutPrefix(key, markClaim); ok {
			m.Claims = append(m.Claims, host)
		}
	}
	slices.Sort(m.Claims)
	_, m.Pristine = metadata[markPristine]
	_, released := metadata[markReleased]
	_, trashed := metadata[markTrashed]
	m.Released = released || trashed
	return m
}

func parseStamp(metadata map[string]string, key string, damaged func(string)) *Stamp {
	value, ok := metadata[key]
	if !ok {
		return nil
	}
	parts := strings.SplitN(value, ",", 3)
	s := Stamp{FSType: parts[0]}
	if len(parts) > 1 {
		s.UUID = parts[1]
	}
	if len(parts) > 2 {
		s.Host = parts[2]
	}
	if !isFSType(s.FSType) && !slices.Contains(shareProtos(), strings.ToUpper(s.FSType)) || !isUUID(s.UUID) {
		damaged(key)
	}
	return &s
}

// isUUID tells whether s is a uuid in its usual spelling of 36 characters.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// IsMark tells whether a metadata key belongs to fuxi and may not be set by
// users.
func IsMark(key string) bool {
	return key == markFrom || key == markFSType || strings.HasPrefix(key, markPrefix)
}

// Blank tells whether fuxi created the volume with nothing on it: not from a
// snapshot, volume or image, and not adopted.
func (v Volume) Blank() bool {
	return v.Marks.Created != "" && v.Marks.Adopted == "" &&
		v.SnapshotID == "" && v.SourceID == "" && !v.FromImage
}

// Usable tells whether a lookup by name may return the volume: released and
// trashed ones are let go, deleting ones are as good as gone.
func (v Volume) Usable() bool {
	return !v.Marks.Released && v.Status != "deleting" && v.Status != "deleted"
}
