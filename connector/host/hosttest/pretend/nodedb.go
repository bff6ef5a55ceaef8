package pretend

import (
	_ "embed"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// recordTemplate is a node record as iscsiadm shows a fresh one.
//
//go:embed record.txt
var recordTemplate string

// setting is one line of a node record.
type setting struct{ name, value string }

// record is one node record; its order is the file's.
type record struct {
	file     string
	settings []setting
}

func (m *Machine) recordFile(iqn, portal string) string {
	address, port, _ := net.SplitHostPort(portal)
	return m.Host.Path("var/lib/iscsi/nodes", iqn, address+","+port)
}

// records lists the files of the node database.
func (m *Machine) records() []string {
	files, _ := filepath.Glob(m.Host.Path("var/lib/iscsi/nodes/*/*"))
	return files
}

// newRecord returns a record with the defaults.
func (m *Machine) newRecord(iqn, portal string) *record {
	address, port, _ := net.SplitHostPort(portal)
	r := &record{file: m.recordFile(iqn, portal), settings: parseSettings(recordTemplate)}
	r.set("node.name", iqn)
	r.set("node.conn[0].address", address)
	r.set("node.conn[0].port", port)
	return r
}

// readRecord reads a record from its file; others may have written to it.
func readRecord(file string) (*record, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &record{file: file, settings: parseSettings(recordTemplate)}
	for _, s := range parseSettings(string(b)) {
		r.set(s.name, s.value)
	}
	return r, nil
}

func parseSettings(text string) []setting {
	var list []setting
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " ="); ok && !strings.HasPrefix(name, "#") {
			list = append(list, setting{name, strings.TrimSpace(value)})
		}
	}
	return list
}

func (r *record) get(name string) string {
	for _, s := range r.settings {
		if s.name == name && s.value != "<empty>" {
			return s.value
		}
	}
	return ""
}

// set changes a setting; false when a record has none of that name.
func (r *record) set(name, value string) bool {
	for i := range r.settings {
		if r.settings[i].name == name {
			r.settings[i].value = value
			return true
		}
	}
	return false
}

func (r *record) portal() string {
	return net.JoinHostPort(r.get("node.conn[0].address"), r.get("node.conn[0].port"))
}

// text is what iscsiadm shows (all settings) or writes down (those that are not
// empty).
func (r *record) text(all, secrets bool) string {
	var b strings.Builder
	b.WriteString("# BEGIN RECORD 2.1.11\n")
	for _, s := range r.settings {
		empty := s.value == "" || s.value == "<empty>"
		switch {
		case empty && !all:
			continue
		case empty:
			s.value = "<empty>"
		case strings.HasSuffix(strings.TrimSuffix(s.name, "_in"), "password") && !secrets:
			s.value = "********"
		}
		b.WriteString(s.name + " = " + s.value + "\n")
	}
	b.WriteString("# END RECORD\n")
	return b.String()
}

func (r *record) write() error {
	if err := os.MkdirAll(filepath.Dir(r.file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(r.file, []byte(r.text(false, true)), 0o600)
}

// remove takes the record away, and its directory with the last.
func (r *record) remove() {
	_ = os.Remove(r.file)
	_ = os.Remove(filepath.Dir(r.file))
}
