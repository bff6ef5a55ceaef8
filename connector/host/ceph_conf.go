package host

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
)

// CephConf is the configuration file of one cluster, as far as a client needs
// it: sections of "name = value", where spaces, dashes and underscores in names
// mean the same (ceph-conf(8)).
type CephConf struct {
	Dir, Cluster string
	File         string // where it was read; it exists only when Found
	Found        bool
	sections     map[string]map[string]string
}

// CephConf reads the configuration of a cluster. That there is none is no error.
func (h *Host) CephConf(dir, cluster string) (CephConf, error) {
	c := CephConf{Dir: dir, Cluster: cluster, File: path.Join(dir, cluster+".conf"), sections: map[string]map[string]string{}}
	text, err := os.ReadFile(h.Path(c.File))
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read %s: %w", c.File, bare(err))
	}
	c.Found = true
	section := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ";")
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			continue
		}
		if name, value, found := strings.Cut(line, "="); found {
			if c.sections[section] == nil {
				c.sections[section] = map[string]string{}
			}
			c.sections[section][settingName(name)] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return c, nil
}

func settingName(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.Join(strings.Fields(name), " "))
}

// Value returns a setting as it holds for a user: its own section before the
// clients' before the global one; "" when there is none.
func (c CephConf) Value(user, name string) string {
	for _, section := range []string{"client." + user, "client", "global"} {
		if value := c.sections[section][name]; value != "" {
			return c.expand(user, value)
		}
	}
	return ""
}

// expand fills in the variables that file names are written with.
func (c CephConf) expand(user, value string) string {
	return strings.NewReplacer("$cluster", c.Cluster, "$type", "client", "$id", user, "$name", "client."+user).Replace(value)
}

// keyFiles lists the files that may have the key, in the order in which Ceph
// looks. Its own list of standard places says /etc/ceph; ours follows Dir.
func (c CephConf) keyFiles(user string) []string {
	var files []string
	if file := c.Value(user, "keyfile"); path.IsAbs(file) {
		files = append(files, file)
	}
	list := c.Value(user, "keyring")
	if list == "" {
		list = c.expand(user, strings.ReplaceAll("DIR/$cluster.$name.keyring,DIR/$cluster.keyring,DIR/keyring,DIR/keyring.bin", "DIR", c.Dir))
	}
	for _, file := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; ", r) }) {
		if path.IsAbs(file) {
			files = append(files, file)
		}
	}
	return files
}

// CephMonitor is one address of a monitor; each speaks the old protocol (v1,
// usual port 6789), the new one (v2, 3300), or both at two ports.
type CephMonitor struct {
	Host string // address without brackets, or a name
	Port int    // 0 is the usual one
	V1   bool   // said to be for the old protocol
	V2   bool   // said to be for the new one
}

// Monitors returns the addresses that the configuration names: "10.0.0.1",
// "mon1:6789", "[fd00::1]:6789", "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]",
// separated by commas or spaces.
func (c CephConf) Monitors(user string) ([]CephMonitor, error) {
	list := c.Value(user, "mon_host")
	// A group in brackets holds one monitor's addresses; of an IPv6 address they
	// are a part.
	list = strings.NewReplacer("[v1:", "v1:", "[v2:", "v2:", "/0]", "/0").Replace(list)
	var all []CephMonitor
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; \t", r) }) {
		m, err := cephMonitor(word)
		if err != nil {
			return nil, fmt.Errorf("mon_host in %s: %w", c.File, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func cephMonitor(word string) (m CephMonitor, err error) {
	rest, nonce := word, ""
	rest, m.V1 = strings.CutPrefix(rest, "v1:")
	if !m.V1 {
		rest, m.V2 = strings.CutPrefix(rest, "v2:")
	}
	rest, nonce, _ = strings.Cut(rest, "/")
	if _, err := strconv.ParseUint(nonce, 10, 32); nonce != "" && err != nil {
		return m, fmt.Errorf("%q is no address of a monitor", word)
	}
	if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		m.Host = ip.String()
		return m, nil
	}
	m.Host = rest
	if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		n, err := strconv.ParseUint(rest[at+1:], 10, 16)
		if err != nil || n == 0 {
			return m, fmt.Errorf("%q is no address of a monitor", word)
		}
		m.Host, m.Port = strings.Trim(rest[:at], "[]"), int(n)
	}
	if m.Host == "" || strings.ContainsAny(m.Host, "[]/") {
		return m, fmt.Errorf("%q is no address of a monitor", word)
	}
	return m, nil
}
