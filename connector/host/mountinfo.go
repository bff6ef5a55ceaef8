package host

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Number is a device number.
type Number struct{ Major, Minor uint32 }

// String returns the kernel's notation, "7:3".
func (n Number) String() string { return fmt.Sprintf("%d:%d", n.Major, n.Minor) }

// Mount is one line of a mountinfo table (proc(5)). Paths are unescaped.
type Mount struct {
	ID, Parent   int
	Dev          Number // of the superblock; btrfs shows an anonymous one
	Root         string // which directory of the filesystem is shown
	Point        string // where, as the table's process sees it
	Options      string // of this mount: ro, nosuid …
	Propagation  string // "shared:7 master:1"; "" is private
	FSType       string
	Source       string // as the filesystem shows it
	SuperOptions string // of the superblock
}

// ReadOnly tells whether writing through this mount is refused.
func (m Mount) ReadOnly() bool {
	return hasOption(m.Options, "ro") || hasOption(m.SuperOptions, "ro")
}

func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}

// ParseMountInfo reads a whole mountinfo table. A line it does not understand
// is an error, never skipped: a mount that is overlooked may be unmounted under
// a container or mounted over.
func ParseMountInfo(table []byte) ([]Mount, error) {
	mounts := make([]Mount, 0, bytes.Count(table, []byte("\n")))
	n := 0
	for line := range strings.SplitSeq(string(table), "\n") {
		n++
		if line == "" {
			continue
		}
		m, err := parseMountLine(line)
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %d: %w: %q", n, err, line)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// parseMountLine reads "36 35 98:0 /root /point rw,noatime shared:1 - ext3
// /dev/root rw,errors=continue"; any number of optional fields may stand
// before the lone hyphen, and a source may be empty.
func parseMountLine(line string) (Mount, error) {
	left, right, found := strings.Cut(line, " - ")
	var fields [6]string
	rest, whole := left, true
	for i := range fields {
		if !whole {
			return Mount{}, fmt.Errorf("too few fields")
		}
		fields[i], rest, whole = strings.Cut(rest, " ")
	}
	propagation := rest
	fsType, rest, whole := strings.Cut(right, " ")
	last := strings.LastIndexByte(rest, ' ')
	if !found || !whole || last < 0 {
		return Mount{}, fmt.Errorf("too few fields")
	}
	source, _, _ := strings.Cut(rest, " ")
	var m Mount
	var err error
	if m.ID, err = strconv.Atoi(fields[0]); err != nil {
		return Mount{}, err
	}
	if m.Parent, err = strconv.Atoi(fields[1]); err != nil {
		return Mount{}, err
	}
	if m.Dev, err = parseNumber(fields[2]); err != nil {
		return Mount{}, err
	}
	m.Root, m.Point, m.Options = unescape(fields[3]), unescape(fields[4]), fields[5]
	m.Propagation = propagation
	m.FSType, m.Source, m.SuperOptions = unescape(fsType), unescape(source), rest[last+1:]
	return m, nil
}

func parseNumber(s string) (Number, error) {
	major, minor, found := strings.Cut(s, ":")
	a, errA := strconv.ParseUint(major, 10, 32)
	b, errB := strconv.ParseUint(minor, 10, 32)
	if !found || errA != nil || errB != nil {
		return Number{}, fmt.Errorf("not a device number: %q", s)
	}
	return Number{uint32(a), uint32(b)}, nil
}

// unescape undoes the kernel's octal escapes of space, tab, newline, backslash
// and hash. What is no escape stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// Mounts reads this process's mount table, lowest layer first: of several
// entries with one Point the last is what a user sees.
func (h *Host) Mounts() ([]Mount, error) {
	return h.mountsOf("self")
}

func (h *Host) mountsOf(pid string) ([]Mount, error) {
	// The kernel formats anew with each read, as many whole lines as fit: one large
	// buffer saves most of them.
	table, err := h.readWhole("/proc/"+pid+"/mountinfo", 16<<10)
	if err != nil {
		return nil, err
	}
	return ParseMountInfo(table)
}

// MountsAt returns the layers mounted exactly at point, lowest first.
func (h *Host) MountsAt(point string) ([]Mount, error) {
	all, err := h.Mounts()
	if err != nil {
		return nil, err
	}
	return Layers(all, point), nil
}

// Layers picks those mounted exactly at point out of a table, in its order.
func Layers(table []Mount, point string) []Mount {
	point = filepath.Clean(point)
	var layers []Mount
	for _, m := range table {
		if m.Point == point {
			layers = append(layers, m)
		}
	}
	return layers
}
