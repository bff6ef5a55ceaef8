package pretend

import (
	"os"
	"slices"
	"strings"
)

// wwidsHead begins /etc/multipath/wwids.
const wwidsHead = `# Multipath wwids, Version : 1.0
# NOTE: This file is automatically maintained by multipath and multipathd.
# You should not need to edit this file in normal circumstances.
#
# Valid WWIDs:
`

// wwids lists what /etc/multipath/wwids has.
func (d *daemon) wwids() []string {
	var list []string
	for line := range strings.Lines(d.wwidsFile()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
			list = append(list, strings.Trim(line, "/"))
		}
	}
	return list
}

// remember enters a WWID, or makes one valid that was crossed out.
func (d *daemon) remember(wwid string) {
	if !slices.Contains(d.wwids(), wwid) {
		d.writeWWIDs(strings.ReplaceAll(d.wwidsFile(), "#"+wwid+"/\n", "") + "/" + wwid + "/\n")
	}
}

// forget crosses a WWID out; false when it is not there.
func (d *daemon) forget(wwid string) bool {
	if !slices.Contains(d.wwids(), wwid) {
		return false
	}
	d.writeWWIDs(strings.ReplaceAll(d.wwidsFile(), "/"+wwid+"/\n", "#"+wwid+"/\n"))
	return true
}

func (d *daemon) wwidsFile() string {
	b, _ := os.ReadFile(d.m.Host.Path("etc/multipath/wwids"))
	return string(b)
}

func (d *daemon) writeWWIDs(text string) {
	d.m.check(os.WriteFile(d.m.Host.Path("etc/multipath/wwids"), []byte(text), 0o600))
}
