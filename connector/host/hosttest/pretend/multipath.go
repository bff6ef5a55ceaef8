package pretend

import (
	"context"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector/host"
)

// multipathd is the daemon's command line.
func (m *Machine) multipathd(ctx context.Context, args []string) host.Result {
	if !m.daemon.running {
		return failed(1, "ERROR: failed to connect to multipathd")
	}
	words := strings.Fields(strings.Join(args, " "))
	is := func(begin string) bool { return strings.HasPrefix(strings.Join(words, " ")+" ", begin+" ") }
	last := words[len(words)-1]
	switch {
	case is("show daemon"):
		return said("pid " + daemonPid + " idle\n")
	case is("show paths raw format") && len(words) == 5:
		return m.showPaths(last)
	case is("show maps raw format") && len(words) == 5:
		return m.showMaps(m.maps, last)
	case is("show map") && len(words) == 6:
		if d := m.mapNamed(words[2]); d != nil {
			return m.showMaps([]*dmMap{d}, last)
		}
		return nothing()
	case is("add path"):
		if m.daemon.add(strings.TrimPrefix(last, "/dev/")) {
			return done()
		}
		return host.Result{Stdout: []byte("fail\n"), ExitCode: 1}
	case is("del path"), is("remove path"):
		if m.daemon.remove(strings.TrimPrefix(last, "/dev/")) {
			return done()
		}
		return nothing()
	case is("del map"), is("remove map"):
		res := m.flush(ctx, last)
		if res.ExitCode == 0 {
			return done()
		}
		return res
	case is("resize map"):
		return m.resized(last)
	case is("reconfigure"), is("disablequeueing map"), is("disablequeueing maps"):
		return done()
	}
	return m.unknown("multipathd " + strings.Join(args, " "))
}

func (m *Machine) showPaths(format string) host.Result {
	var b strings.Builder
	for _, k := range m.daemon.paths {
		in, dm, state := "[orphan]", "undef", "unknown"
		if k.in != nil {
			in, dm, state = k.in.name, "active", "running"
		}
		b.WriteString(strings.NewReplacer("%d", k.name, "%w", k.wwid, "%m", in, "%i", k.hcil, "%t", dm, "%o", state, "%s", "LIO-ORG,IBLOCK,4.0").Replace(format) + "\n")
	}
	if b.Len() == 0 {
		return done()
	}
	return said(b.String())
}

func (m *Machine) showMaps(maps []*dmMap, format string) host.Result {
	var b strings.Builder
	for _, d := range maps {
		b.WriteString(strings.NewReplacer("%n", d.name, "%w", d.name, "%d", d.node(), "%N", strconv.Itoa(len(d.paths))).Replace(format) + "\n")
	}
	if b.Len() == 0 {
		return done()
	}
	return said(b.String())
}

func (m *Machine) resized(name string) host.Result {
	d := m.mapNamed(name)
	switch {
	case d == nil:
		return nothing()
	case m.resizeMap(d):
		return done()
	}
	return host.Result{Stdout: []byte("fail\n"), ExitCode: 1}
}

// flush removes a map, with the daemon's words.
func (m *Machine) flush(ctx context.Context, name string) host.Result {
	d := m.mapNamed(name)
	if d == nil {
		return nothing()
	}
	if m.flushMap(ctx, d) != nil {
		return host.Result{Stdout: []byte("map or partition in use\n"), ExitCode: 1}
	}
	return host.Result{}
}

// multipath is the other command, which asks the daemon where it can.
func (m *Machine) multipath(ctx context.Context, args []string) host.Result {
	if len(args) == 0 {
		return m.unknown("multipath without an option")
	}
	name := args[len(args)-1]
	switch args[0] {
	case "-f":
		if !m.daemon.running && m.mapNamed(name) == nil {
			return failed(1, "0.000001 | "+name+" is not a multipath device")
		}
		return m.flush(ctx, name)
	case "-C":
		return m.usable(name)
	case "-a":
		return m.addWWID(name)
	case "-w":
		if !m.daemon.forget(name) {
			return said("wwid '" + name + "' not in wwids file\n")
		}
		return said("wwid '" + name + "' removed\n")
	}
	return m.unknown("multipath " + strings.Join(args, " "))
}

func (m *Machine) addWWID(name string) host.Result {
	if p := m.deviceNamed(name); p != nil {
		name = p.wwid()
	}
	m.daemon.remember(name)
	return said("wwid '" + name + "' added\n")
}

// usable tells whether a map has a path that works; it knows maps by their
// nodes only.
func (m *Machine) usable(name string) host.Result {
	d := m.mapNamed(name)
	if d == nil || name == d.name {
		return failed(1, "0.000001 | get_udev_device: failed to look up "+name+" with type 3")
	}
	var lines []string
	for _, p := range d.paths {
		if p.state() == "running" {
			lines = append(lines, "0.000001 | "+d.name+": adding new path "+p.name)
		}
	}
	if len(lines) == 0 {
		return failed(1, "0.000001 | "+d.node()+": no usable paths found")
	}
	res := failed(0, lines...)
	return res
}
