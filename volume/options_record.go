package volume

import (
	"slices"
	"strconv"
	"strings"
)

// maxRecord is what Cinder stores as one metadata value, in bytes to be safe.
const maxRecord = 255

// Record is what a later Create and the first mount need of the options, as
// the value of the mark fuxi:opts: at most 255 bytes of "key=value;key=value"
// in sorted order. ErrInvalid names the longest option when it does not fit.
func (o Options) Record() (string, error) {
	var fields []string
	longest, most := "", 0
	for _, r := range optionRules() {
		value := r.get(o)
		if r.record == "" || value == "" {
			continue
		}
		field := r.record + "=" + escapeRecord(value)
		if len(field) > most {
			longest, most = r.name, len(field)
		}
		fields = append(fields, field)
	}
	slices.Sort(fields)
	record := strings.Join(fields, ";")
	if len(record) > maxRecord {
		return "", Errorf(ErrInvalid, "the options need %d bytes and the cloud keeps %d with a volume: shorten %s, the longest", len(record), maxRecord, longest)
	}
	return record, nil
}

// ParseRecord reads what Record wrote. Any member of the project can write the
// mark, so each value passes the same checks as an option; keys of a newer
// version are ignored. A damaged record is ErrInvalid.
func ParseRecord(record string) (Options, error) {
	if record == "" {
		return Options{}, nil
	}
	raw, problem := recordFields(record)
	if problem != "" {
		return Options{}, Errorf(ErrInvalid, "the recorded options %s are damaged: %s", quoteShort(record), problem)
	}
	// What excludes what was judged at the Create, with options that are not
	// recorded here.
	o, problems := readOptions(raw)
	if len(problems) > 0 {
		return Options{}, Errorf(ErrInvalid, "the recorded options %s are damaged: %s", quoteShort(record), strings.Join(problems, "; "))
	}
	return o, nil
}

// recordFields takes a record apart into options by name.
func recordFields(record string) (raw map[string]string, problem string) {
	if len(record) > maxRecord {
		return nil, "longer than 255 bytes"
	}
	raw = map[string]string{}
	for field := range strings.SplitSeq(record, ";") {
		key, value, ok := strings.Cut(field, "=")
		value, clean := unescapeRecord(value)
		if !ok || !clean {
			return nil, quoteShort(field) + " is not key=value"
		}
		name := recordedOption(key)
		if _, twice := raw[name]; twice {
			return nil, quoteShort(key) + " appears twice"
		}
		if name != "" {
			raw[name] = value
		}
	}
	return raw, ""
}

// recordedOption names the option behind a key, "" for one of a newer version.
func recordedOption(key string) string {
	for _, r := range optionRules() {
		if key != "" && r.record == key {
			return r.name
		}
	}
	return ""
}

func escapeRecord(s string) string {
	return strings.NewReplacer("%", "%25", ";", "%3B").Replace(s)
}

func unescapeRecord(s string) (string, bool) {
	parts := strings.Split(s, "%")
	for i, part := range parts[1:] {
		if len(part) < 2 {
			return "", false
		}
		b, err := strconv.ParseUint(part[:2], 16, 8)
		if err != nil {
			return "", false
		}
		parts[i+1] = string([]byte{byte(b)}) + part[2:]
	}
	return strings.Join(parts, ""), true
}
